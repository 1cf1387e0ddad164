"""How much larger is LoRA's best learning rate than full fine-tuning's? Both by width, after the same few steps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import log_slope, spread
from lora_viz.film.panels import Curve, Curves, Film, Lines, Readout, Row, Series
from lora_viz.film.still import DASHES, Drawn, still_curves
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say

__all__ = ["WidthRate", "film", "plot_width_rate", "table", "takeaway", "width_rate", "width_sweeps"]

REPORTED = 10.0  # LoRA Without Regret, on language models


class WidthRate(NamedTuple):
    """Loss over the start's by learning rate, for full fine-tuning (racer 0) and LoRA of some ranks, at some widths.

    ``by_lr`` (low, median, high; racer, width, lr) over the seeds, infinite where a run diverged; ``best`` the rate of
    least loss in each seed, ``ratio`` that over full fine-tuning's in the same seed, ``rank_ratio`` (low, median, high;
    width) the largest over the least best rate among the ranks. ``slope`` is that of each racer's median best rate
    against width, both logarithmic; ``grew`` counts the seeds whose ratio is larger at the widest.
    """

    racers: tuple[str, ...]
    ranks: Int[np.ndarray, "R"]
    widths: Int[np.ndarray, "D"]
    lr: Float[np.ndarray, "L"]
    by_lr: Float[np.ndarray, "3 R D L"]
    best: Float[np.ndarray, "3 R D"]
    ratio: Float[np.ndarray, "3 R D"]
    rank_ratio: Float[np.ndarray, "3 D"]
    slope: Float[np.ndarray, "R"]
    grew: Int[np.ndarray, "R"]
    at_edge: int
    rule: str
    alpha: float
    steps: int
    seeds: int


def width_sweeps(
    e: Experiment, widths: Iterable[int], ranks: Iterable[int], lrs: Iterable[float], seeds: int = 8
) -> tuple[Sweep, ...]:
    """One sweep a width and seed: full fine-tuning, as the adapter whose A is the identity, and LoRA, at all η."""
    ranks, lrs = tuple(ranks), tuple(lrs)
    return tuple(
        Sweep(
            tuple(
                replace(x, lr=lr)
                for x in (
                    replace(own, rank=d, init="identity", frozen="A", alpha=1.0, scaling_rule="constant"),
                    *(replace(own, rank=r) for r in ranks),
                )
                for lr in lrs
            )
        )
        for d in widths
        for seed in range(seeds)
        for own in [replace(e, rank=1, d_in=d, d_out=d, samples=2 * d, seed=e.seed * seeds + seed)]
    )


def width_rate(runs: Iterable[Run]) -> WidthRate:
    """Read the runs of ``width_sweeps``."""
    found: dict[int, list[np.ndarray]] = {}
    for run in runs:
        lrs = sorted({x.lr for x in run.sweep.experiments})
        shown = run
        loss = run.loss[-1] / run.loss[0]
        found.setdefault(run.experiment.d_in, []).append(
            np.where(np.isfinite(loss), loss, np.inf).reshape(-1, len(lrs))
        )
    widths = sorted(found)
    loss = np.stack([np.stack(found[d]) for d in widths], axis=2)  # (S, R, D, L)
    at = loss.argmin(axis=3)
    best = np.array(lrs)[at]
    racers = [x for x in shown.sweep.experiments if x.lr == lrs[0]]
    middle = spread(best, axis=0)
    return WidthRate(
        racers=tuple(to_say("full") if x.init == "identity" else f"LoRA r = {x.rank}" for x in racers),
        ranks=np.array([x.rank for x in racers]),
        widths=np.array(widths),
        lr=np.array(lrs),
        by_lr=spread(loss, axis=0),
        best=middle,
        ratio=spread(best / best[:, :1], axis=0),
        rank_ratio=spread(best[:, 1:].max(axis=1) / best[:, 1:].min(axis=1), axis=0),
        slope=np.array([log_slope(np.array(widths, dtype=float), b) for b in middle[1]]),
        grew=(best[:, :, -1] * best[:, :1, 0] > best[:, :, 0] * best[:, :1, -1] * 1.01).sum(axis=0),
        at_edge=int(((at == 0) | (at == len(lrs) - 1)).sum()),
        rule=racers[-1].scaling_rule,
        alpha=racers[-1].alpha,
        steps=racers[-1].steps,
        seeds=len(loss),
    )


def film(record: WidthRate) -> Film:
    """The playhead runs over the width: the ratio, both best rates, and the losses by rate at this width."""
    low, median, high = np.where(np.isfinite(record.by_lr) & (record.by_lr < 100), record.by_lr, np.nan)
    names = [say("full:"), *(f"{name}:" for name in record.racers[1:])]
    flat = np.ones(len(record.widths))

    def series(i: int, y: Float[np.ndarray, "3 R D"]) -> Series:
        return Series(
            name=names[i],
            colour=_colour(i),
            y=y[1, i],
            low=y[0, i],
            high=y[2, i],
            dash=DASHES[max(i - 1, 0) % 4],
            dots=True,
        )

    return Film(
        axis=to_say("width d"),
        values=record.widths.astype(float),
        start=len(record.widths) - 1,
        seconds_per_frame=1.0,
        narration=tuple(_narrate(record, t) for t in range(len(record.widths))),
        panels=(
            Lines(
                title=say("LoRA's best η over full fine-tuning's, median of {seeds} (band: all)", seeds=record.seeds),
                y_label=say("ratio, log"),
                scale="log",
                x_scale="log",
                span=7,
                series=(
                    *(series(i, record.ratio) for i in range(1, len(names))),
                    Series(name=say("equal:"), colour="W", y=flat, dash="dash"),
                    Series(name=say("reported for language models:"), colour="faint", y=REPORTED * flat, dash="dot"),
                ),
            ),
            Readout(
                title=say("Best η at this width: median (range)"),
                span=5,
                rows=(
                    *(
                        Row(
                            label=say(name),
                            text=tuple(_span(record.best[:, i, t]) for t in range(len(record.widths))),
                            colour=_colour(i),
                        )
                        for i, name in enumerate(record.racers)
                    ),
                    Row(
                        label=say("largest over least among the ranks"),
                        text=tuple(_span(record.rank_ratio[:, t]) for t in range(len(record.widths))),
                    ),
                ),
            ),
            Lines(
                title=say("Best η of each"),
                y_label=say("learning rate, log"),
                scale="log",
                x_scale="log",
                row=1,
                span=6,
                series=tuple(series(i, record.best) for i in range(len(names))),
            ),
            Curves(
                title=say("At this width, by learning rate (median)"),
                x=record.lr,
                x_label=say("learning rate η, log"),
                y_label=say("loss/first loss, log"),
                scale="log",
                x_scale="log",
                row=1,
                span=6,
                series=tuple(
                    Curve(
                        name=say(name),
                        colour=_colour(i),
                        y=median[i],
                        low=low[i],
                        high=np.where(np.isfinite(high[i]), high[i], median[i]),
                        dash=DASHES[max(i - 1, 0) % 4],
                    )
                    for i, name in enumerate(record.racers)
                ),
            ),
        ),
    )


def _colour(i: int) -> str:
    return "W" if i == 0 else "delta"


def _span(found: Float[np.ndarray, "3"]) -> str:
    low, median, high = (number(float(x)) for x in found)
    return median if low == high else say("{median} ({low} to {high})", median=median, low=low, high=high)


def _narrate(record: WidthRate, t: int) -> str:
    ratios = ", ".join(
        say("{ratio} for {racer}", ratio=number(float(record.ratio[1, i, t])), racer=name)
        for i, name in enumerate(record.racers)
        if i
    )
    return say(
        "d = {width}: best learning rate over full fine-tuning's, median: {ratios}.",
        width=record.widths[t],
        ratios=ratios,
    )


def takeaway(record: WidthRate) -> str:
    """What was seen, in the run's own numbers."""
    i, last = min(2, len(record.racers) - 1), len(record.widths) - 1
    ratio, rule = record.ratio[:, i], {"lora": "α/r", "rslora": "α/√r", "constant": "s = α"}[record.rule]
    said = [
        say(
            "In this experiment ({seeds} seeds, {steps} steps of Adam, {rule}, α = {alpha}, each at its best of "
            "{rates} η) {racer}'s best rate was {first} times full fine-tuning's at d = {narrow} and {last} times at "
            "d = {wide}.",
            seeds=record.seeds,
            steps=record.steps,
            rule=rule,
            alpha=number(record.alpha),
            rates=len(record.lr),
            racer=record.racers[i],
            first=_span(ratio[:, 0]),
            narrow=record.widths[0],
            last=_span(ratio[:, last]),
            wide=record.widths[last],
        )
    ]
    grew, seeds = record.grew[i], record.seeds
    if grew > 0.75 * seeds:
        said.append(
            say(
                "It was larger in the widest layer in {grew} seeds of {seeds}: the ratio grows with the width.",
                grew=grew,
                seeds=seeds,
            )
        )
    else:
        said.append(
            say(
                "It was larger in the widest layer in {grew} seeds of {seeds}: the ratio does not clearly grow here.",
                grew=grew,
                seeds=seeds,
            )
        )
    if ratio[2, last] < REPORTED / 2:
        said.append(say("Ten, as reported for language models, is not reached at these widths."))
    said.append(
        say(
            "Among ranks {ranks} the best rates at d = {width} lie within a factor of {factor}.",
            ranks=", ".join(map(str, record.ranks[1:])),
            width=record.widths[last],
            factor=_span(record.rank_ratio[:, last]),
        )
    )
    if record.at_edge:
        said.append(
            say("{count} bests lie at an end of the grid: a wider one may shift the numbers.", count=record.at_edge)
        )
    return " ".join(said)


def table(record: WidthRate) -> dict[str, np.ndarray]:
    """One row a racer and width; rank 0 is full fine-tuning."""
    own = np.array([0, *record.ranks[1:]])
    rank, width = (x.ravel() for x in np.meshgrid(own, record.widths, indexing="ij"))
    columns = {"rank": rank, "width": width}
    for name, found in (("best_lr", record.best), ("over_full", record.ratio)):
        for end, values in zip(("low", "median", "high"), found, strict=True):
            columns[f"{name}_{end}"] = values.ravel()
    return columns


def plot_width_rate(record: WidthRate, *, theme: str = "light") -> go.Figure:
    """The ratio of best rates against the width, one curve a rank."""
    return still_curves(
        [
            Drawn(
                say(name),
                _colour(i),
                record.widths,
                record.ratio[1, i],
                DASHES[max(i - 1, 0) % 4],
                dots=True,
                low=record.ratio[0, i],
                high=record.ratio[2, i],
            )
            for i, name in enumerate(record.racers)
        ],
        title=say("Best learning rate over full fine-tuning's"),
        x=say("width d"),
        y=say("ratio"),
        log="xy",
        theme=theme,
    )
