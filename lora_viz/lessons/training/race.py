"""LoRA against full fine-tuning: steps to a hundredth of the loss at every learning rate, over several tasks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
from lora_viz.film.spreads import low_to_high, ranged
from lora_viz.film.still import DASHES
from lora_viz.film.style import LETTERS, amount, number
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.tasks import target_spectrum
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences, step_or_never
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["PART", "Race", "race", "race_sweeps"]

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
    return to_say("full fine-tuning") if init == "identity" else f"LoRA r = {rank}"


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
            id, title, x=record.steps.astype(float), x_label=say("step"), y_label=say("loss / initial loss, log"),
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
                say("Steps to 1 % of the initial loss, median of {tasks} tasks", tasks=record.tasks),
                y_label=say("steps, log; a line ends where a task fails"), scale="log", x_scale="log", span=7,
                series=tuple(
                    Series(
                        _id(racer), say("{name}:", name=say(racer)), _colour(i),
                        **band(np.where(whole[i], _whole(record.needed[:, i]), np.nan)), dash=_dash(i), dots=True,
                    )
                    for i, racer in enumerate(record.racers)
                ),
                marks=(Mark("best_full", float(record.lr[at[0]]), say("best η of full FT"), colour="W"),),
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
            losses("same_rate", say("Loss, all at the η of the playhead"), list(record.loss)),
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
    return low_to_high(values.tolist())


def _narrate(record: Race, t: int) -> str:
    steps = map(step_or_never, _whole(record.needed[1, :, t]))
    said = "; ".join(f"{say(name)}: {x}" for name, x in zip(record.racers, steps, strict=True))
    return say("Median steps at η = {lr}: {said}.", lr=number(record.lr[t]), said=said)


@sentences
def takeaway(record: Race) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if not np.isfinite(record.needed[1, 0]).any():
        yield say(
            "Full fine-tuning never reached 1 % of the loss in {steps} steps: train longer.", steps=record.steps[-1]
        )
        return
    small, each = _ratios(record)
    if np.isfinite(small):
        yield say(
            "All at η = {lr}, the best LoRA run needed {times} times the steps of full fine-tuning.",
            lr=number(record.lr[_start(record)]), times=amount(small),
        )  # fmt: skip
    if np.isfinite(each):
        yield say("With each method at its best η it needed {times} times as many.", times=amount(each))
    if never := [i for i in range(len(record.racers)) if not np.isfinite(record.best_needed[1, i])]:
        names = ", ".join(say(record.racers[i]) for i in never)
        yield say("Goal not reached by {names}; the target has rank {rank}.", names=names, rank=record.true_rank)


@sentences
def detail(record: Race) -> Iterator[str]:
    """Every method's steps with their range, and whether a best learning rate is the last one tried."""
    if not np.isfinite(record.needed[1, 0]).any():
        return
    t = _start(record)
    for at, needed in (
        (say("all at η = {lr}", lr=number(record.lr[t])), record.needed[:, :, t]),
        (say("each at its best η"), record.best_needed),
    ):
        each = "; ".join(f"{say(name)}: {_span(needed[:, i])}" for i, name in enumerate(record.racers))
        yield say(
            "Steps to 1 % of the loss, {at}, median and range of {tasks} tasks: {each}.", at=at, tasks=record.tasks,
            each=each,
        )  # fmt: skip
    if edge := [
        say(name)
        for i, name in enumerate(record.racers)
        if np.isfinite(record.best_needed[1, i]) and np.median(record.best[i]) in (record.lr[0], record.lr[-1])
    ]:
        yield say(
            "The best η is the smallest or largest one tried, so a better one may lie outside, for: {names}.",
            names=", ".join(edge),
        )


def _ratios(record: Race) -> tuple[float, float]:
    """The steps of the best LoRA over those of full fine-tuning: at one small η, and each at its best; NaN if none."""
    t = _start(record)
    with np.errstate(invalid="ignore"):
        small = record.needed[1, 1:, t].min() / _or_nan(record.needed[1, 0, t])
        each = record.best_needed[1, 1:].min() / _or_nan(record.best_needed[1, 0])
    return _or_nan(small), _or_nan(each)


