"""Which way does the first step point? The cosine of each start's first update with −G, and the most it could be."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.film.panels import Bars, Film, Group, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = [
    "STARTS",
    "InitAlignment",
    "alignment_sweep",
    "film",
    "init_alignment",
    "plot_init_alignment",
    "table",
    "takeaway",
]

Dash = Literal["solid", "dash", "dot", "dashdot"]
# start -> its name, under a bar, colour, dash, and whether it is drawn at random
STARTS: dict[str, tuple[str, str, str, Dash, bool]] = {
    "B_zero": ("LoRA, B = 0", "LoRA", "delta", "solid", True),
    "A_zero": ("A = 0", "A = 0", "delta", "dash", True),
    "orthogonal": (to_say("orthogonal"), to_say("orth."), "clean", "dash", True),
    "milora": ("MiLoRA", "MiLoRA", "W", "dash", False),
    "pissa": ("PiSSA", "PiSSA", "W", "solid", False),
    "olora": ("OLoRA", "OLoRA", "W", "dot", False),
    "eva": ("EVA", "EVA", "A", "solid", False),
    "lora_ga": ("LoRA-GA", "GA", "clean", "solid", False),
}


class InitAlignment(NamedTuple):
    """(low, median, high) over the seeds of cos(ΔW₁, −G), per start I and rank R; all starts have ΔW₀ = 0.

    ``bound`` is the most any update of the same rank could reach: √ of the share of ‖G‖² in G's first k singular
    directions, k = rank A₀ + rank B₀: r where one factor is 0, 2r where both are whole. ``rank`` is the numerical rank
    of the first seed's update. ``G`` is the gradient before any adapter, ``updates`` LoRA's and the ``rival``'s update
    at each rank; all of norm 1.
    ``expected`` is √(r/(r + d_in + 1)), for random A and a G without preferred directions.
    """

    ranks: Int[np.ndarray, "R"]
    cosine: Float[np.ndarray, "3 I R"]
    bound: Float[np.ndarray, "I R"]
    rank: Int[np.ndarray, "I R"]
    expected: Float[np.ndarray, "R"]
    G: Float[np.ndarray, "d_out d_in"]
    updates: Float[np.ndarray, "2 R d_out d_in"]
    inits: tuple[str, ...]
    rival: str
    optimizer: str
    seeds: int


def alignment_sweep(e: Experiment, ranks: tuple[int, ...], seeds: int = 8) -> Sweep:
    """One step from every start at every rank; seeds for the starts that are drawn at random."""
    one = replace(e, steps=1, rank=1)
    own = (
        Sweep.over(
            replace(one, init=name), rank=ranks, init_seed=range(e.init_seed, e.init_seed + drawn * (seeds - 1) + 1)
        )
        for name, (*_, drawn) in STARTS.items()
    )
    return Sweep(tuple(x for sweep in own for x in sweep.experiments))


def init_alignment(run: Run, rival: str) -> InitAlignment:
    """Read an ``alignment_sweep``; the ``rival``'s update is shown beside LoRA's own (LoRA-GA's, if it is no start)."""
    inits = tuple(dict.fromkeys(e.init for e in run.sweep.experiments))
    rival = rival if rival in inits and rival != "B_zero" else "lora_ga"
    ranks = sorted({e.rank for e in run.sweep.experiments})
    seeds = len({e.init_seed for e in run.sweep.experiments})
    shape = (len(inits), len(ranks))
    found, bound, rank = np.full((*shape, seeds), np.nan), np.empty(shape), np.zeros(shape, dtype=int)
    G = -run.task.cross_covariance
    updates = np.zeros((2, len(ranks), *G.shape))
    sigma = np.linalg.svd(G, compute_uv=False)
    for n, e in enumerate(run.sweep.experiments):
        i, j, k = inits.index(e.init), ranks.index(e.rank), e.init_seed - run.experiment.init_seed
        before, after = run.delta_weight(n)
        step = after - before
        found[i, j, k] = -np.sum(step * G) / ((np.linalg.norm(step) * np.linalg.norm(G)) or 1.0)
        if k == 0:
            k_most = int(np.linalg.matrix_rank(run.A[n][0]) + np.linalg.matrix_rank(run.B[n][0]))
            bound[i, j] = np.sqrt(np.sum(sigma[:k_most] ** 2) / (np.sum(sigma**2) or 1.0))
            rank[i, j] = np.linalg.matrix_rank(step, tol=1e-6 * (np.linalg.norm(step, 2) or 1.0))
            if e.init in ("B_zero", rival):
                updates[int(e.init == rival), j] = step / (np.linalg.norm(step) or 1.0)
    drawn = np.isfinite(found).sum(axis=-1) > 1
    whole = np.where(drawn[..., None], found, found[..., :1])
    return InitAlignment(
        ranks=np.array(ranks),
        cosine=spread(whole, axis=-1),
        bound=bound,
        rank=rank,
        expected=np.sqrt(np.array(ranks) / (np.array(ranks) + G.shape[1] + 1.0)),
        G=G / (np.linalg.norm(G) or 1.0),
        updates=updates,
        inits=inits,
        rival=rival,
        optimizer=run.experiment.optimizer,
        seeds=seeds,
    )


def film(record: InitAlignment) -> Film:
    """The playhead runs over the ranks: bars under their bounds, the curves, −G and two first updates."""
    rival = say(STARTS[record.rival][0])
    limit = float(np.abs(record.G).max()) or 1.0
    own, at = record.inits.index("B_zero"), record.inits.index(record.rival)

    def alike(i: int) -> tuple[str, ...]:
        return tuple(say("cosine {cosine}", cosine=number(float(c))) for c in record.cosine[1, i])

    return Film(
        axis=to_say("rank"),
        of_last=True,
        values=record.ranks.astype(float),
        start=int(np.argmin(np.abs(record.ranks - 8))),
        seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t) for t in range(len(record.ranks))),
        panels=(
            Bars(
                title=say("How far along −G does the first update point?"),
                labels=tuple(say(STARTS[name][1]) for name in record.inits),
                y_label=say("cosine with −G, median"),
                span=7,
                groups=(
                    Group(name=say("measured"), colour="delta", values=record.cosine[1].T),
                    Group(name=say("most at this rank"), colour="ink", values=record.bound.T, outline=True),
                ),
            ),
            Lines(
                title=say("Against rank (drag here)"),
                y_label=say("cosine with −G"),
                x_scale="log",
                span=5,
                series=(
                    *(
                        Series(
                            name=say(STARTS[name][1]),
                            colour=STARTS[name][2],
                            dash=STARTS[name][3],
                            y=record.cosine[1, i],
                            low=record.cosine[0, i],
                            high=record.cosine[2, i],
                        )
                        for i, name in enumerate(record.inits)
                        if name in ("B_zero", "A_zero", record.rival)
                    ),
                    Series(name="√(r/(r+d+1))", colour="ink", dash="dot", y=record.expected),
                    Series(name=say("most, rank r"), colour="faint", dash="dash", y=record.bound[own]),
                ),
            ),
            HeatMap(title="−G", colour="W", values=-record.G, limit=limit, hatched=True, row=1, span=3),
            HeatMap(
                title=say("LoRA's first update"),
                colour="delta",
                values=record.updates[0],
                limit=limit,
                caption=alike(own),
                row=1,
                span=3,
            ),
            HeatMap(
                title=say("{rival}: first update", rival=rival),
                colour="delta",
                values=record.updates[1],
                limit=limit,
                caption=alike(at),
                row=1,
                span=3,
            ),
            Readout(
                title=say("Its numerical rank"),
                row=1,
                span=3,
                rows=tuple(
                    Row(label=say(STARTS[name][0]), text=tuple(str(r) for r in record.rank[i]))
                    for i, name in enumerate(record.inits)
                    if name in ("B_zero", "A_zero", "orthogonal", "pissa", "eva", "lora_ga")
                ),
            ),
        ),
    )


