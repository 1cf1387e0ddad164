"""Subspace: what lies between two matrices of rank r, which has rank 2r."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown
from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.spectra import truncate
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Cloud, Group, HeatMap, Lines, Points, Readout, Row, Series
from lora_viz.film.style import number, numbers, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.matrices import low_rank_factors
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["PART", "LowRankSet", "low_rank_set"]

D_OUT, D_IN, FRAMES = 31, 23, 41
COUNTED = 1e-10


class LowRankSet(NamedTuple):
    """The segment (1 − t)M₁ + t M₂ between two updates M = B A of rank r, t from 0 to 1.

    ``rank`` counts the mix's σ above 1e-10 σ₁, ``away`` is its relative distance to the nearest matrix of rank r.
    ``averaged`` is the relative distance from the mix to the product of the mixed factors,
    ((1 − t)B₁ + t B₂)((1 − t)A₁ + t A₂). ``loss`` is ½‖B A − M₁‖²/‖M₁‖² on the straight way from (B₁, A₁) to
    (−B₁, −A₁), two sets of factors with the same product.

    ``small`` is such a segment between two symmetric 2×2 matrices of rank 1, ``small_nearest`` the nearest of rank 1:
    small enough to be drawn, for all of rank 1 among them make the cone det = 0.
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
    small: Float[np.ndarray, "T 2 2"]
    small_nearest: Float[np.ndarray, "T 2 2"]


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
    small = (1 - s) * _one_direction(seed, 0) + s * _one_direction(seed, 1)
    c = 1 - 2 * s  # from (B, A) to (−B, −A)
    across = (c * B1) @ (c * A1) - first
    return LowRankSet(
        r=r, t=t, rank=(sigma > COUNTED * sigma[:, :1]).sum(axis=1), sigma=sigma,
        away=np.linalg.norm(mix - nearest, axis=(1, 2)) / size,
        averaged=np.linalg.norm(averaged - mix, axis=(1, 2)) / size,
        loss=0.5 * np.sum(across**2, axis=(1, 2)) / np.sum(first**2), first=first, second=second, mix=mix,
        nearest=nearest, small=small, small_nearest=np.stack([truncate(m, 1) for m in small]),
    )  # fmt: skip


def _one_direction(seed: int, which: int) -> Float[np.ndarray, "2 2"]:
    """u uᵀ with ‖u‖ = 1, the second turned by 50° to 90° from the first: far enough apart to see what lies between."""
    first, apart = stream("two directions", seed).uniform((0.0, np.radians(50)), (np.pi, np.radians(90)))
    angle = first + which * apart
    u = np.array([np.cos(angle), np.sin(angle)])
    return np.outer(u, u)


def in_space(matrices: Float[np.ndarray, "*T 2 2"]) -> Float[np.ndarray, "*T 3"]:
    """Symmetric 2×2 matrices as points, at the same distances: det = 0 is the cone x² + y² = z²."""
    a, b, c = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 1]
    return np.stack([(a - c) / np.sqrt(2), np.sqrt(2) * b, (a + c) / np.sqrt(2)], axis=-1)


def _cone(record: LowRankSet) -> Cloud:
    """The matrices of rank 1 as what they are, a cone, and the straight way between two of them, through its inside."""
    turns, heights = np.meshgrid(np.linspace(0, 2 * np.pi, 48, endpoint=False), np.linspace(-1.0, 1.0, 21))
    shell = np.stack([heights * np.cos(turns), heights * np.sin(turns), heights], axis=-1).reshape(-1, 3)
    way, nearest = in_space(record.small), in_space(record.small_nearest)
    ends = way[[0, -1]]
    sigma = np.linalg.svd(record.small, compute_uv=False)
    told = tuple(
        say("σ: {first} and {second}, rank {rank}", first=number(float(a)), second=number(float(b)),
            rank=1 + int(b > COUNTED * a))
        for a, b in np.where(sigma > COUNTED, sigma, 0.0)
    )  # fmt: skip
    return Cloud(
        "cone", say("Symmetric 2×2 matrices: those of rank 1 make a cone, det = 0"), "delta", dimension=3, limit=1.0,
        points=(
            Points("rank_one", say("rank 1 and 0"), "W", shell, style="ring"),
            Points("way", say("the line from M₁ to M₂"), "delta", way),
            Points("ends", say("M₁ and M₂, rank 1"), "ink", ends, style="probe"),
            Points("mix", say("the mix"), "alarm", way[:, None], style="probe"),
            Points("nearest", say("nearest of rank 1"), "clean", np.stack([way, nearest], axis=1), style="ghost"),
        ),
        axes="m", view=(-0.5, 0.3), caption=told, row=2, span=12,
    )  # fmt: skip


