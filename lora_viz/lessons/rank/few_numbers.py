"""Few numbers: few knobs, few non-zeros and low rank are three things, one spectrum each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.film.film import Film
from lora_viz.film.panels import Dash, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.style import number, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.matrices import low_rank_factors
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["KNOBS", "PART", "FewNumbers", "few_numbers"]

D = 64
KINDS = ("one_knob", "ten_knobs", "sparse", "rank_1")
NAMES = ("c·I", to_say("10 parameters"), to_say("sparse"), to_say("rank 1"))
COLOURS = ("ink", "W", "clean", "delta")
DASHES: tuple[Dash, ...] = ("dash", "dot", "dashdot", "solid")
TITLES = (
    to_say("one parameter: c·I"),
    to_say("10 parameters: Σ cⱼ Mⱼ"),
    to_say("sparse: {share} % non-zero"),
    to_say("rank 1: b aᵀ"),
)
KNOBS = 10
COUNTED = 1e-10
HIGH = 1 / 3  # of all directions


class FewNumbers(NamedTuple):
    """Four d×d updates that are small in four senses: one knob, ten knobs, few non-zeros, rank 1.

    ``knobs`` counts the numbers that were free, ``nonzeros`` the entries that are not 0, ``rank`` the σ above
    1e-10 σ₁. ``error`` is the relative error of the best matrix of rank 1, …, d, ``sigma`` is in units of σ₁.
    """

    d: int
    share: float
    updates: Float[np.ndarray, "4 d d"]
    knobs: tuple[int, ...]
    nonzeros: tuple[int, ...]
    rank: tuple[int, ...]
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
    return FewNumbers(
        d=d, share=share, updates=updates, knobs=(1, KNOBS, len(filled), 2 * d - 1),
        nonzeros=tuple(int((u != 0).sum()) for u in updates),
        rank=tuple(int((s > COUNTED * s[0]).sum()) for s in sigma),
        sigma=sigma / sigma[:, :1], error=np.sqrt(tail / energy[:, :1]), kept=np.arange(1, d + 1),
    )  # fmt: skip


def film(record: FewNumbers) -> Film:
    """The playhead is the rank that is allowed: what of each update remains out of reach, and its spectrum."""
    series = [
        tuple(
            Series(kind, say(name), colour, y, dash=dash)
            for kind, name, colour, dash, y in zip(KINDS, NAMES, COLOURS, DASHES, curves, strict=True)
        )
        for curves in (record.error, record.sigma)
    ]
    maps = [
        HeatMap(
            kind, say(title, share=number(100 * record.share)), colour, update, limit=float(np.abs(update).max()),
            span=2, row=1, caption=(say("{rank} of {d} directions", rank=rank, d=record.d),),
        )
        for kind, title, colour, update, rank in zip(KINDS, TITLES, COLOURS, record.updates, record.rank, strict=True)
    ]  # fmt: skip
    counted = zip(record.knobs, record.nonzeros, record.rank, strict=True)
    rows = tuple(
        Row(kind, say(name), (" · ".join(map(str, three)),), colour=colour)
        for kind, name, colour, three in zip(KINDS, NAMES, COLOURS, counted, strict=True)
    )
    return Film(
        axis=to_say("rank k"), values=record.kept.astype(float), start=7, seconds_per_frame=0.2,
        narration=tuple(_narrate(record, t) for t in range(record.d)),
        panels=(
            Lines(
                "error", say("Error of the best matrix of rank k (drag here)"), y_label=say("relative error"), span=6,
                reach=1.0, series=series[0],
            ),
            Lines("singular_values", say("Singular values σₖ"), y_label="σₖ/σ₁", span=6, reach=1.0, series=series[1]),
            *maps,
            Readout("counted", say("Free parameters · non-zeros · numerical rank"), rows, span=4, row=1),
        ),
    )  # fmt: skip


def _narrate(record: FewNumbers, t: int) -> str:
    one, ten, sparse, low = (percent(e) for e in record.error[:, t])
    return say(
        "Optimal rank-{k} matrices miss {one} of c·I, {ten} of {knobs} parameters, {sparse} of sparse, {low} of "
        "rank 1.",
        k=int(record.kept[t]), one=one, ten=ten, knobs=KNOBS, sparse=sparse, low=low,
    )  # fmt: skip


def takeaway(record: FewNumbers) -> str:
    """What was seen, in these updates' own numbers."""
    at = min(8, record.d) - 1
    k = int(record.kept[at])
    one, ten, sparse, low = (percent(e) for e in record.error[:, at])
    return say(
        "The best rank-{k} matrix misses {one} of c·I, which has one free parameter, {ten} of the update with {knobs} "
        "and {sparse} of the sparse one ({filled} non-zeros, rank {rank}). Of the dense rank-1 update it misses {low}.",
        k=k, one=one, knobs=KNOBS, ten=ten, filled=record.nonzeros[2], sparse=sparse, rank=record.rank[2], low=low,
    )  # fmt: skip


