"""Two adapters on one base: switched, mixed, added, weighted; and averaged in the wrong place."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import ranks
from lora_viz.export.scripts.digits import pair_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Field, Lines, Readout, Row, Series, band
from lora_viz.film.style import amount, number, percent, tint, to_a_tenth
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.networks.adapter_pair import adapt_pair
from lora_viz.networks.digits import PairExperiment, PairRun

__all__ = ["PART", "AdaptersTogether", "adapters_together"]

LOST = 0.9  # of an adapter's own accuracy: what is below it is not mastered any more
FAR = 0.1  # of the mixed update: what averaged factors miss at least
Dash = Literal["solid", "dash", "dot", "dashdot"]


class AdaptersTogether(NamedTuple):
    """Accuracies are (low, median, high) over the members, on the first's, the second's and the upright digits.

    ``mixed`` and ``averaged`` run over the weight w of the second; ``worse`` is the median of the worse of both tasks
    at the grid's weights (v, w), ``added`` the accuracies of W + ΔW₁ + ΔW₂. ``sigma`` are the singular values of the
    mixed ΔW of the first layer in the first member, ``numerical`` their numerical rank (σ > 10⁻⁶ σ₁), ``sum_rank``
    that of ΔW₁ + ΔW₂. ``off`` is how far averaged factors are from the mixed ΔW, relative to it. ``chance`` is the
    overlap expected of random subspaces, r/d.
    """

    second: str
    rank: int
    weight: Float[np.ndarray, "T"]
    mixed: Float[np.ndarray, "3 T 3"]
    averaged: Float[np.ndarray, "3 T 3"]
    off: Float[np.ndarray, "3 T"]
    base: Float[np.ndarray, "3 3"]
    added: Float[np.ndarray, "3 3"]
    grid_weight: Float[np.ndarray, "V"]
    worse: Float[np.ndarray, "V V"]
    sigma: Float[np.ndarray, "T k"]
    numerical: tuple[int, ...]
    sum_rank: int
    inputs: float
    outputs: float
    chance: float
    reach: Float[np.ndarray, "2"]
    members: int


def adapters_together(run: PairRun) -> AdaptersTogether:
    """Medians and ranges over the members, and the spectrum of the mixture."""
    e = run.experiment
    delta = run.scaling * run.B @ run.A
    w = run.weight[:, None, None]
    sigma = np.linalg.svd((1 - w) * delta[0] + w * delta[1], compute_uv=False)
    together = np.linalg.svd(delta.sum(axis=0), compute_uv=False)
    one = int(np.argmin(np.abs(run.grid_weight - 1)))
    return AdaptersTogether(
        second=e.second,
        rank=e.rank,
        weight=run.weight,
        mixed=spread(run.mixed, axis=-1, worst="least"),
        averaged=spread(run.averaged, axis=-1, worst="least"),
        off=spread(np.nan_to_num(run.difference), axis=-1),
        base=spread(run.base, axis=-1, worst="least"),
        added=spread(run.grid[one, one], axis=-1, worst="least"),
        grid_weight=run.grid_weight,
        worse=np.median(run.grid[:, :, :2].min(axis=2), axis=-1),
        sigma=sigma[:, : 2 * e.rank + 2],
        numerical=tuple(ranks(s, bound=2 * e.rank).numerical for s in sigma),
        sum_rank=ranks(together, bound=2 * e.rank).numerical,
        inputs=float(np.median(run.inputs)),
        outputs=float(np.median(run.outputs)),
        chance=e.rank / run.A.shape[2],
        reach=np.median(run.reach, axis=1),
        members=run.mixed.shape[-1],
    )


def film(record: AdaptersTogether) -> Film:
    """The playhead runs over the weight of the second adapter: from the first alone to the second alone."""
    frames = len(record.weight)
    looks: tuple[tuple[str, str, str, Dash], ...] = (
        ("first", say(ON[FIRST]), "delta", "solid"), ("second", _on_second(record), "delta", "dash"),
        ("upright", say("on upright"), "clean", "dot"),
    )  # fmt: skip

    def tasks(values: Float[np.ndarray, "3 T 3"], count: int) -> tuple[Series, ...]:
        """The accuracies on the first tasks."""
        return tuple(
            Series(part, name, colour, dash=dash, **band(values[:, :, i]))
            for i, (part, name, colour, dash) in enumerate(looks[:count])
        )

    kept = np.where(record.sigma > 1e-6 * record.sigma[:, :1], record.sigma, np.nan)
    labels = tuple(f"{v:g}" for v in record.grid_weight)
    one = int(np.argmin(np.abs(record.grid_weight - 1)))
    return Film(
        axis=to_say("weight of the second"), values=record.weight, start=frames // 2, seconds_per_frame=0.3,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            Lines("mixed", say("Mixed: W + (1−w) ΔW₁ + w ΔW₂"),
                  y_label=say("accuracy, {members} networks", members=record.members), reach=1.0, span=5,
                  series=tasks(record.mixed, 3)),
            Lines("averaged", say("Wrong: factors A and B averaged"), y_label=say("fraction"), reach=1.0, span=4,
                  series=(*tasks(record.averaged, 2),
                          Series("off", say("error of ΔW"), "alarm", dash="dash", **band(record.off)))),
            Readout("overlap", say("Do they share directions?"),
                    (Row("inputs", say("inputs (rows of A)"), (number(record.inputs),), colour="A"),
                     Row("outputs", say("outputs (columns of B)"), (number(record.outputs),), colour="B"),
                     Row("random", say("random subspaces"), (number(record.chance),)),
                     Row("push_first", say("effect of the other: 1st"), (_times(record.reach[0]),)),
                     Row("push_second", say("2nd"), (_times(record.reach[1]),))), span=3),
            Field("worse", say("The worse of both tasks, at any two weights"), values=record.worse, x_labels=labels,
                  y_labels=labels, x_title=say("weight of the second ({change})", change=_second(record)),
                  y_title=say("weight of the first ({change})", change=say(FIRST)), chosen=(one, one),
                  caption=(say("outlined: both added"),), span=5, row=1),
            Curves("singular_values", say("Singular values of the mixed ΔW₁"),
                   x=np.arange(1, record.sigma.shape[1] + 1, dtype=float), x_label="i",
                   y_label=say("σᵢ, first network"), span=4, row=1,
                   series=(Curve("mixed", say("mixed"), "delta", kept, dots=True),)),
            Readout("ranks", say("Ranks add up"),
                    (Row("bound", say("bound r of each"), (str(record.rank),)),
                     Row("mixed", say("numerical, mixed"), tuple(str(n) for n in record.numerical), colour="delta"),
                     Row("added", say("numerical, added"), (str(record.sum_rank),), colour="delta"),
                     Row("added_first", say("both added: 1st task"), (to_a_tenth(record.added[1, 0]),)),
                     Row("added_second", say("2nd task"), (to_a_tenth(record.added[1, 1]),))), span=3, row=1),
        ),
    )  # fmt: skip


FIRST = "rotated"
ON = {
    "rotated": to_say("on rotated"),
    "relabelled": to_say("on relabelled"),
    "permuted": to_say("on permuted"),
    "inverted": to_say("on inverted"),
}


def _second(record: AdaptersTogether) -> str:
    return say(record.second) if record.second != FIRST else say("rotated (2)")


def _on_second(record: AdaptersTogether) -> str:
    return say(ON[record.second]) if record.second != FIRST else say("on rotated (2)")


def _times(value: float) -> str:
    return "—" if np.isnan(value) else f"{amount(float(value))}×"


def _narrate(record: AdaptersTogether, t: int) -> str:
    now, wrong = record.mixed[1, t], record.averaged[1, t]
    return say(
        "w = {w:.2g}: correct on the first task {first}, on the second {second}; with averaged factors {wrong_first} "
        "and {wrong_second}.",
        w=float(record.weight[t]), first=to_a_tenth(now[0]), second=to_a_tenth(now[1]),
        wrong_first=to_a_tenth(wrong[0]),
        wrong_second=to_a_tenth(wrong[1]),
    )  # fmt: skip


@sentences
def takeaway(record: AdaptersTogether) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if not np.isfinite(record.mixed).all():
        yield say("An adapter's outputs are not finite: lower the learning rate.")
        return
    yield say(
        "Alone, the adapters recognise {first} and {second} of their own digits; added, {both_first} and "
        "{both_second}.",
        first=to_a_tenth(record.mixed[1, 0, 0]), second=to_a_tenth(record.mixed[1, -1, 1]),
        both_first=to_a_tenth(record.added[1, 0]), both_second=to_a_tenth(record.added[1, 1]),
    )  # fmt: skip
    if record.sum_rank:
        yield say(
            "The sum of two updates of rank {rank} has numerical rank {sum_rank}.", rank=record.rank,
            sum_rank=record.sum_rank,
        )  # fmt: skip
        yield say(
            "With averaged factors ΔW is off by {off} (w = 0.5).",
            off=percent(float(record.off[1, len(record.weight) // 2])),
        )


@sentences
def detail(record: AdaptersTogether) -> Iterator[str]:
    """The best two weights, the base that comes back, and what overlap does not say."""
    if not np.isfinite(record.mixed).all():
        return
    best = np.unravel_index(int(np.argmax(record.worse)), record.worse.shape)
    v, w = (float(record.grid_weight[i]) for i in best)
    yield say(
        "At the best two weights tried ({v:g} and {w:g}), the worse of both tasks has {worse} (medians of {members} "
        "networks). With both adapters off, the base recognises {base} of the upright digits, as before.",
        v=v, w=w, worse=to_a_tenth(float(record.worse[best])), members=record.members,
        base=to_a_tenth(record.base[1, 2]),
    )  # fmt: skip
    if record.second != FIRST and record.inputs < 3 * record.chance and np.isfinite(record.reach[0]):
        yield say(
            "Subspace overlap gives no warning here: the input subspaces share {inputs} (random ones {chance}), yet "
            "the second adapter changes the response to the first task's images {reach} as strongly as their own "
            "adapter does.",
            inputs=number(record.inputs), chance=number(record.chance), reach=_times(record.reach[0]),
        )  # fmt: skip


def verdict(record: AdaptersTogether) -> Verdict:
    """The ranks of the updates add up, a task is lost in the sum, and averaged factors are another update."""
    middle = len(record.weight) // 2
    alone = np.array([record.mixed[1, 0, 0], record.mixed[1, -1, 1]])
    left, off = record.added[1, :2] / np.maximum(alone, 1e-9), float(record.off[1, middle])
    evidence = {"sum_rank": record.sum_rank, "rank": record.rank, "left": float(left.min()), "off": off}
    if not (np.isfinite(record.mixed).all() and np.isfinite(left).all()):
        return undecided(say("an adapter diverged"), **evidence)
    if not record.sum_rank:
        return undecided(say("neither adapter has learnt anything"), **evidence)
    told = say(
        "the sum has numerical rank {sum_rank} of at most {most}, the worse task keeps {left} of its own accuracy, and "
        "averaged factors are off by {off}",
        sum_rank=record.sum_rank, most=2 * record.rank, left=percent(float(left.min())), off=percent(off),
    )  # fmt: skip
    holds = record.sum_rank == 2 * record.rank and left.min() < LOST and off > FAR
    return true_here(told, **evidence) if holds else false_here(told, **evidence)


def maths(record: AdaptersTogether) -> str:
    """Why averaged factors are not averaged updates, and what overlap sees."""
    return say(
        r"""