def film(record: LowRankSet) -> Film:
    """The playhead walks from M₁ to M₂: rank, spectrum, distance to the set, and the matrices."""
    T, r = len(record.t), record.r
    limit = float(max(np.abs(record.first).max(), np.abs(record.second).max()))
    bars = min(record.sigma.shape[1], 3 * r + 2)
    matrix = partial(HeatMap, limit=limit, span=2, row=1)
    ranks = tuple(say("rank {rank}", rank=k) for k in record.rank)
    misses = tuple(say("misses {share}", share=percent(a)) for a in record.away)
    averaged = tuple(map(percent, record.averaged.tolist()))
    wall = tuple(f"{loss}·‖M₁‖²" for loss in numbers(record.loss))
    return Film(
        axis="t: (1 − t)·M₁ + t·M₂", values=record.t, start=T // 2, seconds_per_frame=0.12,
        narration=tuple(_narrate(record, t) for t in range(T)),
        panels=(
            Lines(
                "rank", say("Numerical rank of the mix"), y_label="σ > 10⁻¹⁰ σ₁", span=4, reach=2.0 * r + 1,
                series=(
                    Series("mix", say("the mix"), "delta", record.rank.astype(float), dots=True),
                    Series("r", "r", "faint", np.full(T, float(r)), dash="dash"),
                ),
            ),
            Bars(
                "singular_values", say("First {shown} singular values of the mix", shown=bars), y_label="σ", span=4,
                labels=tuple(str(i + 1) for i in range(bars)), bar_ids=tuple(f"sigma_{i + 1}" for i in range(bars)),
                groups=(Group("mix", "σ", "delta", record.sigma[:, :bars]),),
            ),
            Lines(
                "off", say("Distances and loss"), y_label=say("relative"), span=4,
                series=(
                    Series("nearest", say("nearest rank {r}", r=r), "delta", record.away),
                    Series("mixed_factors", say("mixed factors"), "B", record.averaged, dash="dash"),
                    Series("loss", say("loss, straight to −(B, A)"), "ink", record.loss, dash="dot"),
                ),
            ),
            matrix("first", say("M₁, rank {r}", r=r), "delta", record.first, caption=("t = 0",)),
            matrix("second", say("M₂, rank {r}", r=r), "delta", record.second, caption=("t = 1",)),
            matrix("mix", say("the mix"), "delta", record.mix, caption=ranks),
            matrix("nearest", say("nearest rank {r}", r=r), "ink", record.nearest, caption=misses),
            Readout(
                "closed", say("Is the set closed under mixing?"),
                (
                    Row("bound", say("bound: rank M₁ + rank M₂"), (str(min(2 * r, *record.first.shape)),)),
                    Row("rank", say("numerical rank of the mix"), tuple(str(k) for k in record.rank), colour="delta"),
                    Row("mixed_factors", say("error of mixing the factors instead"), averaged, colour="B"),
                    Row("loss", say("½‖·‖², straight from (B, A) to (−B, −A)"), wall),
                ),
                span=4, row=1,
            ),
            _cone(record),
        ),
    )  # fmt: skip


def _narrate(record: LowRankSet, t: int) -> str:
    at, k = number(round(float(record.t[t]), 6)), int(record.rank[t])
    if t in (0, len(record.t) - 1):
        return say("t = {at}: {name} itself, rank {k}.", at=at, name="M₂" if t else "M₁", k=k)
    return say(
        "t = {at}: the mix has rank {k}; the nearest rank-{r} matrix misses {away}, the mixed factors {averaged}.",
        at=at, k=k, r=record.r, away=percent(float(record.away[t])), averaged=percent(float(record.averaged[t])),
    )  # fmt: skip


def takeaway(record: LowRankSet) -> str:
    """What was seen, in these updates' own numbers."""
    half = len(record.t) // 2
    return say(
        "Between two updates of rank {r} the rank is {rank}, so the set of low-rank matrices is not a subspace. "
        "Halfway, "
        "the nearest rank-{r} matrix misses {away}. Averaging the factors instead of the products is off by "
        "{averaged}.",
        r=record.r, rank=int(record.rank[half]), away=percent(float(record.away[half])),
        averaged=percent(float(record.averaged[half])),
    )  # fmt: skip


