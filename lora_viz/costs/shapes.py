"""Which matrices does a real model have? Published shapes as data: no weights, no download.

A model is its linear layers (what LoRA can adapt) and a rest (embeddings, norms, biases, convolutions). Module paths
are those of transformers 5 and diffusers; "{}" in a path stands for the number of the layer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from lora_viz.i18n.language import say, to_say

__all__ = [
    "BIASES", "EMBEDDINGS", "NORMS", "Kept", "Matrix", "ModelShape", "bert", "gpt2", "gpt_separate", "llama", "unet",
    "vit",
]  # fmt: skip

EMBEDDINGS, NORMS, BIASES = to_say("embeddings"), to_say("norms"), to_say("biases")
_UNLISTED = to_say("in the published total, not in the published shapes")
_TIED = to_say("The output head is the embedding matrix, counted once.")


class Matrix(NamedTuple):
    """Equal linear layers: their path, (d_out, d_in), how many, and what they read.

    Those of one layer that read the same vector (``reads``) share it in memory.
    """

    path: str
    d_out: int
    d_in: int
    copies: int
    part: str
    reads: str

    @property
    def name(self) -> str:
        """The shortest ending of the path that names this matrix alone in its model."""
        parts = self.path.split(".")
        tail = 2 if parts[-1] in ("c_proj", "dense", "0", "Wo") else 1
        if parts[-3:] == ["attention", "output", "dense"]:
            tail = 3
        return ".".join(parts[-tail:])

    @property
    def weights(self) -> int:
        return self.d_out * self.d_in * self.copies

    @property
    def per_rank(self) -> int:
        """How many numbers does one unit of rank cost? copies·(d_in + d_out)."""
        return (self.d_in + self.d_out) * self.copies


class Kept(NamedTuple):
    """A vector that a layer keeps for the backward pass: always, or only where one of these matrices is trained.

    ``bytes`` a number where that is not the activations' own: norms keep a copy in fp32, dropout a mask of bytes.
    """

    what: str
    width: int
    needed_by: tuple[str, ...] = ()
    bytes: int = 0


class ModelShape(NamedTuple):
    """One model: its linear layers, everything else, and what each layer keeps a token (empty: not modelled).

    ``unlisted_linear`` weights of the rest are linear layers too: bitsandbytes quantises them.

    The names in ``rest`` and the ``notes`` are said where they are shown.
    """

    title: str
    model_type: str
    layers: int
    hidden: int
    matrices: tuple[Matrix, ...]
    rest: Mapping[str, int]
    kept: tuple[Kept, ...] = ()
    logits: int = 0
    notes: tuple[str, ...] = ()
    unlisted_linear: int = 0

    @property
    def total(self) -> int:
        return sum(m.weights for m in self.matrices) + sum(self.rest.values())

    @property
    def names(self) -> tuple[str, ...]:
        """What can be adapted, each name once: one name may stand for matrices of several sizes."""
        return tuple(dict.fromkeys(m.name for m in self.matrices))

    @property
    def all_linear(self) -> tuple[str, ...]:
        """What PEFT's "all-linear" takes: every linear layer but a language model's output head."""
        return tuple(dict.fromkeys(m.name for m in self.matrices if m.part != "head"))

    def chosen(self, names: Collection[str]) -> tuple[Matrix, ...]:
        """The matrices of these names; ValueError names the ones there are."""
        unknown = [name for name in names if name not in self.names]
        if unknown:
            raise ValueError(say("{title} has no {unknown}: it has {names}.", title=self.title,
                                 unknown=", ".join(unknown), names=", ".join(self.names)))  # fmt: skip
        return tuple(m for m in self.matrices if m.name in names)

    def target_modules(self, names: Collection[str]) -> list[str] | str:
        """What to give PEFT as target_modules for exactly these: a list of endings, or a pattern where they hit more.

        PEFT takes every module whose path ends with a listed name, so BERT's "output.dense" would also hit
        "attention.output.dense".
        """
        chosen = self.chosen(names)
        hit = {m.path for m in self.matrices if any(_ends_with(m.path, name) for name in names)}
        if hit == {m.path for m in chosen}:
            return [name for name in self.names if name in names]
        paths = (re.escape(m.path).replace(r"\{\}", r"\d+") for m in chosen)
        return rf"(.*\.)?({'|'.join(paths)})"


def _ends_with(path: str, name: str) -> bool:
    return path == name or path.endswith("." + name)


def llama(
    title: str, hidden: int, layers: int, heads: int, kv_heads: int, mlp: int, vocab: int, *, model_type: str = "llama",
    head: int | None = None, tied: bool = False, qkv_bias: bool = False, qk_norm: bool = False, norms: int = 2,
    notes: tuple[str, ...] = (),
) -> ModelShape:  # fmt: skip
    """The Llama family (Llama, Mistral, Qwen, Gemma): gated MLP, grouped key and value heads, RMS norms."""
    head = head or hidden // heads
    q, kv = heads * head, kv_heads * head
    at = "model.layers.{}."
    matrices = [
        Matrix(at + "self_attn.q_proj", q, hidden, layers, "attention", "attention input"),
        Matrix(at + "self_attn.k_proj", kv, hidden, layers, "attention", "attention input"),
        Matrix(at + "self_attn.v_proj", kv, hidden, layers, "attention", "attention input"),
        Matrix(at + "self_attn.o_proj", hidden, q, layers, "attention", "attention output"),
        Matrix(at + "mlp.gate_proj", mlp, hidden, layers, "mlp", "MLP input"),
        Matrix(at + "mlp.up_proj", mlp, hidden, layers, "mlp", "MLP input"),
        Matrix(at + "mlp.down_proj", hidden, mlp, layers, "mlp", "gated product"),
    ]
    rest = {EMBEDDINGS: vocab * hidden, NORMS: (norms * layers + 1) * hidden}
    if tied:
        notes += (_TIED,)
    else:
        matrices.append(Matrix("lm_head", vocab, hidden, 1, "head", "last hidden"))
    if qkv_bias:
        rest[BIASES] = layers * (q + 2 * kv)
    if qk_norm:
        rest[NORMS] += layers * 2 * head
    kept = (
        Kept("input of the first norm", hidden, bytes=4),
        Kept("attention input", hidden, ("q_proj", "k_proj", "v_proj")),
        Kept("queries", q),
        Kept("keys and values", 2 * kv),
        Kept("attention output", q),
        Kept("input of the second norm", hidden, bytes=4),
        Kept("MLP input", hidden, ("gate_proj", "up_proj")),
        Kept("gate, its activation, and up", 3 * mlp),
        Kept("gated product", mlp, ("down_proj",)),
    )
    return ModelShape(title, model_type, layers, hidden, tuple(matrices), rest, kept, vocab, notes)


def _block(
    at: str, hidden: int, layers: int, mlp: int, qkv: tuple[str, ...], output: str, up: str, down: str
) -> tuple[Matrix, ...]:
    """Attention, and an MLP of two layers around an activation, by their paths below ``at``."""
    wide = hidden if len(qkv) == 3 else 3 * hidden
    return (
        *(Matrix(at + name, wide, hidden, layers, "attention", "attention input") for name in qkv),
        Matrix(at + output, hidden, hidden, layers, "attention", "attention output"),
        Matrix(at + up, mlp, hidden, layers, "mlp", "MLP input"),
        Matrix(at + down, hidden, mlp, layers, "mlp", "MLP activation"),
    )


def _rest(embeddings: int, hidden: int, layers: int, mlp: int, biases: int = 0) -> dict[str, int]:
    """Two norms a block and one more, with biases; a bias for every output of a block, and ``biases`` beyond."""
    return {
        EMBEDDINGS: embeddings, NORMS: (2 * layers + 1) * 2 * hidden, BIASES: layers * (5 * hidden + mlp) + biases
    }  # fmt: skip


def _kept(
    hidden: int, mlp: int, matrices: tuple[Matrix, ...], *, tanh: bool = False, masks: int = 0
) -> tuple[Kept, ...]:
    """``tanh``: a GELU written out in five operations, each of which keeps its own; ``masks`` of dropout."""

    def readers(reads: str) -> tuple[str, ...]:
        return tuple(m.name for m in matrices if m.reads == reads)

    inside: tuple[Kept, ...] = (Kept("input of the activation", mlp),)
    if tanh:
        inside = (Kept("x, its tanh and 1 + tanh", 3 * mlp, bytes=4), Kept("half of x", mlp))
    return (
        Kept("input of the first norm", hidden, bytes=4),
        Kept("attention input", hidden, readers("attention input")),
        Kept("queries, keys and values", 3 * hidden),
        Kept("attention output", hidden),
        Kept("input of the second norm", hidden, bytes=4),
        Kept("MLP input", hidden, readers("MLP input")),
        *inside,
        Kept("MLP activation", mlp, readers("MLP activation")),
        *((Kept("dropout masks", masks * hidden, bytes=1),) if masks else ()),
    )


def gpt2(title: str, hidden: int, layers: int, vocab: int = 50257, positions: int = 1024, mlp: int = 0) -> ModelShape:
    """GPT-2: query, key and value fused in c_attn (stored transposed), the output head tied to the embeddings."""
    mlp = mlp or 4 * hidden
    paths = (("attn.c_attn",), "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    matrices = _block("transformer.h.{}.", hidden, layers, mlp, *paths)
    rest = _rest((vocab + positions) * hidden, hidden, layers, mlp)
    kept = _kept(hidden, mlp, matrices, tanh=True, masks=2)
    return ModelShape(title, "gpt2", layers, hidden, matrices, rest, kept, vocab, (_TIED,))


def bert(
    title: str, hidden: int, layers: int, vocab: int, positions: int, types: int, mlp: int = 0, *,
    model_type: str = "bert",
) -> ModelShape:  # fmt: skip
    """BERT and RoBERTa without a task head: separate query, key and value, a pooler on top."""
    mlp = mlp or 4 * hidden
    qkv = ("attention.self.query", "attention.self.key", "attention.self.value")
    paths = (qkv, "attention.output.dense", "intermediate.dense", "output.dense")
    block = _block("encoder.layer.{}.", hidden, layers, mlp, *paths)
    matrices = (*block, Matrix("pooler.dense", hidden, hidden, 1, "pooler", "last hidden"))
    rest = _rest((vocab + positions + types) * hidden, hidden, layers, mlp, biases=hidden)
    return ModelShape(title, model_type, layers, hidden, matrices, rest, _kept(hidden, mlp, block, masks=2))


def vit(title: str, hidden: int, layers: int, mlp: int, patches: int, pixels: int, classes: int) -> ModelShape:
    """A vision transformer with its classifier; the patch embedding is a convolution and counts as rest."""
    qkv = ("attention.q_proj", "attention.k_proj", "attention.v_proj")
    block = _block("vit.layers.{}.", hidden, layers, mlp, qkv, "attention.o_proj", "mlp.fc1", "mlp.fc2")
    matrices = (*block, Matrix("classifier", classes, hidden, 1, "classifier", "last hidden"))
    rest = _rest((pixels + 1) * hidden + (patches + 2) * hidden, hidden, layers, mlp, biases=classes)
    return ModelShape(title, "vit", layers, hidden, matrices, rest, _kept(hidden, mlp, block))


def gpt_separate(title: str, hidden: int, layers: int, vocab: int, positions: int, total: int, note: str) -> ModelShape:
    """A GPT with separate query, key and value, of a published total; what its shapes leave open counts as rest."""
    mlp, qkv = 4 * hidden, ("attn.q_proj", "attn.k_proj", "attn.v_proj")
    matrices = _block("h.{}.", hidden, layers, mlp, qkv, "attn.o_proj", "mlp.fc_in", "mlp.fc_out")
    rest = _rest((vocab + positions) * hidden, hidden, layers, mlp)
    rest[_UNLISTED] = total - sum(m.weights for m in matrices) - sum(rest.values())
    kept = _kept(hidden, mlp, matrices)
    return ModelShape(title, "gpt3", layers, hidden, matrices, rest, kept, vocab, (note,))


def unet(title: str, total: int, blocks: Mapping[int, int], cross: int) -> ModelShape:
    """A diffusion UNet's attention: {width: transformer blocks}, each with self-attention and cross-attention."""
    at = "transformer_blocks.{}."
    matrices = []
    for width, count in blocks.items():
        for name in ("to_q", "to_k", "to_v", "to_out.0"):
            wide = cross if name in ("to_k", "to_v") else width
            matrices.append(Matrix(f"{width}.{at}attn1.{name}", width, width, count, "attention", "attention input"))
            matrices.append(Matrix(f"{width}.{at}attn2.{name}", width, wide, count, "attention", "cross-attention"))
    rest = {to_say("convolutions, feed-forward, embeddings"): total - sum(m.weights for m in matrices)}
    note = to_say(
        "Only the attention's linear layers are listed; activations depend on the image size and are not modelled."
    )
    forward = sum(12 * width**2 * count for width, count in blocks.items())  # GEGLU: 8d×d and d×4d in every block
    return ModelShape(title, "unet", sum(blocks.values()), max(blocks), tuple(matrices), rest, (), 0, (note,), forward)