def _or_nan(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")


def verdict(record: Race, settings: Settings) -> Verdict:
    """Fewer steps for LoRA at the smallest η at which all reach the goal; with SGD, more with each at its best."""
    small, each = _ratios(record)
    evidence = {"same_rate": small, "best_rates": each}
    if np.isnan(small) or np.isnan(each):
        return undecided(say("not every method reached the goal"), **evidence)
    lr = number(record.lr[_start(record)])
    if small >= 1:
        return false_here(
            say("at η = {lr} the best LoRA run needed {times} times the steps of full fine-tuning", lr=lr,
                times=amount(small)), **evidence,
        )  # fmt: skip
    if settings.experiment.optimizer == "sgd" and each <= 1:
        return false_here(
            say("with each at its best η the best LoRA run needed {times} times the steps of full fine-tuning",
                times=amount(each)), **evidence,
        )  # fmt: skip
    return true_here(
        say("the best LoRA run needed {small} times the steps of full fine-tuning at η = {lr}, {each} times with each "
            "at its best η", small=amount(small), lr=lr, each=amount(each)), **evidence,
    )  # fmt: skip


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
same gradient multiplied by ${A}^\top{A}$ and ${B}{B}^\top$, here with $s = {scaling:.3g}$, so its length changes while
the factors grow. Both formulas are those of SGD. Full fine-tuning is then stable for
$\eta < 2/\lambda_{{\max}}(C)$. LoRA is stable up to about $1/(s\,\sigma_1)$ if the inputs are isotropic; with the
target's largest singular value here, that would be {limit}. Adam sets its own step per entry, which removes most of
this difference. The learning rates tried are the dots, so the best is the best of {rates}. This compares one linear
layer and says nothing about large networks.""",
        **LETTERS, scaling=scaling, rates=len(record.lr),
        limit=number(1 / (scaling * float(target_spectrum(settings.experiment)[0]))),
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> Race:
    """Race full fine-tuning and LoRA at every learning rate, one task after another."""
    return race(lab.train_each(race_sweeps(settings.experiment), settings.device, records=61))


def _ask(seen: Seen, _: Any) -> Measured:
    rank = seen.experiment.rank
    full, lora = (shown(seen.film, "steps", racer) for racer in ("full", f"lora_{rank}"))
    if not np.isfinite(full).any():
        raise Unanswerable(
            say("Full fine-tuning does not reach the goal at any learning rate tried. Choose other settings.")
        )
    at = int(np.nanargmin(full))
    words = (
        say("it does not reach the goal"),
        say("it needs fewer steps than full fine-tuning"),
        say("it needs about as many steps"),
        say("it needs more steps than full fine-tuning"),
    )
    ratio = float(lora[at] / full[at])
    value = words[0 if np.isnan(ratio) else 1 if ratio < 0.8 else 2 if ratio < 1.25 else 3]
    name, lr = f"LoRA r = {rank}", word(seen.film.values[at])
    steps = word(lora[at]) if np.isfinite(lora[at]) else say("never")
    told = say(
        "Steps at η = {lr}, medians of 8 tasks: full fine-tuning {full}; {name}: {steps}.",
        lr=lr, full=word(full[at]), name=name, steps=steps,
    )  # fmt: skip
    return Measured(value, words, told, {"lr": lr, "name": name})


PART = Lesson(
    hero="steps",
    id="race", menu=to_say("LoRA vs full fine-tuning"), title=to_say("LoRA vs full fine-tuning: which is faster?"),
    claim=to_say(
        "At one small learning rate LoRA needs fewer steps than full fine-tuning. With SGD and each at its best rate, "
        "full fine-tuning needs fewer."
    ),
    place=120,
    default=Experiment(
        d_in=16, d_out=20, target_rank=4, spectrum="power", condition=10.0, rank=8, alpha=2.0, scaling_rule="constant",
        optimizer="sgd", samples=64, steps=300,
    ),
    controls=(
        CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["rank"].only(1, 2, 4, 8, 16),
        CONTROLS["alpha"].only(1.0, 2.0, 4.0), CONTROLS["target_rank"].only(1, 2, 4, 8),
    ),
    more=(CONTROLS["condition"].only(1.0, 3.0, 10.0), CONTROLS["spectrum"], CONTROLS["steps"].only(100, 200, 300, 500)),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail,
    maths=maths, on_paper="steps",
    exports=lambda record, settings, lab: race_sweeps(settings.experiment),
    question=Question(
        to_say("Full fine-tuning is fastest at η = {lr}. How does {name} do at the same η?"),
        to_say(
            "LoRA's step contains the factors, and they grow. Its largest stable η is therefore not that of full "
            "fine-tuning."
        ),
        _ask,
    ),
)  # fmt: skip
