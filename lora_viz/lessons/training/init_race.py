"""Starts raced on one task: who has a gradient, what is disturbed, who is ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.engine.training import train
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Dash, Group, Lines, Mark, Series, band
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import say, to_say
from lora_viz.layer import starts
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings

__all__ = ["LESSON", "STARTS", "InitRace", "init_race", "race_sweep"]

# start -> its name in the legend, under a bar, its colour and its dash
STARTS: dict[str, tuple[str, str, str, Dash]] = {
    "B_zero": ("LoRA, B = 0", "LoRA", "delta", "solid"),
    "A_zero": ("A = 0", "A = 0", "delta", "dash"),
    "both_zero": (to_say("both 0"), to_say("both 0"), "faint", "dot"),
    "both_random": (to_say("both random"), to_say("random"), "alarm", "solid"),
    "both_random_small": (to_say("both random, a hundredth"), to_say("small"), "alarm", "dash"),
    "orthogonal": (to_say("orthogonal"), to_say("orth."), "clean", "dash"),
    "pissa": ("PiSSA", "PiSSA", "W", "solid"),
    "lora_ga": ("LoRA-GA", "GA", "clean", "solid"),
    "svd_of_answer": (to_say("SVD of the answer (cheating)"), to_say("cheat"), "ink", "dot"),
}


class InitRace(NamedTuple):
    """(low, median, high) of the loss over the seeds, and medians of gradients and of ‖ΔW‖, one column a start.

    ``lead`` is the loss of the ``rival`` minus LoRA's own at the same step and seed; ``behind`` counts the seeds with
    a positive one. ``base_loss`` is the loss of the layer before any adapter.
    """

    steps: Int[np.ndarray, "T"]
    loss: Float[np.ndarray, "3 T I"]
    grad_A: Float[np.ndarray, "T I"]
    grad_B: Float[np.ndarray, "T I"]
    size: Float[np.ndarray, "T I"]
    lead: Float[np.ndarray, "3 T"]
    behind: Int[np.ndarray, "T"]
    inits: tuple[str, ...]
    rival: str
    base_loss: float
    seeds: int


def race_sweep(e: Experiment, seeds: int = 8) -> Sweep:
    """Every start with every seed on one task. Of the two random starts the large one, unless the small is asked."""
    other = "both_random" if e.init == "both_random_small" else "both_random_small"
    inits = tuple(name for name in STARTS if name != other)
    return Sweep.over(replace(e, init="B_zero"), init=inits, init_seed=range(e.init_seed, e.init_seed + seeds))


def init_race(run: Run, rival: str) -> InitRace:
    """Read a ``race_sweep``; ``rival`` is compared with LoRA's own start (both random, if it is no other start)."""
    inits = tuple(dict.fromkeys(e.init for e in run.sweep.experiments))
    rival = rival if rival in inits and rival != "B_zero" else "both_random"
    shape = (len(run.steps), len(inits), -1)
    loss = run.loss.reshape(shape)
    size = np.stack([np.linalg.norm(run.delta_weight(i), axis=(1, 2)) for i in range(len(run.sweep))], axis=1)
    theirs, own = loss[:, inits.index(rival)], loss[:, inits.index("B_zero")]
    lead = theirs - own
    behind = (lead > 0) | (~np.isfinite(theirs) & np.isfinite(own))  # who diverged is behind who did not
    return InitRace(
        steps=run.steps, loss=spread(loss, axis=-1), grad_A=spread(run.grad_A_norm.reshape(shape), axis=-1)[1],
        grad_B=spread(run.grad_B_norm.reshape(shape), axis=-1)[1],
        size=spread(np.where(np.isfinite(loss), size.reshape(shape), np.nan), axis=-1)[1],
        lead=spread(lead, axis=-1), behind=behind.sum(axis=-1), inits=inits, rival=rival,
        base_loss=0.5 * run.task.residual_energy, seeds=loss.shape[-1],
    )  # fmt: skip