$$
\tfrac12({B}_1 {A}_1 + {B}_2 {A}_2) = \begin{{pmatrix}} {B}_1 & {B}_2 \end{{pmatrix}} \cdot \tfrac12
\begin{{pmatrix}} {A}_1 \\ {A}_2 \end{{pmatrix}}
\qquad\text{{but}}\qquad
\tfrac{{{B}_1 + {B}_2}}2 \cdot \tfrac{{{A}_1 + {A}_2}}2 = \tfrac14({B}_1 {A}_1 + {B}_2 {A}_2 + {B}_1 {A}_2 +
{B}_2 {A}_1)
$$

The sum of two updates of rank {rank} has rank at most {bound}, here {sum_rank}. Averaged
factors halve each update and add two cross terms that were never trained: they are {off} % off at one half (Frobenius
norm, first hidden layer, relative to the mixed ${dW}$; median of {members} networks). PEFT's `add_weighted_adapter`
offers both kinds. "cat" and "svd" mix the updates. "linear" mixes the factors, each weighted by √w, so at one half it
gives $\tfrac12({B}_1 + {B}_2)({A}_1 + {A}_2)$: nothing is halved, but the cross terms are there.

Overlap is $\|U^\top V\|_F^2 / r$ of orthonormal bases (Hu et al. 2021, §7.2): 1 for the same subspace, {chance}
expected of random ones. It is computed from the factors, not from the data. What counts is how strongly ${dW}_2$
changes the response to the first task's images: here {reach} times as strongly as ${dW}_1$. Both adapters change the
same two layers, and the network is not linear.""",
        B=tint("B", "B"), A=tint("A", "A"), rank=record.rank, bound=2 * record.rank, sum_rank=record.sum_rank,
        off=number(100 * float(record.off[1, len(record.weight) // 2])), dW=tint("delta", r"\Delta W"),
        members=record.members, chance=number(record.chance), reach=number(float(record.reach[0])),
    )  # fmt: skip


def adapted(settings: Settings, lab: Lab) -> tuple[PairExperiment, PairRun]:
    """Two adapters on each of five networks, and what they read together."""
    e = settings.experiment
    wanted = PairExperiment(
        second=settings["second"], rank=e.rank, alpha=float(e.alpha), lr=e.lr, steps=e.steps, seed=e.seed
    )
    return wanted, lab.follow(adapt_pair, wanted)


def measure(settings: Settings, lab: Lab) -> AdaptersTogether:
    """Train both adapters of every network, and try the mixtures."""
    return adapters_together(adapted(settings, lab)[1])


def _ask(seen: Seen, _: Any) -> Measured:
    right, w = 100 * shown(seen.film, "mixed", "first"), seen.film.values
    at = int(np.abs(w - 0.25).argmin())
    told = say("{right} % were recognised, median of 5 networks; with the first alone, {alone} %.",
               right=word(right[at]),
               alone=word(right[0]))  # fmt: skip
    between = (1 - w[at]) * right[0] + w[at] * right[-1]
    mistakes = (float(right[0]), float(between), float(right[-1]), float(100 * (1 - w[at])))
    return Measured(float(right[at]), mistakes, told, {"alone": word(right[0]), "none": word(right[-1])}, unit=" %")


PART = Lesson(
    id="adapters_together", menu=to_say("Tasks together"),
    title=to_say("Many adapters, one base: do they go together?"),
    claim=to_say("The ranks of two added adapters add up, but the sum does not master both tasks. Averaging A and B "
                 "does not average the updates."), place=30,
    default=Experiment(d_in=64, d_out=64, rank=3, alpha=16.0, lr=0.01, steps=300),
    controls=(CONTROLS["second"], CONTROLS["rank"], CONTROLS["steps"].only(100, 300, 500)),
    more=(CONTROLS["alpha"].only(4.0, 16.0, 64.0), CONTROLS["lr"].only(0.002, 0.005, 0.01, 0.02)),
    waits_for=to_say("Two adapters on each of five networks"), measure=measure, film=film,
    hero="mixed", takeaway=takeaway, verdict=verdict, detail=detail,
    maths=maths, on_paper="mixed",
    exports=lambda record, settings, lab: Scripts(partial(pair_script, *adapted(settings, lab)), {}),
    question=Question(to_say("The first adapter recognises {alone} % of its digits, the second {none} % of the same "
                             "ones. Mix ¾ of the first update with ¼ of the second: what percentage now?"),
                      to_say("The mixture is linear in the weights, but the network's output is not."), _ask),
)  # fmt: skip
