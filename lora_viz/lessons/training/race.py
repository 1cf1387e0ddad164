"""Is LoRA faster than full fine-tuning? Steps to a hundredth of the loss at every learning rate, over several tasks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import first_below, spread
from lora_viz.film.panels import Curve, Curves, Film, Lines, Mark, Readout, Row, Series
from lora_viz.film.still import DASHES, Drawn, still_curves
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say

__all__ = ["Race", "film", "plot_race", "race", "race_sweeps", "table", "takeaway"]

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
    optimizer: str
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
        racers=who,
        lr=np.array(lrs),
        needed=spread(steps, axis=0),
        best=np.array(lrs)[best].T,
        best_needed=spread(steps.min(axis=2), axis=0),
        steps=run.steps,
        loss=shown,
        optimizer=run.experiment.optimizer,
        tasks=len(needed),
        true_rank=run.experiment.true_rank,
    )


def _racer(rank: int, init: str) -> str:
    return to_say("full") if init == "identity" else f"LoRA r = {rank}"


def _colour(i: int) -> str:
    return "W" if i == 0 else "delta"


def film(record: Race) -> Film:
    """The playhead runs over the learning rates: steps needed, the losses at this one, and those at each one's best."""
    whole = np.isfinite(record.needed).all(axis=0)
    x = record.steps.astype(float)
    at = [int(np.argmin(np.where(np.isfinite(n), n, 1e12))) for n in record.needed[1]]
    names = [say("{name}:", name=say(name)) for name in record.racers]

    def shown(loss: Float[np.ndarray, "*T k"]) -> Float[np.ndarray, "*T k"]:
        return np.where((loss < 9) & (loss > 1e-9), loss, np.nan)

    return Film(
        axis=to_say("learning rate"),
        values=record.lr,
        start=_start(record),
        seconds_per_frame=0.6,
        narration=tuple(_narrate(record, t) for t in range(len(record.lr))),
        panels=(
            Lines(
                title=say("Steps to 1 % of the first loss, median of {tasks} tasks", tasks=record.tasks),
                y_label=say("steps, log; a line ends where not every task is done"),
                scale="log",
                x_scale="log",
                span=7,
                series=tuple(
                    Series(
                        name=names[i],
                        colour=_colour(i),
                        y=np.where(whole[i], _whole(record.needed[1, i]), np.nan),
                        low=np.where(whole[i], _whole(record.needed[0, i]), np.nan),
                        high=np.where(whole[i], _whole(record.needed[2, i]), np.nan),
                        dash=DASHES[max(i - 1, 0) % 4],
                        dots=True,
                    )
                    for i in range(len(names))
                ),
                marks=(Mark(at=float(record.lr[at[0]]), label=say("full: best η"), colour="W"),),
            ),
            Readout(
                title=say("Each at its best η: steps (range of {tasks})", tasks=record.tasks),
                span=5,
                rows=tuple(
                    Row(
                        label=say(name),
                        text=(f"{_span(record.best_needed[:, i])}, η = {_lr(record.best[i])}",),
                        colour=_colour(i),
                    )
                    for i, name in enumerate(record.racers)
                ),
            ),
            Curves(
                title=say("Loss at the same η, the playhead's"),
                x=x,
                x_label=say("step"),
                y_label=say("loss/first loss, log"),
                scale="log",
                row=1,
                span=6,
                series=tuple(
                    Curve(name=say(name), colour=_colour(i), y=shown(record.loss[i]), dash=DASHES[max(i - 1, 0) % 4])
                    for i, name in enumerate(record.racers)
                ),
            ),
            Curves(
                title=say("Loss, each at its own best η"),
                x=x,
                x_label=say("step"),
                y_label=say("loss/first loss, log"),
                scale="log",
                row=1,
                span=6,
                series=tuple(
                    Curve(
                        name=say(name),
                        colour=_colour(i),
                        y=shown(record.loss[i, at[i]]),
                        dash=DASHES[max(i - 1, 0) % 4],
                    )
                    for i, name in enumerate(record.racers)
                ),
            ),
        ),
    )


def _start(record: Race) -> int:
    """A small learning rate at which every racer still arrives: there the same η is the same for all."""
    fine = np.flatnonzero(np.isfinite(record.needed[1]).all(axis=0))
    return int(fine[0]) if len(fine) else 0