def _narrate(record: InitAlignment, t: int) -> str:
    best = int(np.nanargmax(record.cosine[1, :, t])) if np.isfinite(record.cosine[1, :, t]).any() else 0
    own = record.inits.index("B_zero")
    return say(
        "Rank {rank}: LoRA's first update has cosine {cosine} with −G, of "
        "{bound} that this rank allows; most has {start}, "
        "{most}, with an update of rank {own_rank}.",
        rank=record.ranks[t],
        cosine=number(float(record.cosine[1, own, t])),
        bound=number(float(record.bound[own, t])),
        start=say(STARTS[record.inits[best]][0]),
        most=number(float(record.cosine[1, best, t])),
        own_rank=record.rank[best, t],
    )


def takeaway(record: InitAlignment) -> str:
    """What was seen, in the run's own numbers."""
    t = int(np.argmin(np.abs(record.ranks - 8)))
    own, at = record.inits.index("B_zero"), record.inits.index(record.rival)
    low, middle, high = (number(float(x)) for x in record.cosine[:, own, t])
    said = say(
        "At rank {rank} the first update from LoRA's start has cosine {middle} with −G ({low} to {high}, "
        "{seeds} seeds), of {bound} that its rank allows: a random A sees a "
        "random part of G. {start} has {cosine} of "
        "{allowed}, with an update of rank {own_rank}.",
        rank=record.ranks[t],
        middle=middle,
        low=low,
        high=high,
        seeds=record.seeds,
        bound=number(float(record.bound[own, t])),
        start=say(STARTS[record.rival][0]),
        cosine=number(float(record.cosine[1, at, t])),
        allowed=number(float(record.bound[at, t])),
        own_rank=record.rank[at, t],
    )
    return said + say(" A direction says nothing of what comes after: the race does.")


def table(record: InitAlignment) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    columns: dict[str, np.ndarray] = {"rank": record.ranks}
    for i, name in enumerate(record.inits):
        columns |= {f"cosine_{name}": record.cosine[1, i], f"bound_{name}": record.bound[i]}
    return columns


def plot_init_alignment(record: InitAlignment, *, theme: str = "light") -> go.Figure:
    """Cosines at rank 8 (or the nearest), as bars with their bounds."""
    t = int(np.argmin(np.abs(record.ranks - 8)))
    colour = IDENTITY[theme]
    names = [say(STARTS[name][0]) for name in record.inits]
    figure = go.Figure(
        go.Bar(x=names, y=record.cosine[1, :, t], name=say("measured"), marker={"color": colour["delta"]})
    )
    ink = {"symbol": "line-ew", "size": 40, "line": {"width": 3, "color": colour["ink"]}}
    figure.add_scatter(x=names, y=record.bound[:, t], name=say("most at this rank"), mode="markers", marker=ink)
    figure.update_layout(
        **plotly_layout(
            title=say("First update against −G at rank {rank}", rank=record.ranks[t]),
            xaxis={},
            yaxis={"title": say("cosine with −G")},
        )
    )
    return figure
