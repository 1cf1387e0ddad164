"""Handwritten digits, real images to learn: four ways to change them, and records of what happened.

1,797 images of 8×8 pixels: Alpaydin & Kaynak 1998, UCI Machine Learning Repository (CC BY 4.0), as packed by
scikit-learn (BSD-3-Clause). They lie in data/digits.npz.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.random_streams import stream
from lora_viz.i18n.language import say, to_say

__all__ = [
    "CHANGED",
    "CHANGES",
    "RANKS",
    "TEST",
    "DigitsExperiment",
    "DigitsRun",
    "PairExperiment",
    "PairRun",
    "changed",
    "digit_images",
    "digit_stream",
    "digits_matrix",
    "split",
]

CHANGES = (to_say("rotated"), to_say("relabelled"), to_say("permuted"), to_say("inverted"))
# After "of the" and "on": a language that inflects says them otherwise than alone.
CHANGED = {
    "rotated": to_say("rotated digits"),
    "relabelled": to_say("relabelled digits"),
    "permuted": to_say("permuted digits"),
    "inverted": to_say("inverted digits"),
}
RANKS = (1, 2, 4, 8, 16)
TEST = 500
_LIMITS = {"alpha": (1.0, 256.0), "lr": (1e-5, 100.0), "steps": (0, 2000), "seed": (0, 2**31 - 1)}


@dataclass(frozen=True, kw_only=True, slots=True)
class DigitsExperiment:
    """To what a network is adapted, and how. ``change`` is one of CHANGES; full fine-tuning has 0.3 of LoRA's ``lr``.

    ``members`` networks are pretrained and adapted, each with its own start, split and batches. Raises ExperimentError.
    """

    change: str = "rotated"
    alpha: float = 16.0
    lr: float = 0.01
    steps: int = 300
    batch: int = 64
    members: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.change not in CHANGES:
            raise ExperimentError(
                say(
                    "change={change} is unknown. Valid values: {allowed}.",
                    change=self.change[:40],
                    allowed=", ".join(CHANGES),
                )
            )
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not math.isfinite(value) or not low <= value <= high:
                raise ExperimentError(
                    say(
                        "{name}={value:g} is out of range. Valid values: {low:g} to {high:g}.",
                        name=name,
                        value=value,
                        low=low,
                        high=high,
                    )
                )


@dataclass(frozen=True, slots=True, eq=False)
class DigitsRun:
    """What happened to every way of adapting, at the recorded steps, in each member network.

    ``methods`` are "head", "r=1" …, "full"; ``new`` and ``old`` their test accuracy on the changed and the upright
    digits, ``base_new`` and ``base_old`` that of the network before. ``sigma`` holds the singular values of ΔW of both
    hidden layers in the first member at every recorded step, ``last_sigma`` those of all members at the last.
    ``trainable`` counts parameters, ``base_weight`` is the first hidden layer's of the first member. ``shown`` are
    some changed test images of the first member with their ``truth``, as seen ``before`` and by every method
    (``predicted``). A method whose outputs are no numbers has accuracy NaN. ``network`` are weights and biases of
    the first member before it was adapted, layer by layer, ``factors`` its A and B of both hidden layers at the end, a
    rank a tuple (A₁, B₁, A₂, B₂), in the order of RANKS.
    """

    experiment: DigitsExperiment
    steps: Int[np.ndarray, "T"]
    methods: tuple[str, ...]
    new: Float[np.ndarray, "T M S"]
    old: Float[np.ndarray, "T M S"]
    base_new: Float[np.ndarray, "S"]
    base_old: Float[np.ndarray, "S"]
    sigma: Float[np.ndarray, "T M 2 k"]
    last_sigma: Float[np.ndarray, "S M 2 k"]
    trainable: Int[np.ndarray, "M"]
    base_weight: Float[np.ndarray, "h 64"]
    shown: Float[np.ndarray, "K 8 8"]
    truth: Int[np.ndarray, "K"]
    before: Int[np.ndarray, "K"]
    predicted: Int[np.ndarray, "T M K"]
    network: tuple[Float[np.ndarray, "..."], ...]
    factors: tuple[tuple[Float[np.ndarray, "..."], ...], ...]

    @property
    def ways(self) -> tuple[str, ...]:
        """The methods, LoRA's ranks first."""
        return (*self.methods[1:-1], self.methods[0], self.methods[-1])


