"""Initialisations compared on one task: who has a gradient, what is disturbed, who is ahead."""

from __future__ import annotations

from collections.abc import Iterator
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

__all__ = ["PART", "STARTS", "InitRace", "init_race", "race_sweep"]

RAISED = 0.005  # a loss that is higher by more is raised
BRIEF = 0.25  # of the training: a few steps
# start -> its name in the legend, under a bar, its colour and its dash
STARTS: dict[str, tuple[str, str, str, Dash]] = {
    "B_zero": ("LoRA, B = 0", "LoRA", "delta", "solid"),
    "A_zero": ("A = 0", "A = 0", "delta", "dash"),
    "both_zero": (to_say("both 0"), to_say("both 0"), "faint", "dot"),
    "both_random": (to_say("both random"), to_say("random"), "alarm", "solid"),
    "both_random_small": (to_say("both random, scaled by 1/100"), to_say("random/100"), "alarm", "dash"),
    "orthogonal": (to_say("orthogonal"), to_say("orth."), "clean", "dash"),
    "pissa": ("PiSSA", "PiSSA", "W", "solid"),
    "lora_ga": ("LoRA-GA", "GA", "clean", "solid"),
    "svd_of_answer": (to_say("SVD of the target (oracle)"), to_say("oracle"), "ink", "dot"),
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
    marks = (Mark("turn", float(turn), say("step {turn}: the median changes sign", turn=turn)),) if turn else ()
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
                "gradients", say("Which factor has a gradient? No bar: exactly 0"), bar_ids=bar_ids, labels=labels,
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
        jumped = int((record.size[0] > 1e-12).sum())
        dead = int(((record.grad_A[0] == 0) & (record.grad_B[0] == 0)).sum())
        return say(
            "Step 0: initialisations that change the layer: {jumped}; without any gradient: {dead}.",
            jumped=jumped, dead=dead,
        )  # fmt: skip
    mine, theirs = record.loss[1, t, record.inits.index("B_zero")], record.loss[1, t, record.inits.index(record.rival)]
    if not np.isfinite(mine) or not np.isfinite(theirs):
        return say("Step {step}: most seeds have diverged; lower the learning rate.", step=step)
    return say(
        "Step {step}: LoRA {mine}, {rival} {theirs}; behind in {behind} of {seeds} seeds.",
        step=step, mine=number(mine), rival=rival, theirs=number(theirs), behind=record.behind[t], seeds=record.seeds,
    )  # fmt: skip


@sentences
def takeaway(record: InitRace) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    own, at = record.inits.index("B_zero"), record.inits.index(record.rival)
    rival = say(STARTS[record.rival][0])
    rival = rival[0].upper() + rival[1:]
    if not np.isfinite(record.loss[1, -1, [own, at]]).all():
        yield say("Most seeds diverged: lower the learning rate.")
        return
    jump, before = float(record.loss[1, 0, at]), record.base_loss
    if record.size[0, at] <= 1e-12:
        yield say("{rival} leaves the initial loss at {before}.", rival=rival, before=number(before))
    elif number(jump) == number(before):
        yield say("{rival} changes the layer, but hardly the initial loss of {before}.", rival=rival,
                  before=number(before))  # fmt: skip
    else:
        yield say(
            "{rival}: the initial loss changes from {before} to {after}.", rival=rival, before=number(before),
            after=number(jump),
        )  # fmt: skip
    turn = _turn(record)
    leads = record.lead[1][np.nan_to_num(record.lead[1]) != 0]
    if not len(leads):
        yield say("It trains exactly like LoRA's default initialisation.")
    elif turn:
        yield (say("It is behind LoRA's default until step {turn}.", turn=turn) if leads[0] > 0
               else say("It is ahead of LoRA's default until step {turn}.", turn=turn))  # fmt: skip
    else:
        yield (say("It is never ahead of LoRA's default.") if leads[0] > 0
               else say("It is never behind LoRA's default."))  # fmt: skip
    yield say(
        "At step {step} its loss is {loss}, against {own}, and higher in {last} of {seeds} seeds."
        if number(record.loss[1, -1, at]) != number(record.loss[1, -1, own])
        else "At step {step} both losses are {loss}; its own is higher in {last} of {seeds} seeds.",
        step=record.steps[-1], last=record.behind[-1], seeds=record.seeds, loss=number(record.loss[1, -1, at]),
        own=number(record.loss[1, -1, own]),
    )  # fmt: skip


def detail(record: InitRace) -> str:
    """What no learning rate helps."""
    if "both_zero" in record.inits and not record.size[:, record.inits.index("both_zero")].any():
        return say("With both factors 0, neither has a gradient, and nothing moved.")
    return ""


def verdict(record: InitRace, settings: Settings) -> Verdict:
    """Random factors raise the loss before step 1, and LoRA's median has caught none of it for long."""
    start = "both_random" if "both_random" in record.inits else "both_random_small"
    own, at = record.inits.index("B_zero"), record.inits.index(start)
    mine, theirs = record.loss[1, :, own], record.loss[1, :, at]
    raised = float(theirs[0]) / record.base_loss - 1 if record.base_loss else 0.0
    caught = np.flatnonzero(theirs <= mine * (1 + RAISED))
    after = int(record.steps[caught[0]]) if len(caught) else -1
    evidence = {"raised": raised, "caught_up": after, "grad_A": float(record.grad_A[0, own])}
    if settings.experiment.optimizer != "sgd":
        return false_here(
            say("the optimiser is Adam; random factors change the initial loss by {raised}", raised=_signed(raised)),
            **evidence,
        )
    if not np.isfinite([mine[-1], theirs[-1]]).all():
        return undecided(say("most seeds diverged"), **evidence)
    if raised <= RAISED:
        return false_here(
            say("random factors change the initial loss by only {raised}", raised=_signed(raised)), **evidence
        )
    if after < 0 or after > BRIEF * record.steps[-1]:
        told = (
            say("random factors raise the loss by {raised} and do not catch up with B = 0", raised=percent(raised))
            if after < 0
            else say("random factors raise the loss by {raised} and catch up with B = 0 only at step {step}",
                     raised=percent(raised), step=after)
        )  # fmt: skip
        return false_here(told, **evidence)
    return true_here(
        say("random factors raise the loss by {raised} and have caught up with B = 0 at step {step} of {steps}",
            raised=percent(raised), step=after, steps=record.steps[-1]),
        **evidence,
    )  # fmt: skip


def _signed(share: float) -> str:
    return ("+" if share > 0 else "") + percent(share)


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

A factor that is 0 gives the other no gradient. If neither is 0, the layer is disturbed, unless ${B}_0{A}_0 = 0$ all the
same (orthogonal) or ${W}$ is replaced by ${W} - s\,{B}_0{A}_0$ (PiSSA, LoRA-GA). Compared with LoRA's default:
**{label}**, ${rule}$ ({source}).

The layer alone has loss {base_loss}. The SVD of the target is an oracle: it needs the update that training is to find.
The initialisations meet one small linear task here. Which of them wins depends on the task (its spectrum, its rank, the
learning rate); which factor can move at step 0 does not.""",
        **LETTERS, label=say(rival.label), rule=Ours(rival.rule), source=say(rival.source),
        base_loss=number(record.base_loss),
    )  # fmt: skip


def _run(settings: Settings, lab: Lab) -> Run:
    return lab.train(race_sweep(settings.experiment), settings.device, records=61)


def measure(settings: Settings, lab: Lab) -> InitRace:
    """Train from every start, eight seeds each."""
    return init_race(_run(settings, lab), settings.experiment.init)


def _half_the_start(e: Experiment, _: Any) -> tuple[float, float]:
    run = train(Sweep.over(replace(e, init="both_random", steps=1), init_scale=(1.0, 0.5)))
    whole, half = (float(np.linalg.norm(run.sweep[i].scaling * run.B[i][0] @ run.A[i][0])) for i in (0, 1))
    return whole, half


def _ask(_: Seen, found: Any) -> Measured:
    whole, half = found
    told = say("‖ΔW‖ before the first step was {whole}, then {half}.", whole=word(whole), half=word(half))
    return Measured(half, (whole, whole / 2**0.5, whole / 2, 0), told, {"whole": word(whole)})


PART = Lesson(
    hero="loss",
    id="init_race", menu=to_say("Initialisation: comparison"),
    title=to_say("Initialisation: what does the choice change?"),
    claim=to_say(
        "The initialisation decides which factor moves first and whether the base model is disturbed. With SGD, random "
        "factors raise the loss, but only briefly."
    ),
    place=10,
    default=Experiment(
        target_rank=4, spectrum="flat", samples=128, noise=0.1, rank=8, alpha=16.0, optimizer="sgd", lr=0.02, steps=200,
        init="both_random",
    ),
    controls=(
        replace(
            CONTROLS["init"].only(*(name for name in STARTS if name != "B_zero")),
            label=to_say("Compare LoRA's default with"),
            help=to_say(
                "LoRA's default is B = 0 with A Kaiming-uniform. The SVD of the target is an oracle: it needs the "
                "target first."
            ),
        ),
        CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["lr"],
    ),
    more=tuple(CONTROLS[name] for name in ("spectrum", "rank", "target_rank", "alpha", "noise", "condition")),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="loss", table=table,
    exports=lambda record, settings, lab: _run(settings, lab),
    question=Question(
        to_say(
            "With both factors random, ‖ΔW‖ is {whole} before the first step. If the entries of both are halved, how "
            "large is it then?"
        ),
        to_say("ΔW is a product, so it shrinks with both. If one factor is 0, ΔW is 0, however large the other is."),
        _ask, _half_the_start,
    ),
)  # fmt: skip
