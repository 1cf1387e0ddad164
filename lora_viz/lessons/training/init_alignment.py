"""The direction of each initialisation's first update: its cosine with −G, and the most it could be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Dash, Group, HeatMap, Lines, Readout, Row, Series, band
from lora_viz.film.style import LETTERS, number, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import Ours
from lora_viz.layer import starts
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["PART", "RANKS", "STARTS", "InitAlignment", "alignment_sweep", "init_alignment"]

RANKS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
TOLD_AT = 8  # the rank of which words tell
SHORT, ALL = 0.9, 0.99  # of the bound: what falls short of it, and what reaches it
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
        ranks=np.array(ranks), cosine=spread(whole, axis=-1), bound=bound, rank=rank,
        expected=np.sqrt(np.array(ranks) / (np.array(ranks) + G.shape[1] + 1.0)),
        G=G / (np.linalg.norm(G) or 1.0), updates=updates, inits=inits, rival=rival,
        seeds=seeds,
    )  # fmt: skip


def film(record: InitAlignment) -> Film:
    """The playhead runs over the ranks: bars under their bounds, the curves, −G and two first updates."""
    rival = say(STARTS[record.rival][0])
    limit = float(np.abs(record.G).max()) or 1.0
    own, at = record.inits.index("B_zero"), record.inits.index(record.rival)

    def alike(i: int) -> tuple[str, ...]:
        return tuple(say("cosine {cosine}", cosine=number(c)) for c in record.cosine[1, i])

    return Film(
        axis=to_say("rank"), of_last=True, values=record.ranks.astype(float),
        start=int(np.argmin(np.abs(record.ranks - 8))), seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t) for t in range(len(record.ranks))),
        panels=(
            Bars(
                "cosines", say("How far along −G does the first update point?"),
                labels=tuple(say(STARTS[name][1]) for name in record.inits),
                bar_ids=tuple(name.lower() for name in record.inits), y_label=say("cosine with −G, median"), span=7,
                groups=(
                    Group("measured", say("measured"), "delta", record.cosine[1].T),
                    Group("bound", say("maximum at this rank"), "ink", record.bound.T, outline=True),
                ),
            ),
            Lines(
                "cosine_by_rank", say("Against rank (drag here)"), y_label=say("cosine with −G"), x_scale="log", span=5,
                series=(
                    *(
                        Series(
                            name.lower(), say(STARTS[name][1]), STARTS[name][2], dash=STARTS[name][3],
                            **band(record.cosine[:, i]),
                        )
                        for i, name in enumerate(record.inits)
                        if name in ("B_zero", "A_zero", record.rival)
                    ),
                    Series("expected", "√(r/(r+d+1))", "ink", record.expected, dash="dot"),
                    Series("bound", say("maximum, rank r"), "faint", record.bound[own], dash="dash"),
                ),
            ),
            HeatMap("minus_g", "−G", "W", -record.G, limit=limit, hatched=True, row=1, span=3),
            HeatMap(
                "lora_update", say("LoRA's first update"), "delta", record.updates[0], limit=limit, caption=alike(own),
                row=1, span=3,
            ),
            HeatMap(
                "rival_update", say("{rival}: first update", rival=rival), "delta", record.updates[1], limit=limit,
                caption=alike(at), row=1, span=3,
            ),
            Readout(
                "numerical_rank", say("Its numerical rank"),
                tuple(
                    Row(name.lower(), say(STARTS[name][0]), tuple(str(r) for r in record.rank[i]))
                    for i, name in enumerate(record.inits)
                    if name in ("B_zero", "A_zero", "orthogonal", "pissa", "eva", "lora_ga")
                ),
                row=1, span=3,
            ),
        ),
    )  # fmt: skip


def _narrate(record: InitAlignment, t: int) -> str:
    best = int(np.nanargmax(record.cosine[1, :, t])) if np.isfinite(record.cosine[1, :, t]).any() else 0
    own = record.inits.index("B_zero")
    return say(
        "Rank {rank}: cosine with −G, LoRA {cosine} (maximum for this rank {bound}), best {start}, {most}.",
        rank=record.ranks[t], cosine=number(record.cosine[1, own, t]), bound=number(record.bound[own, t]),
        start=say(STARTS[record.inits[best]][0]), most=number(record.cosine[1, best, t]),
    )  # fmt: skip


def _told_at(record: InitAlignment) -> int:
    return int(np.argmin(np.abs(record.ranks - TOLD_AT)))


@sentences
def takeaway(record: InitAlignment) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    t = _told_at(record)
    own, at = record.inits.index("B_zero"), record.inits.index(record.rival)
    yield say(
        "At rank {rank}, LoRA's first update has cosine {cosine} with −G; the maximum for this rank is {bound}.",
        rank=record.ranks[t], cosine=number(record.cosine[1, own, t]), bound=number(record.bound[own, t]),
    )  # fmt: skip
    yield say(
        "{start} has {cosine} (maximum {bound}), with an update of rank {own_rank}.",
        start=_capital(say(STARTS[record.rival][0])), cosine=number(record.cosine[1, at, t]),
        bound=number(record.bound[at, t]), own_rank=record.rank[at, t],
    )  # fmt: skip


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


@sentences
def detail(record: InitAlignment) -> Iterator[str]:
    """The spread over seeds, and what a first step does not say."""
    low, _, high = (number(x) for x in record.cosine[:, record.inits.index("B_zero"), _told_at(record)])
    if low != high:
        yield say(
            "Over {seeds} seeds, LoRA's cosine lies between {low} and {high}.", seeds=record.seeds, low=low, high=high
        )
    yield say("The direction of the first step does not say how training continues.")


def verdict(record: InitAlignment, settings: Settings) -> Verdict:
    """A random A falls short of its bound, and LoRA-GA reaches its own at every rank."""
    t, own, ga = _told_at(record), record.inits.index("B_zero"), record.inits.index("lora_ga")
    random = float(record.cosine[1, own, t] / record.bound[own, t])
    reached = float((record.cosine[1, ga] / record.bound[ga]).min())
    evidence = {"random": random, "lora_ga": reached}
    if not np.isfinite([random, reached]).all():
        return undecided(say("no first step was taken"), **evidence)
    told = say(
        "at rank {rank} LoRA's cosine is {random} of its maximum, and LoRA-GA's is at least {reached} of its own at "
        "every rank",
        rank=record.ranks[t], random=percent(random), reached=percent(reached),
    )  # fmt: skip
    if settings.experiment.optimizer != "sgd":
        return false_here(say("the optimiser is Adam; {told}", told=told), **evidence)
    return true_here(told, **evidence) if random < SHORT and reached > ALL else false_here(told, **evidence)


def table(record: InitAlignment) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    columns: dict[str, np.ndarray] = {"rank": record.ranks}
    for i, name in enumerate(record.inits):
        columns |= {f"cosine_{name}": record.cosine[1, i], f"bound_{name}": record.bound[i]}
    return columns


def maths(record: InitAlignment) -> str:
    """The most that a rank allows, and what a random A sees of the gradient."""
    rival, t = starts.STARTS[record.rival], list(record.ranks).index(8)
    return say(
        r"""
