"""LoRA against full fine-tuning: steps to a hundredth of the loss at every learning rate, over several tasks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import first_below, spread
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Dash, Lines, Mark, Readout, Row, Series, band
from lora_viz.film.spreads import ranged
from lora_viz.film.still import DASHES
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import step_or_never
from lora_viz.lessons.settings import Settings

__all__ = ["LESSON", "Race", "race", "race_sweeps"]

GOAL = 1e-2
TASKS = 8
RATES = {
    "sgd": (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28),
    "adam": (0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64),
}


class Race(NamedTuple):
    """Steps to 10⁻² of the first loss for each racer and learning rate, one task a run.

    ``needed`` is (low, median, high; racer, lr) over the tasks, infinite where a task was not done in time. ``best`` is
    each racer's best lr on each task, (racer, task), ``best_needed`` (low, median, high; racer) the steps with it.
    ``loss`` is the relative loss of the first task, (racer, lr, T). Racer 0 is full fine-tuning.
    """

    racers: tuple[str, ...]
    lr: Float[np.ndarray, "L"]
    needed: Float[np.ndarray, "3 R L"]
    best: Float[np.ndarray, "R S"]
    best_needed: Float[np.ndarray, "3 R"]
    steps: Int[np.ndarray, "T"]
    loss: Float[np.ndarray, "R L T"]
    tasks: int
    true_rank: int


def race_sweeps(e: Experiment) -> tuple[Sweep, ...]:
    """One sweep a task: full fine-tuning, as an A that is the identity and stays so, and LoRA at two ranks."""
    full = replace(e, init="identity", frozen="A", rank=e.d_in, alpha=1.0)
    lora = [replace(e, rank=r) for r in sorted({min(4, e.rank), e.rank})]
    return tuple(
        Sweep(tuple(replace(x, lr=lr, seed=e.seed * TASKS + task) for x in (full, *lora) for lr in RATES[e.optimizer]))
        for task in range(TASKS)
    )


def race(runs: Iterable[Run]) -> Race:
    """One run a task, each a sweep of full fine-tuning and of LoRA at some ranks over the same learning rates."""
    needed = []
    shown: np.ndarray | None = None
    for run in runs:
        lrs = sorted({x.lr for x in run.sweep.experiments})
        who = tuple(dict.fromkeys(_racer(x.rank, x.init) for x in run.sweep.experiments))
        place = {(_racer(x.rank, x.init), x.lr): i for i, x in enumerate(run.sweep.experiments)}
        relative = run.loss / (run.loss[0] + (run.loss[0] == 0))
        arrived = first_below(run.steps.astype(float), relative, np.full(len(run.sweep), GOAL))
        order = np.array([[place[name, lr] for lr in lrs] for name in who])
        needed.append(arrived[order])
        shown = relative.T[order] if shown is None else shown
    assert shown is not None, "at least one run"
    steps = np.stack(needed)
    best = steps.argmin(axis=2)
    return Race(
        racers=who, lr=np.array(lrs), needed=spread(steps, axis=0), best=np.array(lrs)[best].T,
        best_needed=spread(steps.min(axis=2), axis=0), steps=run.steps, loss=shown,
        tasks=len(needed), true_rank=run.experiment.true_rank,
    )  # fmt: skip


def _racer(rank: int, init: str) -> str:
    return to_say("full") if init == "identity" else f"LoRA r = {rank}"


def _id(racer: str) -> str:
    return f"lora_{racer.rpartition(' ')[2]}" if racer.startswith("LoRA") else "full"


def _colour(i: int) -> str:
    return "W" if i == 0 else "delta"


def _dash(i: int) -> Dash:
    return DASHES[max(i - 1, 0) % 4]


def film(record: Race) -> Film:
    """The playhead runs over the learning rates: steps needed, the losses at this one, and those at each one's best."""
    whole = np.isfinite(record.needed).all(axis=0)
    at = [int(np.argmin(np.where(np.isfinite(n), n, 1e12))) for n in record.needed[1]]

    def losses(id: str, title: str, each: list[np.ndarray]) -> Curves:
        return Curves(
            id, title, x=record.steps.astype(float), x_label=say("step"), y_label=say("loss/first loss, log"),
            scale="log", row=1, span=6,
            series=tuple(
                Curve(
                    _id(name), say(name), _colour(i), np.where((each[i] < 9) & (each[i] > 1e-9), each[i], np.nan),
                    dash=_dash(i),
                )
                for i, name in enumerate(record.racers)
            ),
        )  # fmt: skip

    return Film(
        axis=to_say("learning rate"), values=record.lr, start=_start(record), seconds_per_frame=0.6,
        narration=tuple(_narrate(record, t) for t in range(len(record.lr))),
        panels=(
            Lines(
                "steps",
                say("Steps to 1 % of the first loss, median of {tasks} tasks", tasks=record.tasks),
                y_label=say("steps, log; a line ends where not every task is done"), scale="log", x_scale="log", span=7,
                series=tuple(
                    Series(
                        _id(racer), say("{name}:", name=say(racer)), _colour(i),
                        **band(np.where(whole[i], _whole(record.needed[:, i]), np.nan)), dash=_dash(i), dots=True,
                    )
                    for i, racer in enumerate(record.racers)
                ),
                marks=(Mark("best_full", float(record.lr[at[0]]), say("full: best η"), colour="W"),),
            ),
            Readout(
                "best",
                say("Each at its best η: steps (range of {tasks})", tasks=record.tasks),
                tuple(
                    Row(
                        _id(name), say(name), (f"{_span(record.best_needed[:, i])}, η = {_lr(record.best[i])}",),
                        colour=_colour(i),
                    )
                    for i, name in enumerate(record.racers)
                ),
                span=5,
            ),
            losses("same_rate", say("Loss at the same η, the playhead's"), list(record.loss)),
            losses("best_rate", say("Loss, each at its own best η"), [record.loss[i, k] for i, k in enumerate(at)]),
        ),
    )  # fmt: skip


