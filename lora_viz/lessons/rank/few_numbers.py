"""Few knobs, few non-zeros, low rank: is it the same? One spectrum each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.random_streams import stream
from lora_viz.film.panels import Film, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.matrices import low_rank_factors

__all__ = ["FewNumbers", "few_numbers", "film", "plot_few_numbers", "table", "takeaway"]

NAMES = ("c·I", to_say("10 knobs"), to_say("sparse"), to_say("rank 1"))
COLOURS = ("ink", "W", "clean", "delta")
DASHES = ("dash", "dot", "dashdot", "solid")
TITLES = (
    to_say("one knob: c·I"),
    to_say("10 knobs: Σ cⱼ Mⱼ"),
    to_say("{share} % of the entries"),
    to_say("rank 1: b aᵀ"),
)
KNOBS = 10
COUNTED = 1e-10


class FewNumbers(NamedTuple):
    """Four d×d updates that are small in four senses: one knob, ten knobs, few non-zeros, rank 1.

    ``knobs`` counts the numbers that were free, ``nonzeros`` the entries that are not 0, ``rank`` the σ above
    1e-10 σ₁. ``error`` is the relative error of the best matrix of rank 1, …, d, ``sigma`` is in units of σ₁.
    """

    d: int
    share: float
    updates: Float[np.ndarray, "4 d d"]
    knobs: tuple[int, int, int, int]
    nonzeros: tuple[int, int, int, int]
    rank: tuple[int, int, int, int]
    sigma: Float[np.ndarray, "4 d"]
    error: Float[np.ndarray, "4 d"]
    kept: Int[np.ndarray, "d"]


def few_numbers(d: int, share: float, seed: int) -> FewNumbers:
    """Draw the four; ``share`` of the entries of the sparse one are not 0."""
    rng = stream("knobs", seed)
    directions, c = rng.standard_normal((KNOBS, d, d)), rng.standard_normal(KNOBS)
    cells = stream("cells", seed)
    filled = cells.permutation(d * d)[: round(share * d * d)]
    sparse = np.zeros(d * d)
    sparse[filled] = cells.standard_normal(d * d)[: len(filled)]
    a, b = low_rank_factors(d, d, 1, seed, "dense")
    updates = np.stack([c[0] * np.eye(d), np.tensordot(c, directions, 1), sparse.reshape(d, d), b @ a])
    sigma = np.linalg.svd(updates, compute_uv=False)
    energy = np.cumsum(sigma[:, ::-1] ** 2, axis=1)[:, ::-1]
    tail = np.concatenate([energy[:, 1:], np.zeros((4, 1))], axis=1)
    nonzeros = [int((u != 0).sum()) for u in updates]
    rank = [int((s > COUNTED * s[0]).sum()) for s in sigma]
    return FewNumbers(
        d=d,
        share=share,
        updates=updates,
        knobs=(1, KNOBS, len(filled), 2 * d - 1),
        nonzeros=(nonzeros[0], nonzeros[1], nonzeros[2], nonzeros[3]),
        rank=(rank[0], rank[1], rank[2], rank[3]),
        sigma=sigma / sigma[:, :1],
        error=np.sqrt(tail / energy[:, :1]),
        kept=np.arange(1, d + 1),
    )


def film(record: FewNumbers) -> Film:
    """The playhead is the rank that is allowed: what of each update remains out of reach, and its spectrum."""
    series = [
        tuple(
            Series(name=say(name), colour=colour, y=y, dash=dash)  # type: ignore[arg-type]
            for name, colour, dash, y in zip(NAMES, COLOURS, DASHES, curves, strict=True)
        )
        for curves in (record.error, record.sigma)
    ]
    titles = [say(title, share=number(100 * record.share)) for title in TITLES]
    return Film(
        axis=to_say("rank k"),
        values=record.kept.astype(float),
        start=7,
        seconds_per_frame=0.2,
        narration=tuple(_narrate(record, t) for t in range(record.d)),
        panels=(
            Lines(
                title=say("Error of the best matrix of rank k (drag here)"),
                y_label=say("relative error"),
                span=6,
                reach=1.0,
                series=series[0],
            ),
            Lines(title=say("Singular values σₖ"), y_label="σₖ/σ₁", span=6, reach=1.0, series=series[1]),
            *(
                HeatMap(
                    title=title,
                    colour=colour,
                    values=update,
                    limit=float(np.abs(update).max()),
                    span=2,
                    row=1,
                    caption=(say("{rank} of {d} directions", rank=rank, d=record.d),),
                )
                for title, colour, update, rank in zip(titles, COLOURS, record.updates, record.rank, strict=True)
            ),
            Readout(
                title=say("Free numbers · non-zeros · numerical rank"),
                span=4,
                row=1,
                rows=tuple(
                    Row(label=say(name), text=(f"{knobs} · {nonzeros} · {rank}",), colour=colour)
                    for name, colour, knobs, nonzeros, rank in zip(
                        NAMES, COLOURS, record.knobs, record.nonzeros, record.rank, strict=True
                    )
                ),
            ),
        ),
    )


def _percent(value: float) -> str:
    return "0 %" if value < 1e-12 else f"{number(100 * value)} %"


def _narrate(record: FewNumbers, t: int) -> str:
    one, ten, sparse, low = (_percent(float(e)) for e in record.error[:, t])
    return say(
        "Rank {k} at its best misses {one} of c·I, {ten} of {knobs} knobs, {sparse} of sparse, {low} of rank 1.",
        k=int(record.kept[t]),
        one=one,
        ten=ten,
        knobs=KNOBS,
        sparse=sparse,
        low=low,
    )


def takeaway(record: FewNumbers) -> str:
    """What was seen, in these updates' own numbers."""
    at = min(8, record.d) - 1
    k = int(record.kept[at])
    one, ten, sparse, low = (_percent(float(e)) for e in record.error[:, at])
    return say(
        "c·I is one number, and the best rank-{k} matrix misses {one} of it (exactly √(1 − {k}/{d})); "
        "{knobs} knobs on fixed random directions: {ten}; {filled} non-zeros of {entries}: {sparse}, "
        "rank {rank}. The update of rank 1 has {free} free numbers, {nonzeros} "
        "non-zeros, and nothing is missed: {low}. Few degrees of freedom, few non-zeros and low rank are three things.",
        k=k,
        one=one,
        d=record.d,
        knobs=KNOBS,
        ten=ten,
        filled=record.nonzeros[2],
        entries=record.d**2,
        sparse=sparse,
        rank=record.rank[2],
        free=record.knobs[3],
        nonzeros=record.nonzeros[3],
        low=low,
    )


def table(record: FewNumbers) -> dict[str, np.ndarray]:
    """The curves, as columns."""
    columns = ("one_knob", "ten_knobs", "sparse", "rank_1")
    return {
        "rank": record.kept,
        **{f"error_{name}": e for name, e in zip(columns, record.error, strict=True)},
        **{f"sigma_{name}": s for name, s in zip(columns, record.sigma, strict=True)},
    }


def plot_few_numbers(record: FewNumbers, *, theme: str = "light") -> go.Figure:
    """Error of the best matrix of rank k for each, as a still figure."""
    figure = go.Figure(
        [
            go.Scatter(x=record.kept, y=e, name=say(name), line={"color": IDENTITY[theme][c], "dash": dash, "width": 3})
            for name, c, dash, e in zip(NAMES, COLOURS, DASHES, record.error, strict=True)
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=say("What rank k cannot reach"),
            xaxis={"title": say("rank k")},
            yaxis={"title": say("relative error")},
        )
    )
    return figure