def _whole(steps: Float[np.ndarray, "*k"]) -> Float[np.ndarray, "*k"]:
    """Steps are whole; the record reads between two of them. Everywhere the same."""
    return np.floor(steps + 0.5)


def _steps(value: float) -> str:
    return f"{np.floor(value + 0.5):.0f}" if np.isfinite(value) else say("never")


def _span(needed: Float[np.ndarray, "3"]) -> str:
    low, median, high = map(_steps, needed)
    if np.isinf(needed).all():
        return median
    return say("{median} ({low} to {high})", median=median, low=low, high=high)


def _lr(values: Float[np.ndarray, "S"]) -> str:
    low, high = number(float(values.min())), number(float(values.max()))
    return low if low == high else say("{low} to {high}", low=low, high=high)


def _narrate(record: Race, t: int) -> str:
    said = ", ".join(f"{say(name)}: {_steps(record.needed[1, i, t])}" for i, name in enumerate(record.racers))
    return say("All at η = {lr}. Steps to 1 % of the loss, median: {said}.", lr=number(float(record.lr[t])), said=said)


def takeaway(record: Race) -> str:
    """What was seen, in the run's own numbers."""
    t = _start(record)
    if not np.isfinite(record.needed[1, 0]).any():
        return say(
            "Full fine-tuning never reached 1 % of the loss in {steps} steps: train longer.", steps=record.steps[-1]
        )
    same = "; ".join(f"{say(name)}: {_span(record.needed[:, i, t])}" for i, name in enumerate(record.racers))
    best = "; ".join(f"{say(name)}: {_span(record.best_needed[:, i])}" for i, name in enumerate(record.racers))
    said = [
        say(
            "In this experiment, steps to 1 % of the loss over {tasks} tasks, median and range. "
            "All at η = {lr}: {same}. Each at its best η: {best}.",
            tasks=record.tasks,
            lr=number(float(record.lr[t])),
            same=same,
            best=best,
        )
    ]
    lora = int(np.argmin(record.best_needed[1, 1:])) + 1
    with np.errstate(invalid="ignore"):
        small = record.needed[1, 1:, t].min() / record.needed[1, 0, t]
    each = record.best_needed[1, lora] / record.best_needed[1, 0]
    if np.isfinite(small) and np.isfinite(each):
        said.append(
            say(
                "At the same η the best LoRA took {small} times full fine-tuning's steps, at each one's "
                "best {each} times.",
                small=number(float(small)),
                each=number(float(each)),
            )
        )
    if small < 0.9 and each > 1.1:
        said.append(say("So the same learning rate is not the same speed: s and A's size scale LoRA's step."))
    elif each < 0.9:
        said.append(say("Here LoRA was faster even at each one's best."))
    elif 0.9 <= each <= 1.1:
        said.append(say("At each one's best they are level."))
    never = [say(name) for i, name in enumerate(record.racers) if not np.isfinite(record.best_needed[1, i])]
    if never:
        said.append(
            say(
                "{racers} never arrives: the target has rank {rank}.",
                racers=", ".join(never),
                rank=record.true_rank,
            )
        )
    return " ".join(said)


def table(record: Race) -> dict[str, np.ndarray]:
    """Steps needed by learning rate, as columns."""
    columns: dict[str, np.ndarray] = {"lr": record.lr}
    for i, name in enumerate(record.racers):
        for end, values in zip(("low", "median", "high"), record.needed[:, i], strict=True):
            columns[f"{name}_{end}"] = _whole(values)
    return columns


def plot_race(record: Race, *, theme: str = "light") -> go.Figure:
    """Steps needed against the learning rate, one curve a racer."""
    return still_curves(
        [
            Drawn(
                say(name),
                _colour(i),
                record.lr,
                _whole(record.needed[1, i]),
                DASHES[max(i - 1, 0) % 4],
                dots=True,
                low=_whole(record.needed[0, i]),
                high=_whole(record.needed[2, i]),
            )
            for i, name in enumerate(record.racers)
        ],
        title=say("Steps to 1 % of the first loss"),
        x=say("learning rate η"),
        y=say("steps"),
        log="xy",
        theme=theme,
    )
