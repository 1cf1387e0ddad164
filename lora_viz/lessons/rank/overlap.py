"""Overlap: φ(i, j) of the subspaces that adapters of different rank find, beside that of random ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.engine.training import train
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Field, Readout, Row, band
from lora_viz.film.spreads import ranged, readings, spread_columns
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import adapters_diverged, sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "Overlap", "overlap", "overlaps"]

TRUE_RANK = {"spike": 21, "power": 48, "flat": 4}  # how many directions the target has
HIGH, STARTS = 32, range(8)
SAME, UNSURE = 0.8, 0.3  # an overlap in every pair that is the same direction; a range that is no order


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


def overlap(run: Run) -> Overlap:
    """Compare the A of one sweep over two ranks and several init_seeds; pairs never share a seed."""
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
        steps=run.steps, low=low, high=high, d=run.experiment.d_in, phi=first, across=spread(np.stack(across), axis=0),
        seeds=spread(np.stack(same), axis=0),
        sigma=np.linalg.svd(run.task.target_delta, compute_uv=False)[: max(run.experiment.true_rank, 1)],
        pairs=len(pairs), diverged=int((run.diverged_at >= 0).sum()),
    )  # fmt: skip


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
    phi = Field(
        "phi", say("φ(i, j): A of rank {low} (i) against A of rank {high} (j)", low=record.low, high=record.high),
        values=record.phi, x_labels=tuple(str(j + 1) for j in range(record.high)), y_labels=tuple(map(str, i)),
        x_title=say("j strongest of rank {high}", high=record.high),
        y_title=say("i strongest of rank {low}", low=record.low), span=7,
    )  # fmt: skip
    diagonal = Curves(
        "diagonal", say("φ(i, i), median and range of {pairs} pairs", pairs=record.pairs), x=i.astype(float),
        x_label=say("i strongest directions"), y_label=say("overlap (1: the same subspace)"), reach=1.0, span=5,
        series=(
            Curve(
                "across", say("rank {low} against {high}", low=record.low, high=record.high), "A", dots=True,
                **band(record.across),
            ),
            Curve("seeds", say("rank {high}, two seeds", high=record.high), "ink", record.seeds[1], dash="dash"),
            Curve("chance", say("chance, i/{d}", d=record.d), "faint", chance, dash="dot"),
        ),
    )  # fmt: skip
    target = Curves(
        "target", say("The target's singular values"), x=np.arange(1.0, len(record.sigma) + 1), x_label="i",
        y_label="σ", reach=1.0, row=1, span=5,
        series=(Curve("sigma", say("σ of ΔW*"), "ink", record.sigma, dots=True),),
    )  # fmt: skip
    now = Readout(
        "now", say("φ at this step: rank {low} against {high}, different seeds", low=record.low, high=record.high),
        tuple(
            Row(
                f"phi_{k}", say("φ({k}, {k}); chance {chance}", k=k, chance=number(k / record.d)),
                readings(record.across[:, :, k - 1]), colour="A",
            )
            for k in sorted({1, 2, 4, record.low})
            if k <= record.low
        ),
        row=1, span=7,
    )  # fmt: skip
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=1 / 8,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))), panels=(phi, diagonal, target, now),
    )  # fmt: skip


def _narrate(record: Overlap, t: int) -> str:
    if np.isnan(record.across[1, t]).any():
        return say("Step {step}: one A is 0 or has diverged, so it has no directions.", step=record.steps[t])
    return say(
        "Step {step}: overlap of the strongest directions {first} (chance {chance_first}), of the {low} strongest "
        "{all} (chance {chance_all}).",
        step=record.steps[t], first=number(float(record.across[1, t, 0])), low=record.low,
        all=number(float(record.across[1, t, -1])), chance_first=number(1 / record.d),
        chance_all=number(record.low / record.d),
    )  # fmt: skip


@sentences
def takeaway(record: Overlap) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if record.diverged:
        yield adapters_diverged(record.diverged, 2 * record.pairs)
        return
    if np.isnan(record.across[1, -1]).any():
        yield say("An A was 0 to the end, so it has no directions to compare.")
        return
    end = record.across[:, -1]
    yield say(
        "Median (range) of {pairs} pairs with different seeds: φ(1, 1) came to {first} and φ({low}, {low}) to {all}. "
        "Chance is {chance_first} and {chance_all}.",
        pairs=record.pairs, first=ranged(end[:, 0]), low=record.low, all=ranged(end[:, -1]),
        chance_first=number(1 / record.d), chance_all=number(record.low / record.d),
    )  # fmt: skip


@sentences
def detail(record: Overlap) -> Iterator[str]:
    """What the target's singular values say about which overlaps mean something."""
    end, tied = record.across[:, -1], _tied(record)
    if record.diverged or np.isnan(end[1]).any():
        return
    if 1 < tied <= record.low:
        yield say(
            "The {tied} largest singular values of the target are equal, so which of their directions comes first is "
            "arbitrary. Of these overlaps only φ({tied}, {tied}) = {overlap} has a meaning.",
            tied=tied, overlap=ranged(end[:, tied - 1]),
        )  # fmt: skip
    elif len(record.sigma) > 1 and tied == 1:
        yield say(
            "The strongest direction of the target is {strong} times as strong as the next.",
            strong=number(float(record.sigma[0] / record.sigma[1])),
        )
    lowest = int(end[0].argmin())
    if end[0].min() > SAME:
        yield say("In every pair all {low} directions are shared.", low=record.low)
    else:
        yield say(
            "The smallest overlap of any pair was {least}, at φ({i}, {i}).",
            least=number(float(end[0, lowest])), i=lowest + 1,
        )  # fmt: skip


