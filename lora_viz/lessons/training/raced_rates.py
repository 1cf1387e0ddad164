"""Full fine-tuning and LoRA of some ranks, each at its best learning rate, at some batch sizes or widths.

What the lessons on large batches and on width share: the racers, what their runs left, its curves and readings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.film.panels import Curve, Curves, Row, Series, band
from lora_viz.film.spreads import readings
from lora_viz.film.still import DASHES
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say

__all__ = ["Raced", "raced", "racers"]


class Raced(NamedTuple):
    """What full fine-tuning (racer 0) and LoRA of some ranks left, by seed, racer, place (batch or width) and rate.

    ``error`` is infinite where a run diverged. ``shown`` is one of LoRA's experiments.
    """

    racers: tuple[str, ...]
    ranks: Int[np.ndarray, "R"]
    places: Int[np.ndarray, "K"]
    lr: Float[np.ndarray, "L"]
    error: Float[np.ndarray, "S R K L"]
    shown: Experiment

    @property
    def seeds(self) -> int:
        return len(self.error)

    @property
    def by_lr(self) -> Float[np.ndarray, "3 R K L"]:
        """Errors, (low, median, high) over the seeds."""
        return spread(self.error, axis=0)

    @property
    def least(self) -> Float[np.ndarray, "S R K"]:
        """Each seed's error at its best rate."""
        return self.error.min(axis=3)

    @property
    def best_lr(self) -> Float[np.ndarray, "S R K"]:
        """Each seed's best rate."""
        return self.lr[self.error.argmin(axis=3)]

    @property
    def at_edge(self) -> int:
        """How many best rates lie at an end of the grid."""
        return int(np.isin(self.error.argmin(axis=3), (0, len(self.lr) - 1)).sum())

    @property
    def ids(self) -> tuple[str, ...]:
        return ("full", *(f"rank_{rank}" for rank in self.ranks[1:]))

    @property
    def names(self) -> tuple[str, ...]:
        """The racers' names in a legend that shows readings."""
        return (say("full fine-tuning:"), *(f"{name}:" for name in self.racers[1:]))

    def curves(
        self, found: Float[np.ndarray, "3 R K"], *, ranks_only: bool = False, dots: bool = False
    ) -> tuple[Series, ...]:
        """A band a racer over the places."""
        found = np.where(np.isfinite(found), found, np.nan)
        return tuple(
            Series(self.ids[i], self.names[i], dots=dots, **_look(i), **band(found[:, i]))
            for i in range(int(ranks_only), len(self.racers))
        )

    def by_rate(self, title: str, y_label: str, *, dots: bool = False) -> Curves:
        """The panel of errors by learning rate, at the playhead's place; what is no error any more is left out."""
        found = self.by_lr
        low, median, high = np.where(np.isfinite(found) & (found < 100), found, np.nan)
        high = np.where(np.isfinite(high), high, median)
        return Curves(
            "by_rate",
            title,
            x=self.lr,
            x_label=say("learning rate η"),
            y_label=y_label,
            scale="log",
            x_scale="log",
            row=1,
            span=6,
            series=tuple(
                Curve(self.ids[i], say(name), y=median[i], low=low[i], high=high[i], dots=dots, **_look(i))
                for i, name in enumerate(self.racers)
            ),
        )

    def rows(self, found: Float[np.ndarray, "3 R K"], form: Callable[[Float[np.ndarray, "3"]], str]) -> tuple[Row, ...]:
        """A reading a racer, one text a place."""
        return tuple(
            Row(self.ids[i], say(name), readings(found[:, i], form), colour=_look(i)["colour"])
            for i, name in enumerate(self.racers)
        )

    def ratios(self, ratio: Float[np.ndarray, "3 R K"], t: int) -> str:
        """The ranks' median ratios at this place, in words."""
        return ", ".join(
            say("{racer}: {ratio}", ratio=number(float(ratio[1, i, t])), racer=name)
            for i, name in enumerate(self.racers)
            if i
        )

    def warn_of_edge(self) -> Iterator[str]:
        """The sentence that warns of a grid too narrow, where it is."""
        if self.at_edge:
            yield say(
                "Best learning rates at an end of the grid: {count} of {all}. A wider grid may shift the numbers.",
                count=self.at_edge, all=self.error[..., 0].size,
            )  # fmt: skip


def racers(e: Experiment, ranks: Iterable[int], lrs: Iterable[float]) -> tuple[Experiment, ...]:
    """Full fine-tuning, as the adapter whose A is the identity, and LoRA of these ranks, at every learning rate."""
    full = replace(e, init="identity", frozen="A", rank=e.d_in, alpha=1.0, scaling_rule="constant")
    lrs = tuple(lrs)
    return tuple(replace(x, lr=lr) for x in (full, *(replace(e, rank=r) for r in ranks)) for lr in lrs)


def raced(runs: Iterable[Run], place: str, error: Callable[[Run], Float[np.ndarray, "N"]]) -> Raced:
    """Read runs of ``racers``, one a seed and ``place``, a field of the experiment; ``error`` is infinite or finite."""
    found: dict[int, list[np.ndarray]] = {}
    for run in runs:
        experiments = run.sweep.experiments
        lrs = sorted({x.lr for x in experiments})
        found.setdefault(getattr(run.experiment, place), []).append(error(run).reshape(-1, len(lrs)))
    own = [x for x in experiments if x.lr == lrs[0]]
    places = sorted(found)
    return Raced(
        racers=tuple(to_say("full fine-tuning") if x.init == "identity" else f"LoRA r = {x.rank}" for x in own),
        ranks=np.array([x.rank for x in own]), places=np.array(places), lr=np.array(lrs),
        error=np.stack([np.stack(found[p]) for p in places], axis=2), shown=own[-1],
    )  # fmt: skip


def _look(i: int) -> dict[str, Any]:
    return {"colour": "W" if i == 0 else "delta", "dash": DASHES[max(i - 1, 0) % 4]}