def film(record: InitRace) -> Film:
    """Losses over the steps, who has a gradient, the rival against LoRA's own start, what is disturbed."""
    labels = tuple(say(STARTS[name][1]) for name in record.inits)
    bar_ids = tuple(name.lower() for name in record.inits)
    rival = say(STARTS[record.rival][0])
    turn = _turn(record)
    marks = (Mark("turn", float(turn), say("step {turn}: the median turns", turn=turn)),) if turn else ()
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float), start=0,
        seconds_per_frame=1 / 8,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Lines(
                "loss", say("Loss, median of {seeds} seeds", seeds=record.seeds), y_label=say("loss, log"), scale="log",
                x_scale="sqrt", span=7,
                series=tuple(
                    Series(
                        name.lower(), say(STARTS[name][1]), STARTS[name][2], record.loss[1, :, i], dash=STARTS[name][3],
                    )
                    for i, name in enumerate(record.inits)
                ),
            ),
            Bars(
                "gradients", say("Who has a gradient? No bar: exactly 0"), bar_ids=bar_ids, labels=labels,
                y_label=say("norm, log"), scale="log", span=5,
                groups=(
                    Group("grad_a", "‖∇A‖", "A", record.grad_A),
                    Group("grad_b", "‖∇B‖", "B", record.grad_B, outline=True),
                ),
            ),
            Lines(
                "lead", say("{rival} against LoRA: who is behind?", rival=rival),
                y_label=say("loss minus LoRA's, median and range"), x_scale="sqrt", row=1, span=7, marks=marks,
                series=(
                    Series("rival", rival, "alarm", **band(record.lead)),
                    Series("lora", "LoRA", "delta", np.zeros(len(record.steps)), dash="dash"),
                ),
            ),
            Bars(
                "disturbed", say("What is disturbed? ‖ΔW‖"), bar_ids=bar_ids, labels=labels,
                y_label=say("Frobenius norm"), row=1, span=5,
                groups=(Group("delta", say("‖ΔW‖, median"), "delta", record.size),),
            ),
        ),
    )  # fmt: skip


def _turn(record: InitRace) -> int:
    """The first step at which the rival's median lead has the other sign than at the start of the race; 0 if none."""
    lead = record.lead[1]
    signs = np.sign(np.nan_to_num(lead))
    first = signs[np.flatnonzero(signs)[0]] if signs.any() else 0
    turned = np.flatnonzero(signs * first < 0)
    return int(record.steps[turned[0]]) if len(turned) else 0


def _narrate(record: InitRace, t: int) -> str:
    step, rival = int(record.steps[t]), say(STARTS[record.rival][0])
    if step == 0:
        jumped = [say(STARTS[n][0]) for i, n in enumerate(record.inits) if record.size[0, i] > 1e-12]
        asleep = (record.grad_A[0] == 0) & (record.grad_B[0] == 0)
        dead = [say(STARTS[n][0]) for i, n in enumerate(record.inits) if asleep[i]]
        still = ", ".join(dead) or say("none")
        if not jumped:
            return say("Step 0: no start changes the layer; no gradient at all: {dead}.", dead=still)
        if len(jumped) == 1:
            return say(
                "Step 0: only {start} changes the layer; no gradient at all: {dead}.", start=jumped[0], dead=still
            )
        both = say("{first} and {last}", first=", ".join(jumped[:-1]), last=jumped[-1])
        return say("Step 0: only {starts} change the layer; no gradient at all: {dead}.", starts=both, dead=still)
    mine, theirs = record.loss[1, t, record.inits.index("B_zero")], record.loss[1, t, record.inits.index(record.rival)]
    if not np.isfinite(mine) or not np.isfinite(theirs):
        return say("Step {step}: most seeds have diverged; lower the learning rate.", step=step)
    return say(
        "Step {step}: LoRA at {mine}, {rival} at {theirs}, behind in {behind} of {seeds} seeds.",
        step=step, mine=number(mine), rival=rival, theirs=number(theirs), behind=record.behind[t], seeds=record.seeds,
    )  # fmt: skip


def takeaway(record: InitRace) -> str:
    """What was seen, in the run's own numbers."""
    own, at = record.inits.index("B_zero"), record.inits.index(record.rival)
    rival = say(STARTS[record.rival][0])
    rival = rival[0].upper() + rival[1:]
    if not np.isfinite(record.loss[1, -1, [own, at]]).all():
        return say("Most seeds diverged: lower the learning rate.")
    jump = float(record.loss[1, 0, at])
    if record.size[0, at] > 1e-12 and abs(jump / record.base_loss - 1) > 0.005:
        said = [say(
            "{rival} changed the loss before the first step, from {before} to {after}.",
            rival=rival, before=number(record.base_loss), after=number(jump),
        )]  # fmt: skip
    elif record.size[0, at] > 1e-12:
        said = [say(
            "{rival} left the loss as it was, {before}, to half a percent.",
            rival=rival, before=number(record.base_loss),
        )]  # fmt: skip
    else:
        said = [
            say("{rival} left the loss as it was, {before}, to rounding.", rival=rival, before=number(record.base_loss))
        ]
    turn, last = _turn(record), record.behind[-1]
    leads = record.lead[1][np.nan_to_num(record.lead[1]) != 0]
    if not len(leads):
        way = say("It ran exactly as LoRA's own start does")
    elif turn:
        behind = say("It was behind LoRA's own start until step {turn}", turn=turn)
        way = behind if leads[0] > 0 else say("It was ahead of LoRA's own start until step {turn}", turn=turn)
    elif leads[0] > 0:
        way = say("It stayed behind LoRA's own start all the way")
    else:
        way = say("It stayed ahead of LoRA's own start all the way")
    said.append(say(
        "{way}; at step {step} it was behind in {last} of {seeds} seeds ({loss} against {own}).",
        way=way, step=record.steps[-1], last=last, seeds=record.seeds, loss=number(record.loss[1, -1, at]),
        own=number(record.loss[1, -1, own]),
    ))  # fmt: skip
    if "both_zero" in record.inits and not record.size[:, record.inits.index("both_zero")].any():
        said.append(say("Both 0 never moved."))
    return " ".join(said)


