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
    "CARDS", "GPU_SIZES", "LOSSES", "METHODS", "NF4_BITS", "PRECISIONS", "Budget", "Fit", "LayerCost", "LayerTally",
    "Memory", "Precision", "assumptions", "break_even_rank", "budget", "bytes_kept", "fit", "layer_cost", "memory",
    "numbers_kept", "rank_for_share", "share_of_layer",
]  # fmt: skip

GPU_SIZES = (8, 16, 24, 48, 80)  # GB on the card, as sold
CARDS = {"RTX 4060 (8 GB)": 8, "RTX 3060 (12 GB)": 12, "T4, RTX 4080 (16 GB)": 16, "RTX 4090, L4 (24 GB)": 24,
         "A100 (40 GB)": 40, "L40S, A6000 (48 GB)": 48, "A100, H100 (80 GB)": 80, "H200 (141 GB)": 141}  # fmt: skip
CONTEXT, TIGHT = 0.6e9, 0.9  # bytes that CUDA takes for itself; the share from which on it is tight
METHODS = ("full", "LoRA", "QLoRA")
LOSSES = ("usual", "fused")
# A token and word of the vocabulary at the loss: log-softmax, its gradient and the logits', each in fp32. Measured on
# an H200 with transformers 5.17: 12.2 to 12.4, the rest being the last norm's.
LOSS_BYTES = 12
WORKSPACE = 67e6  # cuBLAS's own, for the forward and the backward thread of a Hopper card

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
            say("QLoRA: the linear layers, except the output head, in NF4 with double quantisation, {bits:.3f} bits "
                "per weight; one matrix at a time is held dequantised. All other weights stay as in LoRA, without the "
                "fp32 copies that prepare_model_for_kbit_training makes of them.", bits=NF4_BITS),
            say("Activations: batch size 1, so tokens are the sequence's length; attention in one fused kernel that "
                "keeps no table of scores; norms keep their input in fp32; each vector that the backward pass needs is "
                "kept once. A few numbers a token (means, log-sum-exps) are left out."),
            say("With checkpointing each layer keeps its input, and one layer at a time is recomputed in full; the "
                "work of training counts this second forward pass."),
            say("The usual loss holds {bytes} bytes a token and word of the vocabulary at its peak: log-softmax and "
                "two gradients in fp32. A fused or chunked loss holds about {bytes} a token and hidden number.",
                bytes=LOSS_BYTES),
            say("The total is the largest of three moments: the loss, the backward pass, the optimiser's step, which "
                "holds one more copy of a moment of every trainable parameter."),
            say("Left out: the CUDA context (0.6 GB are taken off every card), fragmentation."))  # fmt: skip


class Memory(NamedTuple):
    """Bytes at the peak of a step. ``activations`` is all that comes on top of weights, gradients and optimiser:
    ``held`` for the backward pass, and the loss, a recomputed layer or the optimiser's temporaries at their ``moment``.
    """

    weights: float
    gradients: float
    optimizer: float
    activations: float
    held: float = 0.0
    moment: str = ""

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
    loss: str = "usual"

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
    loss: str = "usual",
) -> Budget:
    """Count an adapter of this rank on these modules: trained is r·Σ(d_in + d_out) (Hu et al. 2021, section 4.2).

    Multiply–adds per token: the linear layers forward (base, unmerged, merged), and forward and backward (full, LoRA);
    with ``checkpointing`` the forward pass counts twice in both. ``loss`` is "usual" or "fused".
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
                  memory=tuple(memory(shape, names, trained, method, precision, tokens, checkpointing, loss)
                               for method in METHODS), file=2 * trained, loss=loss)  # fmt: skip


def memory(
    shape: ModelShape,
    targets: Collection[str],
    trained: int,
    method: str,
    precision: str = "bf16 mixed",
    tokens: int = 0,
    checkpointing: bool = True,
    loss: str = "usual",
) -> Memory:
    """How many bytes does a training step hold at its peak? ``method`` "full", "LoRA" or "QLoRA"; see ``assumptions``.

    Without tokens only what does not depend on them.
    """
    p = PRECISIONS[precision]
    rank = 0 if method == "full" else trained // sum(m.per_rank for m in shape.chosen(targets))
    n = shape.total if method == "full" else trained
    weights, extra = shape.total * p.weight + (0 if method == "full" else n * p.weight), 0.0
    if method == "QLoRA":
        quantised = sum(m.weights for m in shape.matrices if m.part != "head") + shape.unlisted_linear
        weights += quantised * (NF4_BITS / 8 - p.weight)
        extra = max(m.d_out * m.d_in for m in shape.matrices) * p.activation
    gradients, states = n * p.gradient, n * (p.master + p.moments)
    if not tokens:
        return Memory(weights, gradients, states, 0.0)
    held, layer = _activations(shape, targets, rank, p, tokens, checkpointing)
    wide = shape.logits if loss == "usual" else min(shape.logits, shape.hidden)
    moments = {
        "loss": held + LOSS_BYTES * tokens * wide,
        "backward": max(held + layer + extra, gradients + layer + extra),
        "step": gradients + n * p.moments / 2,
    }
    moment = max(moments, key=lambda name: moments[name])
    above = max(0.0, moments[moment] - gradients) + (WORKSPACE if shape.kept else 0.0)
    return Memory(weights, gradients, states, above, held + layer, moment)


def _activations(
    shape: ModelShape, targets: Collection[str], rank: int, p: Precision, tokens: int, checkpointing: bool
) -> tuple[float, float]:
    """Bytes held from the forward to the backward pass, and those of a layer that is recomputed meanwhile."""
    if not shape.kept:
        return 0.0, 0.0
    layer = tokens * bytes_kept(shape, targets, rank, p.activation)
    last = tokens * shape.hidden * (4 + 2 * p.activation)  # around the last norm
    if checkpointing:
        return tokens * shape.layers * shape.hidden * p.activation + last, layer
    return shape.layers * layer + last, 0.0


def bytes_kept(shape: ModelShape, targets: Collection[str], rank: int, activation: float) -> float:
    """The same as ``numbers_kept`` in bytes a token; ``activation`` are those of a number that has none of its own."""
    needed = shape.names if rank == 0 else targets
    asked = [k for k in shape.kept if not k.needed_by or any(name in needed for name in k.needed_by)]
    own = sum(k.width * (k.bytes or activation) for k in asked)
    return own + activation * (numbers_kept(shape, targets, rank) - sum(k.width for k in asked))


class Fit(NamedTuple):
    """Does a step fit on a card? ``answer`` is "yes", "tight" or "no", ``margin`` the bytes that are left (or lack)."""

    card: str
    answer: str
    margin: float


def fit(need: Memory) -> tuple[Fit, ...]:
    """Every named card: its size in GiB, less what CUDA takes for itself. Tight is above 90 % of that."""
    found = []
    for card, size in CARDS.items():
        room = size * 2**30 - CONTEXT
        answer = "yes" if need.total <= TIGHT * room else "tight" if need.total <= room else "no"
        found.append(Fit(card, answer, room - need.total))
    return tuple(found)


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