def detail(record: LowRankSet) -> str:
    """Two sets of factors with one product: what lies between them."""
    loss = number(float(record.loss[len(record.t) // 2]))
    joined = (
        say("A rotation of the factors, however, joins them without any loss, because r is even.")
        if record.r % 2 == 0
        else say("A rotation of the factors does not join them, because r is odd.")
    )
    return (
        say(
            "(B, A) and (−B, −A) give the same update. On the straight line between them the loss rises to "
            "{loss}·‖M₁‖².",
            loss=loss,
        )
        + f" {joined}"
    )


def verdict(record: LowRankSet) -> Verdict:
    """Every mix between the ends has rank 2r, the ends have rank r."""
    ends, between = record.rank[[0, -1]], record.rank[1:-1]
    evidence = {"ends": tuple(ends.tolist()), "between": (int(between.min()), int(between.max()))}
    told = {"r": record.r, "between": int(between.min()), "twice": 2 * record.r}
    if (ends == record.r).all() and (between == 2 * record.r).all():
        return true_here(
            say("the end points have rank {r}, all points between them rank {between}", **told), **evidence
        )
    return false_here(say("between the end points the rank is as low as {between}", **told), **evidence)


def maths(record: LowRankSet) -> str:
    """How many numbers the set of rank r takes, and what mixing does half-way here."""
    r, half, (d_out, d_in) = record.r, len(record.t) // 2, record.first.shape
    return say(
        r"""
$$
\mathrm{{rank}}(M_1 + M_2) \le \mathrm{{rank}}\,M_1 + \mathrm{{rank}}\,M_2, \qquad
\dim\{{X : \mathrm{{rank}}\,X = r\}} = r(d_\mathrm{{out}} + d_\mathrm{{in}}) - r^2 = {free}
\ \text{{of}}\ {entries}
$$

The updates of one *fixed* column space form a subspace. Those of rank at most $r$ form a curved set that contains many
such subspaces. The loss as a function of $(B, A)$ is not convex: $(B, A)$ and $(-B, -A)$ are equally good, and halfway
on the straight line, at 0, the loss is {loss}·$\|M_1\|^2$. That is not a barrier on every path: $(BQ, Q^\top A)$ with a
rotation $Q$ has the same product, and if $r$ is even, $-I$ is a rotation. Two adapters are added as *products*:
averaging their factors is off by {averaged} here. Stacking, $[B_1\ B_2]\,[A_1; A_2]$, is exact, with rank
{sum_rank}.""",
        free=r * (d_out + d_in) - r * r, entries=d_out * d_in, loss=number(float(record.loss[half])),
        averaged=percent(float(record.averaged[half])), sum_rank=2 * r,
    )  # fmt: skip


def measure(settings: Settings, _: Lab) -> LowRankSet:
    """Walk between two updates of this rank."""
    return low_rank_set(settings["rank"], settings["seed"])


def _ask(seen: Seen, _: None) -> Measured:
    one, two = (shown(seen.film, panel) for panel in ("first", "second"))
    r = int(np.linalg.matrix_rank(one))
    u, s, _vt = np.linalg.svd(one)
    rows = np.linalg.svd(two)[2][:r]
    total = int(np.linalg.matrix_rank(one + (u[:, :r] * s[:r]) @ rows))
    told = say(
        "Their sum had numerical rank {total}: with the same column space, the rows are simply added.", total=total
    )
    return Measured(total, (2 * r, 3 * r, min(one.shape)), told, {"r": r})


PART = Lesson(
    hero="cone",
    id="subspace", menu=to_say("Is low rank a subspace?"), title=to_say("Is low rank a subspace?"),
    claim=to_say(
        "No. Two updates of rank r sum, in general, to rank 2r. On the line between them only the end points have "
        "rank r."
    ),
    place=60, default=Experiment(rank=3), controls=(CONTROLS["rank"].only(1, 2, 3, 4, 6),), measure=measure, film=film,
    takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="rank", trains=False,
    question=Question(
        to_say(
            "Add to M₁, of rank {r}, a matrix of rank {r} with the same column space but the row space of M₂. What is "
            "the rank of the sum?"
        ),
        to_say("Ranks add up only if neither the columns nor the rows are shared; one shared side prevents it."), _ask,
    ),
)  # fmt: skip
