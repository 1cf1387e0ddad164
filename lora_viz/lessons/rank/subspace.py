"""Are the matrices of rank r a subspace? What lies between two of them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.spectra import truncate
from lora_viz.film.panels import Bars, Film, Group, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say
from lora_viz.layer.matrices import low_rank_factors

__all__ = ["LowRankSet", "film", "low_rank_set", "plot_low_rank_set", "table", "takeaway"]

D_OUT, D_IN, FRAMES = 31, 23, 41
COUNTED = 1e-10


class LowRankSet(NamedTuple):
    """The segment (1 − t)M₁ + t M₂ between two updates M = B A of rank r, t from 0 to 1.

    ``rank`` counts the mix's σ above 1e-10 σ₁, ``away`` is its relative distance to the nearest matrix of rank r.
    ``averaged`` is the relative distance from the mix to the product of the mixed factors,
    ((1 − t)B₁ + t B₂)((1 − t)A₁ + t A₂). ``loss`` is ½‖B A − M₁‖²/‖M₁‖² on the straight way from (B₁, A₁) to
    (−B₁, −A₁), two sets of factors with the same product.
    """

    r: int
    t: Float[np.ndarray, "T"]
    rank: Int[np.ndarray, "T"]
    sigma: Float[np.ndarray, "T k"]
    away: Float[np.ndarray, "T"]
    averaged: Float[np.ndarray, "T"]
    loss: Float[np.ndarray, "T"]
    first: Float[np.ndarray, "m n"]
    second: Float[np.ndarray, "m n"]
    mix: Float[np.ndarray, "T m n"]
    nearest: Float[np.ndarray, "T m n"]


def low_rank_set(r: int, seed: int, shape: tuple[int, int] = (D_OUT, D_IN)) -> LowRankSet:
    """Draw two updates of rank r and walk from one to the other."""
    (A1, B1), (A2, B2) = (low_rank_factors(*shape, r, seed, name) for name in ("first", "second"))
    t = np.linspace(0, 1, FRAMES)
    s = t[:, None, None]
    first, second = B1 @ A1, B2 @ A2
    mix = (1 - s) * first + s * second
    sigma = np.linalg.svd(mix, compute_uv=False)
    size = np.linalg.norm(mix, axis=(1, 2))
    nearest = np.stack([truncate(m, r) for m in mix])
    averaged = ((1 - s) * B1 + s * B2) @ ((1 - s) * A1 + s * A2)
    c = 1 - 2 * s  # from (B, A) to (−B, −A)
    across = (c * B1) @ (c * A1) - first
    return LowRankSet(
        r=r,
        t=t,
        rank=(sigma > COUNTED * sigma[:, :1]).sum(axis=1),
        sigma=sigma,
        away=np.linalg.norm(mix - nearest, axis=(1, 2)) / size,
        averaged=np.linalg.norm(averaged - mix, axis=(1, 2)) / size,
        loss=0.5 * np.sum(across**2, axis=(1, 2)) / np.sum(first**2),
        first=first,
        second=second,
        mix=mix,
        nearest=nearest,
    )


def film(record: LowRankSet) -> Film:
    """The playhead walks from M₁ to M₂: rank, spectrum, distance to the set, and the matrices."""
    T, r = len(record.t), record.r
    limit = float(max(np.abs(record.first).max(), np.abs(record.second).max()))
    shown = min(record.sigma.shape[1], 3 * r + 2)
    return Film(
        axis="t: (1 − t)·M₁ + t·M₂",
        values=record.t,
        start=T // 2,
        seconds_per_frame=0.12,
        narration=tuple(_narrate(record, t) for t in range(T)),
        panels=(
            Lines(
                title=say("Numerical rank of the mix"),
                y_label="σ > 10⁻¹⁰ σ₁",
                span=4,
                reach=2.0 * r + 1,
                series=(
                    Series(name=say("the mix"), colour="delta", y=record.rank.astype(float), dots=True),
                    Series(name="r", colour="faint", y=np.full(T, float(r)), dash="dash"),
                ),
            ),
            Bars(
                title=say("First {shown} singular values of the mix", shown=shown),
                y_label="σ",
                span=4,
                labels=tuple(str(i + 1) for i in range(shown)),
                groups=(Group(name="σ", colour="delta", values=record.sigma[:, :shown]),),
            ),
            Lines(
                title=say("How far off?"),
                y_label=say("relative"),
                span=4,
                series=(
                    Series(name=say("nearest rank {r}", r=r), colour="delta", y=record.away),
                    Series(name=say("mixed factors"), colour="B", y=record.averaged, dash="dash"),
                    Series(name=say("loss to −(B, A)"), colour="ink", y=record.loss, dash="dot"),
                ),
            ),
            HeatMap(
                title=say("M₁, rank {r}", r=r),
                colour="delta",
                values=record.first,
                limit=limit,
                span=2,
                row=1,
                caption=("t = 0",),
            ),
            HeatMap(
                title=say("M₂, rank {r}", r=r),
                colour="delta",
                values=record.second,
                limit=limit,
                span=2,
                row=1,
                caption=("t = 1",),
            ),
            HeatMap(
                title=say("the mix"),
                colour="delta",
                values=record.mix,
                limit=limit,
                span=2,
                row=1,
                caption=tuple(say("rank {rank}", rank=k) for k in record.rank),
            ),
            HeatMap(
                title=say("nearest rank {r}", r=r),
                colour="ink",
                values=record.nearest,
                limit=limit,
                span=2,
                row=1,
                caption=tuple(say("misses {share}", share=_percent(float(a))) for a in record.away),
            ),
            Readout(
                title=say("Is the set closed under mixing?"),
                span=4,
                row=1,
                rows=(
                    Row(label=say("bound: rank M₁ + rank M₂"), text=(str(min(2 * r, *record.first.shape)),)),
                    Row(
                        label=say("numerical rank of the mix"), text=tuple(str(k) for k in record.rank), colour="delta"
                    ),
                    Row(
                        label=say("mixing A's and B's instead is off by"),
                        text=tuple(_percent(float(a)) for a in record.averaged),
                        colour="B",
                    ),
                    Row(
                        label=say("½‖·‖² from (B, A) to (−B, −A)"),
                        text=tuple(f"{number(float(v))}·‖M₁‖²" for v in record.loss),
                    ),
                ),
            ),
        ),
    )


def _percent(value: float) -> str:
    return "0 %" if value < 1e-12 else f"{number(100 * value)} %"


def _narrate(record: LowRankSet, t: int) -> str:
    at, k = number(round(float(record.t[t]), 6)), int(record.rank[t])
    if t in (0, len(record.t) - 1):
        return say("t = {at}: {name} itself, rank {k}.", at=at, name="M₂" if t else "M₁", k=k)
    return say(
        "t = {at}: the mix has rank {k}; the nearest matrix of rank {r} misses "
        "{away} of it, the mixed factors miss it by {averaged}.",
        at=at,
        k=k,
        r=record.r,
        away=_percent(float(record.away[t])),
        averaged=_percent(float(record.averaged[t])),
    )


def takeaway(record: LowRankSet) -> str:
    """What was seen, in these updates' own numbers."""
    half = len(record.t) // 2
    return say(
        "Between two updates of rank {r} the rank is {rank}: sums of "
        "rank-{r} matrices leave the set, so it is no subspace, and it is not convex. Half-way the nearest "
        "rank-{r} matrix misses {away}, and averaging the factors of two "
        "adapters instead of their products is off by {averaged}. "
        "(B, A) and (−B, −A) give the same update, with a wall of loss "
        "{loss}·‖M₁‖² between them.",
        r=record.r,
        rank=int(record.rank[half]),
        away=_percent(float(record.away[half])),
        averaged=_percent(float(record.averaged[half])),
        loss=number(float(record.loss[half])),
    )


def table(record: LowRankSet) -> dict[str, np.ndarray]:
    """The curves, as columns."""
    return {
        "t": record.t,
        "rank": record.rank,
        "distance_to_rank_r": record.away,
        "mixed_factors_off": record.averaged,
        "loss_to_minus": record.loss,
    }


def plot_low_rank_set(record: LowRankSet, *, theme: str = "light") -> go.Figure:
    """The spectrum along the segment, as a still figure."""
    colour = IDENTITY[theme]
    figure = go.Figure(
        [
            go.Scatter(
                x=record.t,
                y=record.sigma[:, i],
                name=f"σ{i + 1}",
                line={"color": colour["delta" if i < record.r else "B"], "width": 3},
            )
            for i in range(2 * record.r)
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=say("Singular values between two rank-{r} matrices", r=record.r),
            xaxis={"title": "t"},
            yaxis={"title": "σ"},
        )
    )
    return figure
