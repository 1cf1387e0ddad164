"""Does LoRA bear large batches? One pass over the samples, batch by batch size, at each one's best learning rate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.film.panels import Curve, Curves, Film, Lines, Readout, Row, Series
from lora_viz.film.still import DASHES, Drawn, still_curves
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say

__all__ = ["LargeBatch", "film", "large_batch", "one_pass", "plot_large_batch", "table", "takeaway"]


class LargeBatch(NamedTuple):
    """‖ΔW − ΔW*‖²/‖ΔW*‖² after one pass, for full fine-tuning (racer 0) and LoRA of some ranks.

    ``by_lr`` (low, median, high; racer, batch, lr) over the seeds, infinite where a run diverged; ``left`` at each
    seed's best lr, ``ratio`` that over full fine-tuning's of the same seed. ``at_edge`` counts the bests that lie at an
    end of the grid of learning rates.
    """

    racers: tuple[str, ...]
    ranks: Int[np.ndarray, "R"]
    batches: Int[np.ndarray, "K"]
    steps: Int[np.ndarray, "K"]
    lr: Float[np.ndarray, "L"]
    by_lr: Float[np.ndarray, "3 R K L"]
    left: Float[np.ndarray, "3 R K"]
    ratio: Float[np.ndarray, "3 R K"]
    at_edge: int
    true_rank: int
    samples: int
    seeds: int


def one_pass(
    e: Experiment, batches: Iterable[int], ranks: Iterable[int], lrs: Iterable[float], seeds: int = 8
) -> tuple[Sweep, ...]:
    """One sweep a batch size and seed: full fine-tuning, as the adapter whose A is the identity, and LoRA, at all η."""
    full = replace(e, init="identity", frozen="A", rank=e.d_in, alpha=1.0, scaling_rule="constant")
    racers = [full, *(replace(e, rank=r) for r in ranks)]
    return tuple(
        Sweep(
            tuple(
                replace(x, lr=lr, batch=batch, steps=e.samples // batch, seed=e.seed * seeds + seed)
                for x in racers
                for lr in lrs
            )
        )
        for batch in batches
        for seed in range(seeds)
    )


def large_batch(runs: Iterable[Run]) -> LargeBatch:
    """Read the runs of ``one_pass``."""
    found: dict[int, list[np.ndarray]] = {}
    for run in runs:
        e, target = run.experiment, run.task.target_delta
        lrs = sorted({x.lr for x in run.sweep.experiments})
        shown, left = run, np.full(len(run.sweep), np.inf)
        for i in range(len(run.sweep)):
            if run.diverged_at[i] < 0:
                left[i] = np.sum((run.delta_weight(i)[-1] - target) ** 2) / np.sum(target**2)
        found.setdefault(e.batch, []).append(left.reshape(-1, len(lrs)))
    batches = sorted(found)
    left = np.stack([np.stack(found[b]) for b in batches], axis=2)  # (S, R, K, L)
    best, at = left.min(axis=3), left.argmin(axis=3)
    racers = [x for x in shown.sweep.experiments if x.lr == lrs[0]]
    with np.errstate(invalid="ignore"):
        ratio = best / best[:, :1]
    return LargeBatch(
        racers=tuple(to_say("full") if x.init == "identity" else f"LoRA r = {x.rank}" for x in racers),
        ranks=np.array([x.rank for x in racers]),
        batches=np.array(batches),
        steps=shown.experiment.samples // np.array(batches),
        lr=np.array(lrs),
        by_lr=spread(left, axis=0),
        left=spread(best, axis=0),
        ratio=spread(ratio, axis=0),
        at_edge=int(((at == 0) | (at == len(lrs) - 1)).sum()),
        true_rank=shown.experiment.true_rank,
        samples=shown.experiment.samples,
        seeds=len(left),
    )


def film(record: LargeBatch) -> Film:
    """The playhead runs over the batch size: errors by learning rate, at the best one, and over full fine-tuning's."""
    low, median, high = np.where(np.isfinite(record.by_lr) & (record.by_lr < 100), record.by_lr, np.nan)
    names = [say("full:"), *(f"{name}:" for name in record.racers[1:])]
    return Film(
        axis=to_say("batch"),
        of_last=True,
        values=record.batches.astype(float),
        start=len(record.batches) - 1,
        seconds_per_frame=1.0,
        narration=tuple(_narrate(record, t) for t in range(len(record.batches))),
        panels=(
            Lines(
                title=say("Error over full fine-tuning's, each at its best η"),
                y_label=say("ratio; median of {seeds}, band: all", seeds=record.seeds),
                reach=2.0,
                x_scale="log",
                span=7,
                series=(
                    *(_series(record, names, i, record.ratio) for i in range(1, len(names))),
                    Series(name=say("full:"), colour="W", y=np.ones(len(record.batches)), dash="dash"),
                ),
            ),
            Readout(
                title=say("At this batch: error left, median (range)"),
                span=5,
                rows=tuple(
                    Row(
                        label=say(name),
                        text=tuple(_span(record.left[:, i, t]) for t in range(len(record.batches))),
                        colour=_colour(i),
                    )
                    for i, name in enumerate(record.racers)
                ),
            ),
            Lines(
                title=say("Error left after one pass, each at its best η"),
                y_label=say("‖ΔW − ΔW*‖²/‖ΔW*‖², log"),
                scale="log",
                x_scale="log",
                row=1,
                span=6,
                series=tuple(_series(record, names, i, record.left) for i in range(len(names))),
            ),
            Curves(
                title=say("At this batch, by learning rate (median)"),
                x=record.lr,
                x_label=say("learning rate η, log"),
                y_label=say("error left, log"),
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
                        dots=True,
                    )
                    for i, name in enumerate(record.racers)
                ),
            ),
        ),
    )