def _tied(record: Overlap) -> int:
    """How many of the target's singular values equal the first."""
    return int(np.sum(record.sigma > record.sigma[0] * (1 - 1e-9)))


def verdict(record: Overlap) -> Verdict:
    """One strongest direction: found by every pair. Equal ones: their block is found, the first of them anywhere."""
    end, tied = record.across[:, -1], _tied(record)
    evidence: dict[str, object] = {"tied": tied, "diverged": record.diverged}
    if record.diverged or np.isnan(end).any():
        return undecided(say("an A has diverged or is 0, so it has no directions"), **evidence)
    first = ranged(end[:, 0])
    evidence |= {"phi_1": tuple(end[:, 0].tolist())}
    if tied == 1:
        if end[0, 0] > SAME:
            return true_here(say("the overlap φ(1, 1) of the strongest directions is {first}", first=first), **evidence)
        return false_here(
            say("not every pair found the strongest direction: φ(1, 1) is {first}", first=first), **evidence
        )
    if tied > record.low:
        return undecided(say("the target has more equal directions than the lower rank can hold"), **evidence)
    block = end[:, tied - 1]
    evidence |= {"phi_tied": tuple(block.tolist())}
    told = {"tied": tied, "block": ranged(block), "first": first}
    if np.ptp(end[:, 0]) < UNSURE:
        return false_here(
            say("the target has {tied} equal directions, but φ(1, 1) is {first} in all pairs", **told), **evidence
        )
    if block[0] > SAME:
        return true_here(
            say("the {tied} equal directions are found together, φ({tied}, {tied}) being {block}, but φ(1, 1) is "
                "{first}", **told),
            **evidence,
        )  # fmt: skip
    return false_here(
        say("not every pair found the {tied} equal directions: φ({tied}, {tied}) is {block}", **told), **evidence
    )


def table(record: Overlap) -> dict[str, np.ndarray]:
    """φ(i, i) at the end, as columns."""
    i = np.arange(1, record.low + 1)
    columns = {"i": i, "chance": i / record.d}
    return columns | spread_columns("ranks", record.across[:, -1]) | spread_columns("seeds", record.seeds[:, -1])


