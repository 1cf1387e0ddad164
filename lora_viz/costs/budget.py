"""What does an adapter cost on a real model? Parameters, multiply–adds, bytes: arithmetic that names what it assumes.

Everything here is computed from shapes. Nothing is measured; the tests compare it with PEFT's count, torch's FLOP
counter and the tensors of a small real training.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from lora_viz.costs.shapes import ModelShape
from lora_viz.i18n.language import say

__all__ = [
    "GPU_SIZES", "METHODS", "NF4_BITS", "PRECISIONS", "Budget", "LayerCost", "LayerTally", "Memory", "Precision",
    "assumptions", "break_even_rank", "budget", "layer_cost", "memory", "numbers_kept", "rank_for_share",
    "share_of_layer",
]  # fmt: skip

GPU_SIZES = (8, 16, 24, 48, 80)  # GB on the card, as sold
METHODS = ("full", "LoRA", "QLoRA")

# 4 bits a weight; a scale a block of 64, itself held in 8 bits; a scale of scales a 256 blocks, in 32 (Dettmers et al.
# 2023, section 3).
NF4_BITS = 4 + 8 / 64 + 32 / (64 * 256)


class Precision(NamedTuple):
    """Bytes a trained number: its weight, its gradient, a master copy, Adam's two moments; and a frozen weight's."""

    weight: float
    gradient: float
    master: float
    moments: float
    activation: float

    @property
    def trained(self) -> float:
        return self.weight + self.gradient + self.master + self.moments


PRECISIONS = {
    "bf16 mixed": Precision(2, 2, 4, 8, 2),
    "bf16 pure": Precision(2, 2, 0, 4, 2),
    "fp32": Precision(4, 4, 0, 8, 4),
}


def assumptions() -> tuple[str, ...]:
    """What do these numbers take for granted? One sentence each."""
    return (say("AdamW: two moments per trainable parameter. bf16 mixed keeps weight and gradient in 2 bytes, a "
                "master copy "
                "in 4, moments in 8; bf16 pure keeps everything in 2 bytes each; fp32 everything in 4."),
            say("QLoRA: the linear layers listed here, except the output head, in NF4 with double quantisation, "
                "{bits:.3f} bits per weight. All other weights stay as in LoRA (in SDXL the feed-forward layers too).",
                bits=NF4_BITS),
            say("Activations: batch size 1, so tokens are the sequence's length; attention in one fused kernel that "
                "keeps no table of scores; no dropout; each vector that the backward pass needs is kept once. A few "
                "numbers a token (means, log-sum-exps) are left out."),
            say("With checkpointing each layer keeps its input, and one layer at a time is recomputed in full; the "
                "work of "
                "training counts this second forward pass."),
            say("Logits: one number a token and word of the vocabulary, in fp32."),
            say("Left out: the CUDA context, fragmentation, buffers of kernels, dequantised copies, the optimiser's "
                "temporaries."))  # fmt: skip


class Memory(NamedTuple):
    """Bytes at the end of a step."""

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.activations

    @property
    def state(self) -> float:
        """Without activations: what does not depend on the batch."""
        return self.total - self.activations


class Budget(NamedTuple):
    """What r costs on this model: counts, multiply–adds a token, bytes a method, bytes of the adapter's file (bf16)."""

    shape: ModelShape
    targets: tuple[str, ...]
    rank: int
    precision: str
    tokens: int
    checkpointing: bool
    trained: int
    touched: int
    linear: int
    forward: tuple[int, int, int]
    training: tuple[int, int]
    memory: tuple[Memory, ...]
    file: int

    @property
    def share(self) -> float:
        """Of the whole model."""
        return self.trained / self.shape.total

    @property
    def fewer(self) -> float:
        """How many times fewer parameters than full fine-tuning of the whole model?"""
        return self.shape.total / self.trained


def budget(
    shape: ModelShape,
    targets: Collection[str],
    rank: int,
    *,
    precision: str = "bf16 mixed",
    tokens: int = 2048,
    checkpointing: bool = True,
) -> Budget:
    """Count an adapter of this rank on these modules: trained is r·Σ(d_in + d_out) (Hu et al. 2021, section 4.2).

    Multiply–adds per token: the linear layers forward (base, unmerged, merged), and forward and backward (full, LoRA);
    with ``checkpointing`` the forward pass counts twice in both.
    Raises ValueError for a rank below 1, no target, or an unknown target or precision.
    """
    if rank < 1:
        raise ValueError(say("rank={rank} is not possible. Valid values: 1 and more.", rank=rank))
    if precision not in PRECISIONS:
        raise ValueError(say("precision={precision} is not known. Valid values: {allowed}.", precision=precision,
                             allowed=", ".join(PRECISIONS)))  # fmt: skip
    chosen = shape.chosen(targets)
    if not chosen:
        raise ValueError(say("No target module was given. Valid values: {names}.", names=", ".join(shape.names)))
    linear = sum(m.weights for m in shape.matrices)
    again = int(checkpointing)  # forward passes that are done twice
    trained = rank * sum(m.per_rank for m in chosen)
    names = tuple(name for name in shape.names if name in targets)
    return Budget(shape=shape, targets=names, rank=rank, precision=precision, tokens=tokens,
                  checkpointing=checkpointing, trained=trained, touched=sum(m.weights for m in chosen), linear=linear,
                  forward=(linear, linear + trained, linear), training=((3 + again) * linear,
                                                                        (2 + again) * linear + (3 + again) * trained),
                  memory=tuple(memory(shape, names, trained, method, precision, tokens, checkpointing)
                               for method in METHODS), file=2 * trained)  # fmt: skip


