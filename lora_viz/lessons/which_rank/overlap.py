"""Do adapters of different rank find the same directions? Subspace overlap φ(i, j) of their A, and of random ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.film.panels import Curve, Curves, Field, Film, Readout, Row
from lora_viz.film.still import Drawn, still_curves
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say

__all__ = ["Overlap", "film", "overlap", "overlaps", "plot_overlap", "table", "takeaway"]


class Overlap(NamedTuple):
    """φ(i, j) = ‖V_iᵀ V_j‖²/min(i, j) of the i and j strongest right singular vectors of two A, at recorded steps.

    ``phi`` is for the first pair of a low and a high rank, (T, i, j). ``across`` is φ(i, i) of low against high rank,
    ``seeds`` that of two seeds at the high rank, both (low, median, high; T, i) over the pairs, none of which shares
    its start. Random subspaces have φ(i, j) = max(i, j)/d on average. ``sigma`` are the target's singular values.
    """

    steps: Int[np.ndarray, "T"]
    low: int
    high: int
    d: int
    phi: Float[np.ndarray, "T i j"]
    across: Float[np.ndarray, "3 T i"]
    seeds: Float[np.ndarray, "3 T i"]
    sigma: Float[np.ndarray, "k"]
    pairs: int
    diverged: int


def overlaps(left: Float[np.ndarray, "*T i d"], right: Float[np.ndarray, "*T j d"]) -> Float[np.ndarray, "*T i j"]:
    """φ for all i and j at once, from orthonormal rows, strongest first (Hu et al. 2021, §7.2)."""
    square = (left @ np.swapaxes(right, -1, -2)) ** 2
    i, j = np.arange(1, square.shape[-2] + 1), np.arange(1, square.shape[-1] + 1)
    return square.cumsum(axis=-1).cumsum(axis=-2) / np.minimum(i[:, None], j)


def overlap(runs: Iterable[Run]) -> Overlap:
    """Compare the A of one sweep over two ranks and several init_seeds; pairs never share a seed."""
    (run,) = runs
    ranks = sorted({e.rank for e in run.sweep.experiments})
    low, high = ranks[0], ranks[-1]
    place = {(e.rank, e.init_seed): i for i, e in enumerate(run.sweep.experiments)}
    seeds = sorted({e.init_seed for e in run.sweep.experiments})
    found = {key: _directions(run, i) for key, i in place.items()}
    pairs = [(s, seeds[(k + 1) % len(seeds)]) for k, s in enumerate(seeds)]
    diagonal = np.arange(low)
    first = overlaps(found[low, pairs[0][0]], found[high, pairs[0][1]])
    across = [overlaps(found[low, a], found[high, b])[:, diagonal, diagonal] for a, b in pairs]
    same = [overlaps(found[high, a][:, :low], found[high, b])[:, diagonal, diagonal] for a, b in pairs]
    return Overlap(
        steps=run.steps,
        low=low,
        high=high,
        d=run.experiment.d_in,
        phi=first,
        across=spread(np.stack(across), axis=0),
        seeds=spread(np.stack(same), axis=0),
        sigma=np.linalg.svd(run.task.target_delta, compute_uv=False)[: max(run.experiment.true_rank, 1)],
        pairs=len(pairs),
        diverged=int((run.diverged_at >= 0).sum()),
    )


def _directions(run: Run, i: int) -> Float[np.ndarray, "T r d"]:
    """Right singular vectors of A as rows, strongest first; NaN after divergence and where A is 0."""
    A = run.A[i].astype(float)
    _, vectors = np.linalg.eigh(A @ A.transpose(0, 2, 1))  # (r, r): a fraction of the work of an SVD of A
    rows = vectors[:, :, ::-1].transpose(0, 2, 1) @ A
    with np.errstate(invalid="ignore", divide="ignore"):
        rows = rows / np.linalg.norm(rows, axis=2, keepdims=True)
    rows[run.last(i) + 1 :] = np.nan
    return rows


def film(record: Overlap) -> Film:
    """The playhead runs over the steps: the map of φ, its diagonal beside two seeds and chance, in words."""
    i = np.arange(1, record.low + 1)
    chance = i / record.d
    return Film(
        axis=to_say("step"),
        training=True,
        of_last=True,
        values=record.steps.astype(float),
        start=len(record.steps) - 1,
        seconds_per_frame=1 / 8,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Field(
                title=say(
                    "φ(i, j): A of rank {low} (i) against A of rank {high} (j)", low=record.low, high=record.high
                ),
                values=record.phi,
                x_labels=tuple(str(j + 1) for j in range(record.high)),
                y_labels=tuple(map(str, i)),
                x_title=say("j strongest of rank {high}", high=record.high),
                y_title=say("i strongest of rank {low}", low=record.low),
                span=7,
            ),
            Curves(
                title=say("φ(i, i), median and range of {pairs} pairs", pairs=record.pairs),
                x=i.astype(float),
                x_label=say("i strongest directions"),
                y_label=say("overlap, 1: the same subspace"),
                reach=1.0,
                span=5,
                series=(
                    Curve(
                        name=say("rank {low} against {high}", low=record.low, high=record.high),
                        colour="A",
                        y=record.across[1],
                        low=record.across[0],
                        high=record.across[2],
                        dots=True,
                    ),
                    Curve(
                        name=say("rank {high}, two seeds", high=record.high),
                        colour="ink",
                        y=record.seeds[1],
                        dash="dash",
                    ),
                    Curve(name=say("chance, i/{d}", d=record.d), colour="faint", y=chance, dash="dot"),
                ),
            ),
            Curves(
                title=say("The target's singular values"),
                x=np.arange(1.0, len(record.sigma) + 1),
                x_label="i",
                y_label="σ",
                reach=1.0,
                row=1,
                span=5,
                series=(Curve(name=say("σ of ΔW*"), colour="ink", y=record.sigma, dots=True),),
            ),
            Readout(
                title=say("φ at this step: rank {low} against {high}, another seed", low=record.low, high=record.high),
                row=1,
                span=7,
                rows=tuple(
                    Row(
                        label=say("φ({k}, {k}); chance {chance}", k=k, chance=number(k / record.d)),
                        text=tuple(_span(record.across[:, t, k - 1]) for t in range(len(record.steps))),
                        colour="A",
                    )
                    for k in (1, 2, 4, record.low)
                    if k <= record.low
                ),
            ),
        ),
    )


def _span(values: Float[np.ndarray, "3"]) -> str:
    low, median, high = (number(float(v)) for v in values)
    return say("{median} ({low} to {high})", median=median, low=low, high=high)


def _narrate(record: Overlap, t: int) -> str:
    if np.isnan(record.across[1, t]).any():
        return say("Step {step}: an A is 0 or has diverged, and has no directions.", step=record.steps[t])
    return say(
        "Step {step}: the strongest directions overlap by {first}, the {low} strongest by {all}; chance is "
        "{chance_first} and {chance_all}.",
        step=record.steps[t],
        first=number(float(record.across[1, t, 0])),
        low=record.low,
        all=number(float(record.across[1, t, -1])),
        chance_first=number(1 / record.d),
        chance_all=number(record.low / record.d),
    )


def takeaway(record: Overlap) -> str:
    """What was seen, in the run's own numbers."""
    if record.diverged:
        return say(
            "{diverged} of {pairs} adapters diverged: lower the learning rate.",
            diverged=record.diverged,
            pairs=2 * record.pairs,
        )
    end = record.across[:, -1]
    if np.isnan(end[1]).any():
        return say("An A was 0 to the end: it has no directions to compare.")
    said = [
        say(
            "In this experiment, median and range of {pairs} pairs with different starts, φ(1, 1) came to {first} "
            "and φ({low}, {low}) to {all}; chance is {chance_first} and {chance_all}.",
            pairs=record.pairs,
            first=_span(end[:, 0]),
            low=record.low,
            all=_span(end[:, -1]),
            chance_first=number(1 / record.d),
            chance_all=number(record.low / record.d),
        )
    ]
    tied = 1 + int(np.sum(np.abs(np.diff(record.sigma)) < 1e-9 * record.sigma[0]))
    strong = float(record.sigma[0] / record.sigma[1]) if len(record.sigma) > 1 else np.inf
    if tied == len(record.sigma) and 1 < tied <= record.low:
        said.append(
            say(
                "The target's {tied} singular values are equal: which direction comes first is arbitrary, and only "
                "φ({tied}, {tied}) = {overlap} means anything.",
                tied=tied,
                overlap=_span(end[:, tied - 1]),
            )
        )
    elif end[1, 0] > 0.8 and end[1, -1] < 0.6:
        said.append(
            say(
                "The strongest direction is the same, the others are shared much less: the target has one that is "
                "{strong} times as strong as the next.",
                strong=number(strong),
            )
        )
    elif end[1].min() > 0.7:
        said.append(say("All of the directions are shared: the target has them in a clear order."))
    return " ".join(said)


def table(record: Overlap) -> dict[str, np.ndarray]:
    """φ(i, i) at the end, as columns."""
    i = np.arange(1, record.low + 1)
    columns: dict[str, np.ndarray] = {"i": i, "chance": i / record.d}
    for name, values in (("ranks", record.across), ("seeds", record.seeds)):
        for end, row in zip(("low", "median", "high"), values[:, -1], strict=True):
            columns[f"{name}_{end}"] = row
    return columns


def plot_overlap(record: Overlap, *, theme: str = "light") -> go.Figure:
    """φ(i, i) at the end, beside chance."""
    i = np.arange(1, record.low + 1)
    low, median, high = record.across[:, -1]
    return still_curves(
        [
            Drawn(
                say("rank {low} against {high}", low=record.low, high=record.high),
                "A",
                i,
                median,
                dots=True,
                low=low,
                high=high,
            ),
            Drawn(say("rank {high}, two seeds", high=record.high), "ink", i, record.seeds[1, -1], "dash"),
            Drawn(say("chance"), "faint", i, i / record.d, "dot"),
        ],
        title=say("Overlap of the i strongest directions after {steps} steps", steps=record.steps[-1]),
        x="i",
        y="φ(i, i)",
        theme=theme,
    )
