"""What a challenge is about, as a curve over the steps, and the zone that it has to reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.challenges import CHALLENGES, Condition
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.spectra import ranks
from lora_viz.engine.training import train
from lora_viz.i18n.language import say
from lora_viz.layer.merging import unchanged_share

__all__ = ["Watched", "judged", "watched"]

MERGES = 41  # at most so many are really carried out


class Watched(NamedTuple):
    """A measured curve and where it has to end: between ``low`` and ``high``, or anywhere, where these are None.

    NaN from the step on at which training diverged. ``scale`` is that of the axis.
    """

    steps: Int[np.ndarray, "T"]
    values: Float[np.ndarray, "T"]
    name: str
    low: float | None
    high: float | None
    scale: str
    diverged_at: int


def judged(key: str, e: Experiment) -> tuple[tuple[Condition, ...], Watched]:
    """Train this experiment once: the conditions of the challenge as it meets them, and the curve they are about."""
    run = train(Sweep((e,)))
    return CHALLENGES[key].judge(run), watched(key, run)


def watched(key: str, run: Run) -> Watched:
    """The curve of this challenge in this run."""
    return _WATCHED[key](run)


def _over_steps(
    run: Run, values: Float[np.ndarray, "T"], name: str, low: float | None, high: float | None, scale: str = "linear"
) -> Watched:
    at = int(run.diverged_at[0])
    shown = np.where((at >= 0) & (run.steps > at), np.nan, values)
    return Watched(run.steps, shown, name, low, high, scale, at)


def _loss(run: Run) -> Watched:
    return _over_steps(run, run.loss[:, 0], say("loss"), 0.0, 0.01, "log")


def _left(share: float) -> Callable[[Run], Watched]:
    def left(run: Run) -> Watched:
        return _over_steps(run, run.loss[:, 0] / run.loss[0, 0], say("fraction of the loss left"), 0.0, share)

    return left


def _unchanged(run: Run) -> Watched:
    every = max(1, -(-len(run.steps) // MERGES))
    frames = [*range(0, len(run.steps) - 1, every), len(run.steps) - 1]
    last = run.last()
    shares = np.array([unchanged_share(run, min(t, last)) for t in frames])
    found = _over_steps(run, run.loss[:, 0], say("weights that bf16 leaves as they are"), 0.9, 1.0)
    ended = found.diverged_at >= 0
    values = np.where(ended & (run.steps[frames] > found.diverged_at), np.nan, shares)
    return found._replace(steps=run.steps[frames], values=values)


def _moved(run: Run) -> Watched:
    moved = np.abs(run.A[0] - run.A[0][0]).max(axis=(1, 2))
    return _over_steps(run, moved, say("how far A has moved"), 0.0, 0.0, "log")


def _explodes(run: Run) -> Watched:
    return _over_steps(run, run.loss[:, 0], say("loss"), None, None, "log")


def _rank(run: Run) -> Watched:
    sigma = np.linalg.svd(run.delta_weight(), compute_uv=False)
    found = np.array([ranks(each, bound=run.experiment.rank).numerical for each in sigma], float)
    return _over_steps(run, found, say("numerical rank of ΔW"), 0.5, 1.5)


def _off_target(run: Run) -> Watched:
    target = run.task.target_delta
    off = np.linalg.norm(run.delta_weight() - target, axis=(1, 2)) / np.linalg.norm(target)
    return _over_steps(run, off, say("distance of ΔW from the clean target"), 0.0, 0.25)


_WATCHED: dict[str, Callable[[Run], Watched]] = {
    "few": _loss, "bf16": _unchanged, "still": _moved, "still_learning": _left(0.25), "diverge": _explodes,
    "rank_one": _rank, "clean": _off_target, "high_rank": _left(0.1),
}  # fmt: skip