def _start(record: Race) -> int:
    """A small learning rate at which every racer still arrives: there the same η is the same for all."""
    fine = np.flatnonzero(np.isfinite(record.needed[1]).all(axis=0))
    return int(fine[0]) if len(fine) else 0


def _whole(steps: Float[np.ndarray, "*k"]) -> Float[np.ndarray, "*k"]:
    """Steps are whole; the record reads between two of them. Everywhere the same."""
    return np.floor(steps + 0.5)


def _span(needed: Float[np.ndarray, "3"]) -> str:
    whole = _whole(needed)
    return step_or_never(whole[1]) if np.isinf(needed).all() else ranged(whole, step_or_never)


def _lr(values: Float[np.ndarray, "S"]) -> str:
    low, high = number(values.min()), number(values.max())
    return low if low == high else say("{low} to {high}", low=low, high=high)


def _narrate(record: Race, t: int) -> str:
    steps = map(step_or_never, _whole(record.needed[1, :, t]))
    said = ", ".join(f"{say(name)}: {x}" for name, x in zip(record.racers, steps, strict=True))
    return say("All at η = {lr}. Steps to 1 % of the loss, median: {said}.", lr=number(record.lr[t]), said=said)


def takeaway(record: Race) -> str:
    """What was seen, in the run's own numbers."""
    t = _start(record)
    if not np.isfinite(record.needed[1, 0]).any():
        return say(
            "Full fine-tuning never reached 1 % of the loss in {steps} steps: train longer.", steps=record.steps[-1]
        )
    same = "; ".join(f"{say(name)}: {_span(record.needed[:, i, t])}" for i, name in enumerate(record.racers))
    best = "; ".join(f"{say(name)}: {_span(record.best_needed[:, i])}" for i, name in enumerate(record.racers))
    said = [say(
        "In this experiment, steps to 1 % of the loss over {tasks} tasks, median and range. All at η = {lr}: {same}. "
        "Each at its best η: {best}.",
        tasks=record.tasks, lr=number(record.lr[t]), same=same, best=best,
    )]  # fmt: skip
    lora = int(np.argmin(record.best_needed[1, 1:])) + 1
    with np.errstate(invalid="ignore"):
        small = record.needed[1, 1:, t].min() / record.needed[1, 0, t]
    each = record.best_needed[1, lora] / record.best_needed[1, 0]
    if np.isfinite(small) and np.isfinite(each):
        said.append(say(
            "At the same η the best LoRA took {small} times full fine-tuning's steps, at each one's best {each} times.",
            small=number(small), each=number(each),
        ))  # fmt: skip
    if small < 0.9 and each > 1.1:
        said.append(say("So the same learning rate is not the same speed: s and A's size scale LoRA's step."))
    elif each < 0.9:
        said.append(say("Here LoRA was faster even at each one's best."))
    elif 0.9 <= each <= 1.1:
        said.append(say("At each one's best they are level."))
    never = [say(name) for i, name in enumerate(record.racers) if not np.isfinite(record.best_needed[1, i])]
    if never:
        names, rank = ", ".join(never), record.true_rank
        said.append(say("{racers} never arrives: the target has rank {rank}.", racers=names, rank=rank))
    return " ".join(said)


