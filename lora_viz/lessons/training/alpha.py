"""A run with s and its twins at s = 1: one with A₀ rescaled too, one with the learning rate alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.film.film import Film
from lora_viz.film.panels import HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import exactly, sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["PART", "AlphaIdentity", "alpha_identity", "identity_sweep", "lr_factor"]

P, Q = 4.0, 2.0  # the factors of Adam's second identity
ROUNDING = 1e-3  # of the largest entry of ΔW: what float32 may lose over a training


class AlphaIdentity(NamedTuple):
    """Four runs of one task and one start: (s, η, A₀), its twin (1, ηk, √s·A₀), lr alone (1, ηk, A₀), and (p, q).

    k is s for SGD and √s for Adam. The fourth divides α by pq and multiplies A₀ and η_A by p and η_B by q: for Adam
    and B₀ = 0 the same run again. ``difference`` is max|ΔW − ΔW of run 0| at each step, NaN once either has diverged;
    ``worst`` the largest of it over the steps, one row a start; ``largest`` the largest |entry| of run 0's ΔW.
    """

    steps: Int[np.ndarray, "T"]
    loss: Float[np.ndarray, "T 4"]
    difference: Float[np.ndarray, "T 4"]
    worst: Float[np.ndarray, "S 4"]
    largest: float
    delta: Float[np.ndarray, "T 4 d_out d_in"]
    scaling: float
    lr: float
    factor: float
    optimizer: str
    diverged_at: Int[np.ndarray, "4"]


def lr_factor(e: Experiment) -> float:
    """What η is multiplied by when s goes into it: s for SGD, √s for Adam."""
    return e.scaling if e.optimizer == "sgd" else math.sqrt(e.scaling)


def identity_sweep(e: Experiment, seeds: int = 8) -> Sweep:
    """The four runs of each start, side by side."""
    k, root = lr_factor(e), math.sqrt(e.scaling)
    alone = replace(e, scaling_rule="constant", alpha=1.0, lr=e.lr * k)
    four = (
        e,
        replace(alone, init_scale=e.init_scale * root),
        alone,
        replace(e, alpha=e.alpha / (P * Q), init_scale=P * e.init_scale, lr=P * e.lr, lr_ratio=e.lr_ratio * Q / P),
    )
    return Sweep(tuple(replace(x, init_seed=e.init_seed + i) for i in range(seeds) for x in four))


def alpha_identity(run: Run) -> AlphaIdentity:
    """Compare the four runs of each start of an ``identity_sweep``."""
    e = run.experiment
    worst, largest = [], 0.0
    for first in range(0, len(run.sweep), 4):
        delta = np.stack([run.delta_weight(first + i) for i in range(4)], axis=1)
        loss = run.loss[:, first : first + 4]
        difference = np.abs(delta - delta[:, :1]).max(axis=(2, 3))
        difference[~np.isfinite(loss + loss[:, :1])] = np.nan
        worst.append(np.nanmax(difference, axis=0))
        largest = max(largest, float(np.abs(delta[np.isfinite(loss[:, 0]), 0]).max()))
        if first == 0:
            shown = loss, difference, delta
    last = max(run.last(i) for i in range(4)) + 1
    loss, difference, delta = (x[:last] for x in shown)
    return AlphaIdentity(
        steps=run.steps[:last], loss=loss, difference=difference, worst=np.stack(worst), largest=largest, delta=delta,
        scaling=e.scaling, lr=e.lr, factor=lr_factor(e), optimizer=e.optimizer, diverged_at=run.diverged_at[:4],
    )  # fmt: skip


def _names(record: AlphaIdentity) -> tuple[str, str, str]:
    k = number(record.factor)
    return (f"s = {number(record.scaling)}", f"s = 1, η·{k}, A₀·{number(math.sqrt(record.scaling))}", f"s = 1, η·{k}")


def film(record: AlphaIdentity) -> Film:
    """Three losses over the steps, how far their updates are apart, and where."""
    names = _names(record)
    calm = record.loss[:, 0] <= 10 * record.loss[0, 0]
    twin, alone = (record.delta[:, i] - record.delta[:, 0] for i in (1, 2))
    together = calm & (record.loss[:, 2] <= 10 * record.loss[0, 0])
    marks = tuple(
        Mark("diverged", float(at), say("{name} diverged", name=name), colour="alarm")
        for name, at in zip(names, record.diverged_at, strict=False)
        if at >= 0
    )
    start = int(np.argmin(np.abs(record.steps - record.steps[-1] / 8)))
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float), start=start,
        seconds_per_frame=1 / 40,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Lines(
                "loss", say("Loss of the three runs"), y_label=say("loss"), scale="log", x_scale="sqrt",
                marks=marks[:1],
                series=(
                    Series("run", names[0], "delta", record.loss[:, 0]),
                    Series("twin", names[1], "ink", record.loss[:, 1], dash="dot"),
                    Series("alone", names[2], "alarm", record.loss[:, 2], dash="dash"),
                ),
            ),
            Lines(
                "difference", say("Difference from ΔW of the first run"),
                y_label=say("largest difference, log; strip: exactly 0"), scale="log", x_scale="sqrt",
                series=(
                    Series("twin", say("η and A₀ rescaled"), "ink", record.difference[:, 1], dash="dot"),
                    Series("alone", say("η alone"), "alarm", record.difference[:, 2], dash="dash"),
                ),
            ),
            HeatMap(
                "delta", f"ΔW, {names[0]}", "delta", record.delta[:, 0], limit=_limit(record.delta[:, 0][calm]), row=1,
                span=3,
            ),
            HeatMap(
                "twin_difference", say("η and A₀ rescaled: ΔW − ΔW"), "ink", twin, limit=_limit(twin[calm]),
                caption=_largest(record.difference[:, 1]), row=1, span=3,
            ),
            HeatMap(
                "alone_difference", say("η alone: ΔW − ΔW"), "alarm", alone, limit=_limit(alone[together]),
                caption=_largest(record.difference[:, 2]), row=1, span=3,
            ),
            Readout(
                "largest_so_far", say("Largest difference so far"),
                (
                    Row("twin", say("η and A₀ rescaled"), _so_far(record.difference[:, 1])),
                    Row("alone", say("η alone"), _so_far(record.difference[:, 2]), colour="alarm"),
                    Row("pq", f"α/{P * Q:g}, A₀·{P:g}, η_A·{P:g}, η_B·{Q:g}", _so_far(record.difference[:, 3])),
                ),
                row=1, span=3,
            ),
        ),
    )  # fmt: skip


def _limit(x: Float[np.ndarray, "..."]) -> float:
    return float(np.abs(x).max(initial=0.0)) or 1.0


def _largest(x: Float[np.ndarray, "T"]) -> tuple[str, ...]:
    return tuple(say("diverged") if np.isnan(v) else say("largest now: {difference}", difference=number(v)) for v in x)


def _so_far(x: Float[np.ndarray, "T"]) -> tuple[str, ...]:
    return tuple(map(exactly, np.fmax.accumulate(x)))


def _narrate(record: AlphaIdentity, t: int) -> str:
    step, names = int(record.steps[t]), _names(record)
    gone = [name for name, at in zip(names, record.diverged_at, strict=False) if 0 <= at <= step]
    if gone:
        return say("Step {step}: diverged: {gone}. Lower the learning rate.", step=step, gone="; ".join(gone))
    first, twin, alone = (number(v) for v in record.loss[t, :3])
    if record.scaling == 1:
        return say("Step {step}: loss {loss}. s is already 1: there is nothing to rescale.", step=step, loss=first)
    return say(
        "Step {step}: loss {first}; η and A₀ rescaled: {twin}; η alone: {alone}.",
        step=step, first=first, twin=twin, alone=alone,
    )  # fmt: skip


@sentences
def takeaway(record: AlphaIdentity) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if (record.diverged_at[:2] >= 0).any():
        yield say("The run diverged: lower the learning rate.")
        return
    twin, alone = record.worst[:, 1], record.worst[:, 2]
    if record.scaling == 1:
        yield say("Here s is already 1, so all three runs are the same. Choose another α.")
        return
    k, root = number(record.factor), number(math.sqrt(record.scaling))
    yield say(
        "With η·{factor} and A₀·{root}, ΔW of the run at s = 1 never differs from that at s = {scaling} by more than "
        "{twin}.",
        factor=k, root=root, scaling=number(record.scaling), twin=exactly(twin.max()),
    )  # fmt: skip
    yield say("With η·{factor} alone, it differs by up to {most}.", factor=k, most=number(alone.max()))


@sentences
def detail(record: AlphaIdentity) -> Iterator[str]:
    """The spread over starts, Adam's ε, and the second identity."""
    if (record.diverged_at[:2] >= 0).any() or record.scaling == 1:
        return
    alone, pair = record.worst[:, 2], record.worst[:, 3]
    yield say(
        "The largest entry of ΔW was {largest}. Over {starts} seeds, the largest difference with η alone lies between "
        "{least} and {most}.",
        largest=number(record.largest), starts=len(alone), least=number(alone.min()), most=number(alone.max()),
    )  # fmt: skip
    if record.optimizer == "sgd":
        yield say(
            "Adam's own identity, in which α, A₀, η_A and η_B change together, does not hold for SGD: ΔW differs by at "
            "least {pair}.",
            pair=exactly(pair.min()),
        )
    else:
        yield say(
            "Adam's ε = 10⁻⁸ was not rescaled, so the two runs need not agree up to rounding error. Changing α, A₀, "
            "η_A and η_B together changed ΔW by at most {pair}.",
            pair=exactly(pair.max()),
        )
    if record.diverged_at[2] >= 0:
        yield say("With η alone it diverged after step {step}.", step=record.diverged_at[2])