def table(record: InitRace) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    kinds = {"loss": record.loss[1], "grad_A": record.grad_A, "grad_B": record.grad_B, "size": record.size}
    own = {f"{kind}_{name}": x[:, i] for i, name in enumerate(record.inits) for kind, x in kinds.items()}
    return {"step": record.steps} | own


def maths(record: InitRace) -> str:
    """What each factor's gradient is made of, and how the rival starts."""
    rival = starts.STARTS[record.rival]
    return say(
        r"""
$$
\nabla_{{{A}}} = s\,{B}^\top G, \qquad \nabla_{{{B}}} = s\,G\,{A}^\top, \qquad {dW}_0 = s\,{B}_0{A}_0
$$

What is 0 gives the other no gradient; what is not 0 on both sides disturbs the layer, unless ${B}_0{A}_0 = 0$ all the
same (orthogonal) or ${W}$ gives way to ${W} - s\,{B}_0{A}_0$ (PiSSA, LoRA-GA). Shown against LoRA's own:
**{label}**, ${rule}$ ({source}).

The layer alone has loss {base_loss}. Starting from the SVD of the answer is cheating: it needs the
update that training is to find. These starts meet one small linear task here: who wins is the task's doing (its
spectrum, its rank, the learning rate), which of them may move at step 0 is not.""",
        **LETTERS, label=say(rival.label), rule=rival.rule, source=say(rival.source),
        base_loss=number(record.base_loss),
    )  # fmt: skip


def _run(settings: Settings, lab: Lab) -> Run:
    return lab.train(race_sweep(settings.experiment), settings.device, records=61)


def measure(settings: Settings, lab: Lab) -> InitRace:
    """Race the starts, eight seeds each."""
    return init_race(_run(settings, lab), settings.experiment.init)


def _half_the_start(e: Experiment, _: Any) -> tuple[float, float]:
    run = train(Sweep.over(replace(e, init="both_random", steps=1), init_scale=(1.0, 0.5)))
    whole, half = (float(np.linalg.norm(run.sweep[i].scaling * run.B[i][0] @ run.A[i][0])) for i in (0, 1))
    return whole, half


def _ask(_: Seen, found: Any) -> Measured:
    whole, half = found
    told = say("‖ΔW‖ before the first step was {whole}, then {half}.", whole=word(whole), half=word(half))
    return Measured(half, (whole, whole / 2**0.5, whole / 2, 0), told, {"whole": word(whole)})


LESSON = Lesson(
    hero="loss",
    id="init_race", menu=to_say("Starts raced"), title=to_say("Initialisation: what does the start decide?"),
    claim=to_say(
        "Who may move first, and what is disturbed. With SGD a random start's damage is real, but over in a few steps."
    ),
    place=10,
    default=Experiment(
        target_rank=4, spectrum="flat", samples=128, noise=0.1, rank=8, alpha=16.0, optimizer="sgd", lr=0.02, steps=200,
        init="both_random",
    ),
    controls=(
        replace(
            CONTROLS["init"].only(*(name for name in STARTS if name != "B_zero")),
            label=to_say("Compare LoRA's start with"),
            help=to_say(
                "LoRA's own start is B = 0 with A Kaiming-uniform. The SVD of the answer needs the answer first: "
                "cheating."
            ),
        ),
        CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["lr"],
    ),
    more=tuple(CONTROLS[name] for name in ("spectrum", "rank", "target_rank", "alpha", "noise", "condition")),
    measure=measure, film=film, takeaway=takeaway, maths=maths, on_paper="loss", table=table,
    exports=lambda record, settings, lab: _run(settings, lab),
    question=Question(
        to_say(
            "With both factors random ‖ΔW‖ is {whole} before the first step. Draw each of them half as large: how "
            "large is it then?"
        ),
        to_say("ΔW is a product: it shrinks with both. With one factor 0 it is 0, however large the other one is."),
        _ask, _half_the_start,
    ),
)  # fmt: skip