def maths(record: Race, settings: Settings) -> str:
    """One step of each, and the largest rate that it bears."""
    scaling = settings.experiment.scaling
    return say(
        r"""
$$
\text{{full:}}\quad {dW} \leftarrow {dW} - \eta\,{G} \qquad\qquad
\text{{LoRA:}}\quad {dW} \leftarrow {dW} - \eta s^2\,({G}{A}^\top{A} + {B}{B}^\top{G}) + O(\eta^2)
$$

Full fine-tuning trains ${dW}$ itself, here as the adapter whose ${A}$ is the identity and stays so. LoRA's step is the
same gradient seen through ${A}^\top{A}$ and ${B}{B}^\top$: with $s = {scaling:.3g}$ it is short at first and, once
the factors have grown, longer than full fine-tuning's at the same $\eta$. Full fine-tuning is stable up to $\eta <
2/\lambda_{{\max}}(C)$, LoRA only up to about $1/(s\,\sigma_1)$ for round inputs, {limit} here.
Adam sets its own step per entry, which takes most of this difference away. The learning rates tried are the dots: the
best is the best of {rates}. One linear layer is raced here; this says nothing about large networks.""",
        **LETTERS, scaling=scaling, limit=number(1 / (scaling * 4)), rates=len(record.lr),
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> Race:
    """Race full fine-tuning and LoRA at every learning rate, one task after another."""
    return race(lab.train_each(race_sweeps(settings.experiment), settings.device, records=61))


def _ask(seen: Seen, _: Any) -> Measured:
    rank = seen.experiment.rank
    full, lora = (shown(seen.film, "steps", racer) for racer in ("full", f"lora_{rank}"))
    if not np.isfinite(full).any():
        raise Unanswerable(say("Full fine-tuning arrives at no learning rate tried: choose other settings."))
    at = int(np.nanargmin(full))
    words = (
        say("it does not get there"),
        say("it takes fewer steps than full fine-tuning"),
        say("it takes about as many steps"),
        say("it takes more steps than full fine-tuning"),
    )
    ratio = float(lora[at] / full[at])
    value = words[0 if np.isnan(ratio) else 1 if ratio < 0.8 else 2 if ratio < 1.25 else 3]
    name, lr = f"LoRA r = {rank}", word(seen.film.values[at])
    steps = word(lora[at]) if np.isfinite(lora[at]) else say("never")
    told = say(
        "At η = {lr}: full {full}, {name} {steps} steps, medians of 8 tasks.",
        lr=lr, full=word(full[at]), name=name, steps=steps,
    )  # fmt: skip
    return Measured(value, words, told, {"lr": lr, "name": name})


LESSON = Lesson(
    hero="steps",
    id="race", menu=to_say("LoRA against full"), title=to_say("Race: is LoRA faster than full fine-tuning?"),
    claim=to_say(
        "It depends on what is held equal. At one small learning rate LoRA takes fewer steps; with SGD and each at its "
        "own best, full fine-tuning does. Drag the learning rate."
    ),
    place=120,
    default=Experiment(
        d_in=16, d_out=20, target_rank=4, spectrum="power", condition=10.0, rank=8, alpha=2.0, scaling_rule="constant",
        optimizer="sgd", samples=64, steps=300,
    ),
    controls=(
        CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["rank"].only(1, 2, 4, 8, 16),
        CONTROLS["alpha"].only(1.0, 2.0, 4.0), CONTROLS["target_rank"].only(1, 2, 4, 8),
        CONTROLS["condition"].only(1.0, 3.0, 10.0),
    ),
    more=(CONTROLS["spectrum"], CONTROLS["steps"].only(100, 200, 300, 500)),
    measure=measure, film=film, takeaway=takeaway, maths=maths, on_paper="steps",
    exports=lambda record, settings, lab: race_sweeps(settings.experiment),
    question=Question(
        to_say("Full fine-tuning is fastest at η = {lr}. And {name} at that same η?"),
        to_say(
            "LoRA's step has the factors in it, which grow: the largest η that it bears is another one than full "
            "fine-tuning's."
        ),
        _ask,
    ),
)  # fmt: skip