def verdict(record: AlphaIdentity) -> Verdict:
    """The rescaled twin is the same up to rounding in every start, and the run with η alone is another in every."""
    twin, alone = float(record.worst[:, 1].max()), float(record.worst[:, 2].min())
    size = record.largest or 1.0
    evidence = {"twin": twin, "alone": alone, "largest": record.largest, "scaling": record.scaling}
    if (record.diverged_at[:2] >= 0).any():
        return undecided(say("the run diverged"), **evidence)
    if record.scaling == 1:
        return undecided(say("s is already 1, so there is nothing to absorb"), **evidence)
    if not record.largest:
        return undecided(say("ΔW stays 0"), **evidence)
    told = say(
        "relative to the largest entry of ΔW, the runs differ by at most {twin} with A₀ rescaled and by at least "
        "{alone} without",
        twin=exactly(twin / size), alone=exactly(alone / size),
    )  # fmt: skip
    if twin / size > ROUNDING:
        why = told if record.optimizer == "sgd" else say("{told} (Adam's ε is not rescaled)", told=told)
        return false_here(why, **evidence)
    return true_here(told, **evidence) if alone / size > ROUNDING else false_here(told, **evidence)


def table(record: AlphaIdentity) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    kinds = ("s", "lr_and_A_rescaled", "lr_alone", "pq")
    return (
        {"step": record.steps}
        | {f"loss_{name}": record.loss[:, i] for i, name in enumerate(kinds)}
        | {f"difference_{name}": record.difference[:, i] for i, name in enumerate(kinds) if i}
    )