def memory(
    shape: ModelShape,
    targets: Collection[str],
    trained: int,
    method: str,
    precision: str = "bf16 mixed",
    tokens: int = 0,
    checkpointing: bool = True,
) -> Memory:
    """How many bytes does a training step hold? ``method`` "full", "LoRA" or "QLoRA"; see ``assumptions``."""
    p = PRECISIONS[precision]
    rank = trained // sum(m.per_rank for m in shape.chosen(targets))
    active = _activations(shape, targets, 0 if method == "full" else rank, p, tokens, checkpointing)
    if method == "full":
        n = shape.total
        return Memory(n * p.weight, n * p.gradient, n * (p.master + p.moments), active)
    frozen = shape.total * p.weight
    if method == "QLoRA":
        quantised = sum(m.weights for m in shape.matrices if m.part != "head")
        frozen += quantised * (NF4_BITS / 8 - p.weight)
    return Memory(frozen + trained * p.weight, trained * p.gradient, trained * (p.master + p.moments), active)


def _activations(
    shape: ModelShape, targets: Collection[str], rank: int, p: Precision, tokens: int, checkpointing: bool
) -> float:
    if not shape.kept:
        return 0.0
    layer = numbers_kept(shape, targets, rank) * p.activation
    held = shape.layers * shape.hidden * p.activation + layer if checkpointing else shape.layers * layer
    return tokens * (held + 4.0 * shape.logits)


def numbers_kept(shape: ModelShape, targets: Collection[str], rank: int) -> int:
    """How many numbers does one layer keep a token for its backward pass? rank 0 means that every weight trains.

    With LoRA a frozen matrix needs no input of its own, a target needs x and h = A x.
    """
    needed = shape.names if rank == 0 else targets
    kept = sum(k.width for k in shape.kept if not k.needed_by or any(name in needed for name in k.needed_by))
    return kept + rank * sum(m.copies for m in shape.chosen(targets) if m.copies >= shape.layers) // shape.layers


def share_of_layer(d_out: float, d_in: float, rank: float) -> float:
    """Which share of a layer's weights does rank r train? r(1/d_in + 1/d_out)."""
    return rank * (1 / d_in + 1 / d_out)


def rank_for_share(d_out: float, d_in: float, share: float) -> float:
    """At which rank is this share reached? Below share 0.01 an adapter has more than 100 times fewer parameters."""
    return share / (1 / d_in + 1 / d_out)


def break_even_rank(d_out: float, d_in: float) -> float:
    """At which rank does the adapter hold as many numbers as the layer? d_out·d_in/(d_out + d_in)."""
    return rank_for_share(d_out, d_in, 1.0)


class LayerCost(NamedTuple):
    """Multiply–adds of one layer a token: forward (base, unmerged, merged, ΔW formed anew), and each backward part."""

    d_out: int
    d_in: int
    rank: int
    base: int
    unmerged: int
    merged: int
    formed: int
    to_input: int
    full_to_weights: int
    adapter_to_input: int
    adapter_to_factors: int

    @property
    def full_training(self) -> int:
        return self.base + self.to_input + self.full_to_weights

    @property
    def lora_training(self) -> int:
        return self.unmerged + self.to_input + self.adapter_to_input + self.adapter_to_factors


def layer_cost(d_out: int, d_in: int, rank: int) -> LayerCost:
    """What does a token cost one layer? Training with LoRA is 2/3 + r(1/d_in + 1/d_out) of full fine-tuning's.

    The gradient to x goes through the frozen W, and once more through A and B; the factors' own gradients cost
    r(d_in + d_out).
    """
    base, path = d_out * d_in, rank * (d_out + d_in)
    formed = d_out * rank * d_in + base
    return LayerCost(d_out, d_in, rank, base, base + path, base, base + formed, base, base, path, path)


class LayerTally(NamedTuple):
    """The same counted by torch on one step, (full, LoRA) each; ``stored`` says whether numbers were kept.

    Multiply–adds a token, forward and in all; numbers that autograd saved, of gradients, of Adam's states.
    """

    d_out: int
    d_in: int
    rank: int
    tokens: int
    stored: bool
    forward: tuple[int, int]
    training: tuple[int, int]
    saved: tuple[int, int]
    gradients: tuple[int, int]
    states: tuple[int, int]