def _colour(i: int) -> str:
    return "W" if i == 0 else "delta"


def _series(record: LargeBatch, names: list[str], i: int, y: Float[np.ndarray, "3 R K"]) -> Series:
    low, median, high = np.where(np.isfinite(y[:, i]), y[:, i], np.nan)
    return Series(name=names[i], colour=_colour(i), y=median, low=low, high=high, dash=DASHES[max(i - 1, 0) % 4])


def _span(found: Float[np.ndarray, "3"]) -> str:
    low, median, high = (number(float(x)) for x in found)
    return say("{median} ({low} to {high})", median=median, low=low, high=high)


def _narrate(record: LargeBatch, t: int) -> str:
    ratios = ", ".join(
        say("{ratio} for {racer}", ratio=number(float(record.ratio[1, i, t])), racer=name)
        for i, name in enumerate(record.racers)
        if i
    )
    return say(
        "Batch {batch}, {steps} steps: error over full fine-tuning's, median: {ratios}.",
        batch=record.batches[t],
        steps=record.steps[t],
        ratios=ratios,
    )


def takeaway(record: LargeBatch) -> str:
    """What was seen, in the run's own numbers."""
    small, whole = 1, len(record.racers) - 1
    first, last = record.ratio[:, :, 0], record.ratio[:, :, -1]
    said = [
        say(
            "In this experiment (one pass over {samples} samples, {seeds} seeds, each at its best of {rates} η) "
            "{racer} left {first} times full fine-tuning's error with batch {least} and {last} times with batch "
            "{most}.",
            samples=record.samples,
            seeds=record.seeds,
            rates=len(record.lr),
            racer=record.racers[small],
            first=_span(first[:, small]),
            least=record.batches[0],
            last=_span(last[:, small]),
            most=record.batches[-1],
        )
    ]
    if last[1, small] > 1.2 * first[1, small]:
        said.append(say("The gap grows with the batch."))
    else:
        said.append(say("Here the gap does not grow with the batch."))
    said.append(
        say(
            "{racer}, full width: {first} and {last} times.",
            racer=record.racers[whole],
            first=_span(first[:, whole]),
            last=_span(last[:, whole]),
        )
    )
    if last[1, whole] < 1.2:
        said.append(
            say("At full width the penalty is gone: here the rank does mend it, unlike what the paper reports.")
        )
    if record.at_edge:
        said.append(
            say("{count} bests lie at an end of the grid: a wider one may shift the numbers.", count=record.at_edge)
        )
    return " ".join(said)


def table(record: LargeBatch) -> dict[str, np.ndarray]:
    """One row a racer and batch size; rank 0 is full fine-tuning."""
    own = np.array([0, *record.ranks[1:]])
    rank, batch = (x.ravel() for x in np.meshgrid(own, record.batches, indexing="ij"))
    columns = {"rank": rank, "batch": batch}
    for name, found in (("error", record.left), ("over_full", record.ratio)):
        for end, values in zip(("low", "median", "high"), found, strict=True):
            columns[f"{name}_{end}"] = values.ravel()
    return columns


def plot_large_batch(record: LargeBatch, *, theme: str = "light") -> go.Figure:
    """The error over full fine-tuning's against the batch size, one curve a rank."""
    return still_curves(
        [
            Drawn(
                say(name),
                _colour(i),
                record.batches,
                record.ratio[1, i],
                DASHES[max(i - 1, 0) % 4],
                dots=True,
                low=record.ratio[0, i],
                high=record.ratio[2, i],
            )
            for i, name in enumerate(record.racers)
        ],
        title=say("Error over full fine-tuning's after one pass"),
        x=say("batch size"),
        y=say("ratio of errors"),
        log="xy",
        theme=theme,
    )
