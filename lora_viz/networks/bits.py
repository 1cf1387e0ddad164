"""Random bits that an adapter holds: what is memorised, what happened, and what was measured beforehand."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.core.experiment import ExperimentError
from lora_viz.i18n.language import say

__all__ = ["RANKS", "SAMPLES", "BitsEvidence", "BitsExperiment", "BitsRun", "bits_evidence", "stored_bits"]

SAMPLES = (64, 128, 256, 512, 1024, 2048)
RANKS = (1, 2, 4, 8)
_FILE = Path(__file__).parent / "data" / "capacity_measured.json"
_LIMITS = {"rank": (1, 64), "width": (1, 1024), "inputs": (1, 1024), "steps": (0, 20_000), "seed": (0, 2**31 - 1)}


@dataclass(frozen=True, kw_only=True, slots=True)
class BitsExperiment:
    """A network that memorises, and its adapter. A frozen random one: ``inputs``, ``width``, ``width``, 1.

    LoRA of this rank on the middle layer alone, s = 1, Adam with η falling to 0 along a cosine. Raises ExperimentError.
    """

    rank: int = 2
    seed: int = 0
    steps: int = 800
    lr: float = 0.02
    width: int = 128
    inputs: int = 64
    samples: tuple[int, ...] = SAMPLES

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise ExperimentError(
                    say(
                        "{name}={value} is not possible. Valid values: {low} to {high}.",
                        name=name,
                        value=getattr(self, name),
                        low=low,
                        high=high,
                    )
                )

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return 2 * self.width * self.rank


class BitsRun(NamedTuple):
    """The share of the labels that each training reads right, one training a sample count, at the recorded steps."""

    experiment: BitsExperiment
    steps: Int[np.ndarray, "T"]
    accuracy: Float[np.ndarray, "T N"]


class BitsEvidence(NamedTuple):
    """Final accuracies over the seeds, (seed, rank, samples), by docs/make_capacity.py."""

    ranks: Int[np.ndarray, "R"]
    samples: Int[np.ndarray, "N"]
    accuracy: Float[np.ndarray, "S R N"]


@lru_cache(maxsize=1)
def bits_evidence() -> BitsEvidence:
    """The measured grid, as it was written."""
    told = json.loads(_FILE.read_text(encoding="utf-8"))
    return BitsEvidence(np.array(told["ranks"]), np.array(told["samples"]), np.array(told["accuracy"], dtype=float))


def stored_bits(accuracy: Float[np.ndarray, "*k N"], samples: Int[np.ndarray, "N"]) -> Float[np.ndarray, "*k N"]:
    """How many of N random bits are known at this accuracy: N(1 − H₂(accuracy)), H₂ the entropy in bits.

    Half right is nothing known; less than half counts as half.
    """
    p = np.clip(accuracy, 0.5, 1.0)
    q = 1 - p
    entropy = -p * np.log2(p) - q * np.log2(np.where(q > 0, q, 1.0))
    return samples * (1 - entropy)