@dataclass(frozen=True, kw_only=True, slots=True)
class PairExperiment:
    """Two adapters that share one base. The first learns rotated digits, the ``second`` one of CHANGES. Same limits.

    Each has its own first A, also where both learn the same. Raises ExperimentError.
    """

    second: str = "permuted"
    rank: int = 3
    alpha: float = 16.0
    lr: float = 0.01
    steps: int = 300
    batch: int = 64
    members: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        DigitsExperiment(change=self.second, alpha=self.alpha, lr=self.lr, steps=self.steps, seed=self.seed)
        if not 1 <= self.rank <= 16:
            raise ExperimentError(say("rank={rank} is out of range. Valid values: 1 to 16.", rank=self.rank))


@dataclass(frozen=True, slots=True, eq=False)
class PairRun:
    """What two adapters on one base do, apart, mixed and added.

    Accuracies are on (the first's digits, the second's, upright ones), one a member. ``mixed[t]`` has
    W + (1−w)·ΔW₁ + w·ΔW₂ with w = ``weight[t]``; ``averaged[t]`` has the factors averaged instead, A and B each with
    these weights; ``difference`` is how far its ΔW of the first layer is from the mixed one, relative to that.
    ``grid`` (v, w) are accuracies of W + v·ΔW₁ + w·ΔW₂ at ``grid_weight``. ``A`` and ``B`` are the first layer's of
    the first member; ``inputs`` and ``outputs`` the overlap ‖UᵀV‖²_F/r of the adapters' row spaces and column spaces.
    ``reach`` says how hard the other adapter pushes the first's and the second's own test images, ‖ΔW_other x‖ over
    ‖ΔW_own x‖ in the first layer.
    """

    experiment: PairExperiment
    weight: Float[np.ndarray, "T"]
    mixed: Float[np.ndarray, "T 3 S"]
    averaged: Float[np.ndarray, "T 3 S"]
    difference: Float[np.ndarray, "T S"]
    grid_weight: Float[np.ndarray, "V"]
    grid: Float[np.ndarray, "V V 3 S"]
    base: Float[np.ndarray, "3 S"]
    A: Float[np.ndarray, "2 r d"]
    B: Float[np.ndarray, "2 h r"]
    scaling: float
    inputs: Float[np.ndarray, "S"]
    outputs: Float[np.ndarray, "S"]
    reach: Float[np.ndarray, "2 S"]


def digit_stream(name: str, *keys: int) -> np.random.Generator:
    """A generator of its own for each name and member."""
    return np.random.default_rng([zlib.crc32(f"digits {name}".encode()), *keys])


@lru_cache(maxsize=1)
def digit_images() -> tuple[Float[np.ndarray, "n 64"], Int[np.ndarray, "n"]]:
    """All images, pixels from 0 to 1, and the digits they show."""
    with np.load(Path(__file__).parent / "data" / "digits.npz", allow_pickle=False) as file:
        images = file["images"].reshape(-1, 64) / 16.0
        labels = file["labels"].astype(np.int64)
    for array in (images, labels):
        array.flags.writeable = False
    return images, labels


def digits_matrix(seed: int) -> Float[np.ndarray, "m n"]:
    """Twelve handwritten digits, three rows of four, pixels from 0 to 1: a matrix that can be looked at."""
    images, _ = digit_images()
    chosen = images[stream("digits to be cut", seed).choice(len(images), 12, replace=False)].reshape(3, 4, 8, 8)
    return np.ascontiguousarray(chosen.transpose(0, 2, 1, 3).reshape(24, 32))


def split(seed: int, member: int) -> tuple[Int[np.ndarray, "train"], Int[np.ndarray, "test"]]:
    """The images that a member trains on, and the TEST of them that it is tested on."""
    order = digit_stream("split", seed, member).permutation(len(digit_images()[1]))
    return order[TEST:], order[:TEST]


def changed(
    images: Float[np.ndarray, "*n 64"], labels: Int[np.ndarray, "*n"], change: str, seed: int = 0
) -> tuple[Float[np.ndarray, "*n 64"], Int[np.ndarray, "*n"]]:
    """The same digits, otherwise: turned by 90°, called by their successor, pixels shuffled, or white for black."""
    match change:
        case "rotated":
            turned = np.rot90(images.reshape(*images.shape[:-1], 8, 8), axes=(-2, -1))
            return turned.reshape(images.shape), labels
        case "relabelled":
            return images, (labels + 1) % 10
        case "permuted":
            return images[..., digit_stream("pixels", seed).permutation(64)], labels
        case "inverted":
            return 1 - images, labels
    return images, labels