$$
\cos({dW}_1, -{G}) \le \sqrt{{\frac{{\sum_{{i \le k}} \sigma_i({G})^2}}{{\sum_i \sigma_i({G})^2}}}}, \qquad
k = \mathrm{{rank}}\,A_0 + \mathrm{{rank}}\,B_0: \ r \text{{ if one is 0}}
$$

With SGD from ${A}$ random and $B = 0$ the first update is ${dW}_1 = -\eta s^2\,{G}{A}^\top{A}$: ${G}$ seen through the
rows of ${A}$. For a ${G}$ without preferred directions its cosine is about $\sqrt{{r/(r+d+1)}}$, at rank 8 here
{expected}. **{label}**: ${rule}$ ({source}).

LoRA-GA takes ${G}$'s own singular vectors, the first $r$ for $A$ and the next $r$ for $B$, and with SGD reaches the
bound of rank $2r$. EVA takes the inputs' main directions, which helps if the inputs have some (try condition number
1).""",
        **LETTERS, expected=number(record.expected[t]), label=say(rival.label), rule=Ours(rival.rule),
        source=say(rival.source),
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> InitAlignment:
    """Take one step from every start at every rank."""
    e = settings.experiment
    return init_alignment(lab.train(alignment_sweep(e, RANKS), settings.device, records=2), e.init)


def _ask(seen: Seen, _: Any) -> Measured:
    rank, cosine = seen.film.values, shown(seen.film, "cosine_by_rank", "b_zero")
    d = seen.experiment.d_in
    at = first_place(cosine >= 0.5)
    told = say(
        "At rank {rank} the median cosine was {cosine}. √(r/(r + d + 1)) is ½ at r = (d + 1)/3 = {law}.",
        rank=int(rank[at]), cosine=word(cosine[at]), law=word((d + 1) / 3),
    )  # fmt: skip
    return Measured(int(rank[at]), (d // 16, d // 2, seen.experiment.d_out), told)


PART = Lesson(
    hero="cosines",
    id="init_alignment", menu=to_say("Initialisation: first step"),
    title=to_say("Initialisation: which way does the first step point?"),
    claim=to_say(
        "A random A sees a random part of the gradient. With SGD, LoRA-GA, computed from it, aligns the first step as "
        "well as rank allows."
    ),
    place=30,
    default=Experiment(
        task="full_rank", d_in=64, d_out=48, samples=256, condition=10.0, rank=1, alpha=16.0, optimizer="sgd",
        lr=0.0001, init="lora_ga",
    ),
    controls=(
        replace(
            CONTROLS["init"].only(*(name for name in STARTS if name != "B_zero")),
            label=to_say("Compare LoRA's default with"),
            help=to_say("The initialisation whose first update is plotted next to that of LoRA's default."),
        ),
        CONTROLS["spectrum"], CONTROLS["condition"], CONTROLS["optimizer"].only("sgd", "adam"),
    ),
    more=(CONTROLS["noise"],),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="cosine_by_rank", table=table,
    exports=lambda record, settings, lab: (alignment_sweep(settings.experiment, RANKS),),
    question=Question(
        to_say(
            "With LoRA's default initialisation, what is the first of the ranks shown whose first update has a cosine "
            "of at least ½ with −G?"
        ),
        to_say("A random A of rank r sees a projection of G, and a cosine is a square root, so ½ takes about a third "
               "of d."),
        _ask,
    ),
)  # fmt: skip
