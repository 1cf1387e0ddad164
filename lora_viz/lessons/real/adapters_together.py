"""Two adapters on one base: switched, mixed, added, weighted; and averaged in the wrong place."""

from __future__ import annotations

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
from lora_viz.film.style import number, tint, to_a_tenth
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.networks.adapter_pair import adapt_pair
from lora_viz.networks.digits import CHANGED, PairExperiment, PairRun

__all__ = ["PART", "AdaptersTogether", "adapters_together"]

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
            Lines("averaged", say("Wrong: A's and B's averaged"), y_label=say("share"), reach=1.0, span=4,
                  series=(*tasks(record.averaged, 2),
                          Series("off", say("ΔW off by"), "alarm", dash="dash", **band(record.off)))),
            Readout("overlap", say("Do they share directions?"),
                    (Row("inputs", say("inputs (rows of A)"), (number(record.inputs),), colour="A"),
                     Row("outputs", say("outputs (columns of B)"), (number(record.outputs),), colour="B"),
                     Row("random", say("random subspaces"), (number(record.chance),)),
                     Row("push_first", say("push by the other: 1st"), (_times(record.reach[0]),)),
                     Row("push_second", say("2nd"), (_times(record.reach[1]),))), span=3),
            Field("worse", say("The worse of both tasks, at any two weights"), values=record.worse, x_labels=labels,
                  y_labels=labels, x_title=say("weight of the second ({change})", change=_second(record)),
                  y_title=say("weight of the first ({change})", change=say(FIRST)), chosen=(one, one),
                  caption=(say("outlined: both added whole"),), span=5, row=1),
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
    return "—" if np.isnan(value) else f"{number(float(value))}×"


def _narrate(record: AdaptersTogether, t: int) -> str:
    w, now = float(record.weight[t]), record.mixed[1, t]
    what = say("The first alone") if t == 0 else say("The second alone") if w == 1 else f"w = {w:.2f}"
    return say("{what}: {first} of the {digits}, {second} of the {others} read right; with averaged factors "
               "{wrong_first} and {wrong_second}.", what=what, first=to_a_tenth(now[0]), digits=say(CHANGED[FIRST]),
               second=to_a_tenth(now[1]),
               others=say(CHANGED[record.second]) if record.second != FIRST else say("rotated digits (2)"),
               wrong_first=to_a_tenth(record.averaged[1, t, 0]),
               wrong_second=to_a_tenth(record.averaged[1, t, 1]))  # fmt: skip


def takeaway(record: AdaptersTogether) -> str:
    """What was seen, in the run's own numbers."""
    middle = len(record.weight) // 2
    alone = record.mixed[1, 0, 0], record.mixed[1, -1, 1]
    if not np.isfinite(record.mixed).all():
        return say("An adapter ended in outputs that are no numbers: lower the learning rate.")
    best = np.unravel_index(int(np.argmax(record.worse)), record.worse.shape)
    v, w = (float(record.grid_weight[i]) for i in best)
    said = [say("In this experiment switching works: alone, they read {first} and {second} of their own digits "
                "(medians of {members} networks), and with both off the base reads {base} of the upright ones, as "
                "before.", first=to_a_tenth(alone[0]), second=to_a_tenth(alone[1]), members=record.members,
                base=to_a_tenth(record.base[1, 2])),
            say("Added, they read {first} and {second}; at the best two weights ({v:g} and {w:g}) the worse of both is "
                "{worse}.", first=to_a_tenth(record.added[1, 0]), second=to_a_tenth(record.added[1, 1]), v=v, w=w,
                worse=to_a_tenth(float(record.worse[best])))]  # fmt: skip
    if record.sum_rank:
        said.append(say("Ranks add up: {rank} + {rank} gives numerical rank {sum_rank}.", rank=record.rank,
                        sum_rank=record.sum_rank))  # fmt: skip
        said.append(say("Averaging A's and B's is not averaging products: at one half ΔW is {off:.0f} % off.",
                        off=100 * record.off[1, middle]))  # fmt: skip
    if record.second != FIRST and record.inputs < 3 * record.chance:
        said.append(say("Overlap does not warn here: the input subspaces share {inputs} (random ones {chance}), yet "
                        "the other adapter pushes the first's images {reach} as hard as its own does, because the "
                        "images lie in both.", inputs=number(record.inputs), chance=number(record.chance),
                        reach=_times(record.reach[0])))  # fmt: skip
    return " ".join(said)


def maths(record: AdaptersTogether) -> str:
    """Why averaged factors are no averaged updates, and what overlap sees."""
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
factors halve what was learnt and add two cross terms that nobody trained: {off} % off at one half (Frobenius, first
hidden layer, relative to the mixed ${dW}$; median of {members} networks). PEFT's `add_weighted_adapter` offers
both: "cat" and "svd" mix the updates, "linear" the factors.

Overlap is $\|U^\top V\|_F^2 / r$ of orthonormal bases (Hu et al. 2021, §7.2): 1 for the same subspace, {chance}
expected of random ones. It sees the factors, not the data: what counts is how hard ${dW}_2$ pushes the first task's
images, {reach} times as hard as ${dW}_1$ here. And both adapters change the same two layers of a network that is not
linear.""",
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
    told = say("{right} % were read right, median of 5 networks; alone, {alone} %.", right=word(right[at]),
               alone=word(right[0]))  # fmt: skip
    between = (1 - w[at]) * right[0] + w[at] * right[-1]
    mistakes = (float(right[0]), float(between), float(right[-1]), float(100 * (1 - w[at])))
    return Measured(float(right[at]), mistakes, told, {"alone": word(right[0]), "none": word(right[-1])}, unit=" %")


PART = Lesson(
    id="adapters_together", menu=to_say("Skills together"),
    title=to_say("Many adapters, one base: do they go together?"),
    claim=to_say("They can be switched at will; added, their ranks add up, but two skills do not; and averaging A's "
                 "and B's is not averaging updates."), place=30,
    default=Experiment(d_in=64, d_out=64, rank=3, alpha=16.0, lr=0.01, steps=300),
    controls=(CONTROLS["second"], CONTROLS["rank"], CONTROLS["steps"].only(100, 300, 500)),
    more=(CONTROLS["alpha"].only(4.0, 16.0, 64.0), CONTROLS["lr"].only(0.002, 0.005, 0.01, 0.02)),
    waits_for=to_say("Two adapters on each of five networks"), measure=measure, film=film,
    hero="mixed", takeaway=takeaway,
    maths=maths, on_paper="mixed",
    exports=lambda record, settings, lab: Scripts(partial(pair_script, *adapted(settings, lab)), {}),
    question=Question(to_say("The first adapter reads {alone} % of its digits, the second {none} % of the same ones. "
                             "Mix ¾ of the first update with ¼ of the second: how many now?"),
                      to_say("The mixture is linear in the weights, what the network makes of it is not."), _ask),
)  # fmt: skip