def maths(record: AlphaIdentity) -> str:
    """How s moves into the learning rate, and Adam's two identities."""
    return say(
        r"""
$$
{dW} = s\,{B}{A} = (\sqrt s\,{B})(\sqrt s\,{A}), \qquad
(s,\ \eta,\ {A}_0) \equiv (1,\ s\,\eta,\ \sqrt s\,{A}_0) \ \text{{for SGD}}, \qquad
(1,\ \sqrt s\,\eta,\ \sqrt s\,{A}_0) \ \text{{for Adam}}
$$

Put ${B}' = \sqrt s\,{B}$ and ${A}' = \sqrt s\,{A}$: SGD's step on ${B}$ is $-\eta\,s\,G{A}^\top$, so that of
${B}'$ is $-\eta\,s\cdot G{A}'^\top$. The size of Adam's step does not depend on the gradient's, so a factor $\sqrt s$
remains. Here $s = {scaling}$, and η goes from {lr} to {new}. A library
draws $A_0$ at a fixed scale and has no such factor, so there another α with another η gives another run.

For Adam with $\varepsilon = 0$ there are two identities: ${dW}$ stays as it is under
$\alpha \to \alpha/(pq)$, ${A}_0 \to p\,{A}_0$, $\eta_A \to p\,\eta_A$, $\eta_B \to q\,\eta_B$ for any $p$ and $q$
(Schulman and Thinking Machines, *LoRA Without Regret*, 2025). Two free parameters are left:
$\alpha\,\|{A}_0\|\,\eta_B$, how fast ${dW}$ begins to grow, and $\|{A}_0\|/\eta_A$, how long until ${A}$ has moved.""",
        **LETTERS, scaling=number(record.scaling), lr=number(record.lr), new=number(record.lr * record.factor),
    )  # fmt: skip


def _run(settings: Settings, lab: Lab) -> Run:
    return lab.train(identity_sweep(settings.experiment), settings.device)


def measure(settings: Settings, lab: Lab) -> AlphaIdentity:
    """Train the four runs of eight starts."""
    return alpha_identity(_run(settings, lab))


def _traded(e: Experiment, _: Any) -> tuple[float, float]:
    run = train(Sweep.each(replace(e, steps=1), alpha=(e.alpha, e.alpha / 2), lr=(e.lr, 2 * e.lr)))
    one, two = (float(np.linalg.norm(run.delta_weight(i)[1])) for i in (0, 1))
    return one, two


def _ask(_: Seen, found: Any) -> Measured:
    one, two = found
    told = say("‖ΔW‖ after step 1 was {one}, and {two} with α/2 and 2η.", one=word(one), two=word(two))
    return Measured(two / one if one else np.nan, (1, 2, 1 / 2, 1 / 4), told)


PART = Lesson(
    id="alpha", menu=to_say("α and the learning rate"), title=to_say("α and the learning rate: are they the same?"),
    claim=to_say(
        "α can be absorbed into the learning rate only if the initial A₀ is rescaled too. The two runs then agree up "
        "to rounding error."
    ),
    place=70,
    default=Experiment(
        d_in=24, d_out=16, target_rank=4, rank=4, alpha=8.0, optimizer="sgd", lr=0.02, steps=160, noise=0.1,
    ),
    controls=(CONTROLS["alpha"], CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["rank"], CONTROLS["lr"]),
    more=tuple(CONTROLS[name] for name in ("scaling_rule", "noise", "condition", "steps")),
    measure=measure, film=film, hero="difference", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="loss", table=table,
    exports=lambda record, settings, lab: _run(settings, lab),
    question=Question(
        to_say("Halve α and double η, and leave A₀ as it is. By what factor does ΔW after the first step change?"),
        to_say("From B = 0, SGD's first ΔW is proportional to η·s². With Adam, whose step for B is η for any s, it "
               "is proportional to η·s."),
        _ask, _traded,
    ),
)  # fmt: skip