def maths(record: Overlap) -> str:
    """φ in three forms, and its chance."""
    return say(
        r"""
$$
\phi(i, j) = \frac{{\|V_i^\top V_j\|_F^2}}{{\min(i, j)}} = \frac1p \sum_{{k=1}}^{{p}} \cos^2\theta_k = 1 -
\frac{{d^2}}{{p}}, \qquad p = \min(i, j), \quad \mathbb E\,\phi_{{\text{{random}}}} =
\frac{{\max(i, j)}}{{d_\mathrm{{in}}}}
$$

$V_i$ are the $i$ strongest right singular vectors of one ${A}$, $V_j$ those of the other, $\theta_k$ the angles between
the two subspaces, $d$ the projection distance (Hu et al. 2021, §7.2; their appendix G prints $(1 - d^2)/p$, which can
be negative). Chance is not 0: it is {chance} for the {rank} strongest of each, and more for larger $j$. No pair shares
its initial ${A}$, because with the same seed the rows of the lower rank are the first rows of the higher rank and would
overlap before training. Training only adds to the random initial ${A}$, so part of it remains at the end.""",
        chance=number(record.low / record.d), rank=record.low, **LETTERS,
    )  # fmt: skip


def sweep(e: Experiment) -> Sweep:
    """Both ranks from eight starts, on a target with as many directions as its spectrum has."""
    return Sweep.over(replace(e, target_rank=TRUE_RANK[e.spectrum]), rank=(e.rank, HIGH), init_seed=STARTS)


def measure(settings: Settings, lab: Lab) -> Overlap:
    """Train both ranks from every start, and compare."""
    return overlap(lab.train(sweep(settings.experiment), settings.device, records=15))


def _other_target(e: Experiment, _: Any) -> float:
    """φ(1, 1) of low and high rank on a target with other singular values."""
    other = replace(e, spectrum="spike" if e.spectrum == "flat" else "flat")
    return float(overlap(train(sweep(other), records=2)).across[1, -1, 0])


def _ask(seen: Seen, found: Any) -> Measured:
    now = float(shown(seen.film, "diagonal", "across")[-1, 0])
    flat = seen.experiment.spectrum == "flat"
    other = say("one strong direction and twenty a tenth of it") if flat else say("four equally strong directions")
    chance = 1 / seen.experiment.d_in
    told = say("φ(1, 1) came to {found}, median of 8 pairs; chance is {chance}.", found=word(found),
               chance=word(chance))  # fmt: skip
    return Measured(found, (now, 1, chance), told, {"other": other, "now": word(now)})


LESSON = Lesson(
    hero="diagonal",
    id="overlap", menu=to_say("Subspace overlap"),
    title=to_say("Subspace overlap: do low and high rank find the same directions?"),
    claim=to_say(
        "It depends on the target. Both find a direction that is clearly the strongest, but equally strong directions "
        "are found in no particular order."
    ),
    place=74,
    default=Experiment(
        d_in=64, d_out=48, target_rank=4, spectrum="spike", rank=8, alpha=16.0, optimizer="adam", lr=0.02, steps=200
    ),
    controls=(
        Choice(
            id="spectrum", label=to_say("Target's singular values"), options=("spike", "power", "flat"),
            help=to_say("Spike: one strong, twenty of a tenth of it. Power law: σᵢ = 1/i. Flat: four equal ones."),
        ),
        CONTROLS["rank"].only(4, 8, 16),
        CONTROLS["optimizer"].only("sgd", "adam"),
        CONTROLS["lr"].only(0.005, 0.01, 0.02, 0.05),
    ),
    more=tuple(CONTROLS[name] for name in ("alpha", "noise", "steps")), measure=measure, film=film, takeaway=takeaway,
    verdict=verdict, detail=detail, maths=maths, on_paper="diagonal", table=table,
    exports=lambda record, settings, lab: (sweep(settings.experiment),),
    question=Question(
        to_say(
            "Let the target have {other}. What is the overlap φ(1, 1) of the strongest directions of low and high "
            "rank, which is {now} now?"
        ),
        to_say(
            "Both adapters find a direction if it stands out. If several are equally strong, any mixture of them is as "
            "good as another."
        ),
        _ask,
        _other_target,
    ),
)  # fmt: skip