def detail(record: FewNumbers) -> str:
    """Three different things."""
    return say(
        "The rank-1 update has {free} free parameters and no zero among its {nonzeros} entries. Few degrees of "
        "freedom, few non-zeros and low rank are three different things.",
        free=record.knobs[3], nonzeros=record.nonzeros[3],
    )  # fmt: skip


def verdict(record: FewNumbers) -> Verdict:
    """c·I has full rank, the sparse update a third of it at least, and the dense one rank 1."""
    full, sparse, low = (record.rank[i] for i in (0, 2, 3))
    evidence = {"identity": full, "sparse": sparse, "dense": low, "nonzeros": record.nonzeros[2]}
    told = {"d": record.d, "sparse": sparse, "filled": record.nonzeros[2]}
    if full == record.d and sparse >= HIGH * record.d and low == 1:
        return true_here(
            say("c·I has rank {d}, {filled} non-zeros have rank {sparse}, and the dense update has rank 1", **told),
            **evidence,
        )
    return false_here(say("{filled} non-zeros have rank {sparse} of {d}", **told), **evidence)


def maths(record: FewNumbers) -> str:
    """What rank k misses of c·I, and of the others here."""
    return say(
        r"""
$$
\min_{{\mathrm{{rank}}\,X \le k}} \frac{{\|c\,I - X\|_F}}{{\|c\,I\|_F}} = \sqrt{{1 - k/d}}, \qquad
k = 8,\ d = {d}:\ {one}
$$

*Low-dimensional* (few free parameters in weight space: intrinsic dimension, Li et al. 2018), *sparse* (few non-zeros:
lottery tickets, Frankle & Carbin 2019) and *low rank* (few directions of input and output: LoRA) are different kinds
of small. A task that needs few free parameters need not have a low-rank update: $\sum_j c_j M_j$ is sure to have low
rank only if the columns of the $M_j$ together span few dimensions, or the rows do. At $k = 8$ the error is {ten} for
the update with {knobs} parameters and {sparse} for the sparse one.""",
        d=record.d, one=number(float(record.error[0, 7])), knobs=record.knobs[1],
        ten=percent(float(record.error[1, 7])), sparse=percent(float(record.error[2, 7])),
    )  # fmt: skip


def measure(settings: Settings, _: Lab) -> FewNumbers:
    """Draw the four updates."""
    return few_numbers(D, float(settings["filled"].split()[0]) / 100, settings["seed"])


def _ask(seen: Seen, _: Any) -> Measured:
    error = shown(seen.film, "error", "one_knob")
    k, d = int(seen.film.values[first_place(error <= 0.1)]), int(seen.film.values[-1])
    told = say(
        "At rank {k} the error is {left}, at rank {before} it is {more}.",
        k=k, left=word(error[k - 1]), before=k - 1, more=word(error[k - 2]),
    )  # fmt: skip
    return Measured(k, (1, round(0.1 * d), round(0.9 * d)), told, {"d": d})


PART = Lesson(
    hero="singular_values",
    id="few_numbers", menu=to_say("Few parameters"),
    title=to_say("Few parameters: do they make an update low-rank?"),
    claim=to_say(
        "No. c·I has one free parameter and full rank. A few scattered non-zero entries give a high rank. A dense "
        "matrix can have rank 1."
    ),
    place=70, default=Experiment(),
    controls=(
        Choice(
            id="filled", label=to_say("Density of the sparse update"), options=("1 %", "5 %", "20 %"),
            help=to_say("The fraction of its entries that are not 0."), default="5 %",
        ),
    ),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="error",
    trains=False,
    question=Question(
        to_say("c·I has one free parameter, {d}×{d}. What rank does a matrix need to miss at most 10 % of it?"),
        to_say("All directions are equally strong, and the error is the root of the fraction of them that is "
            "missing."), _ask,
    ),
)  # fmt: skip
