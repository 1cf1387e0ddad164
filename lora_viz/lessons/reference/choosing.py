"""Choosing r, α and the learning rate: what people begin with, beside what the three do to each other, measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from html import escape
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.practice import PRACTICE
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Lines, Series
from lora_viz.film.still import DASHES
from lora_viz.film.style import number
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Columns, Door, Doors, Html, Moving, Part, Prose
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.lessons.walk import links

__all__ = ["LESSON", "Choosing", "choosing", "choosing_sweeps"]

RANKS = (2, 4, 8)
ALPHAS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
LR = tuple(float(f"{x:.3g}") for x in np.geomspace(0.0005, 1.024, 12))

_STYLE = """<style>
.practice { border-collapse: collapse; width: 100%; font-size: 0.95rem; line-height: 1.3; }
.practice td { border-top: 1px solid rgba(128, 128, 128, 0.35); padding: 0.35rem 0.6rem 0.35rem 0; }
.practice td { vertical-align: top; }
.practice small { opacity: 0.8; font-size: 0.85rem; }
.practice a { color: inherit; text-decoration: underline; }
</style>"""


class Choosing(NamedTuple):
    """Loss over the start's after some steps, by α, rank and learning rate; infinite where a run diverged."""

    alpha: Float[np.ndarray, "K"]
    rank: Int[np.ndarray, "R"]
    lr: Float[np.ndarray, "L"]
    error: Float[np.ndarray, "K R L"]
    steps: int
    optimizer: str

    @property
    def best_lr(self) -> Float[np.ndarray, "K R"]:
        """The rate of least loss."""
        return self.lr[self.error.argmin(axis=2)]

    @property
    def at_edge(self) -> int:
        """How many best rates lie at an end of the grid."""
        return int(np.isin(self.error.argmin(axis=2), (0, len(self.lr) - 1)).sum())


def choosing_sweeps(
    e: Experiment, alphas: Iterable[float], ranks: Iterable[int], lrs: Iterable[float]
) -> tuple[Sweep, ...]:
    """One sweep an α: every rank at every learning rate, on one task, from starts that are rows of each other."""
    ranks, lrs = tuple(ranks), tuple(lrs)
    return tuple(Sweep(tuple(replace(e, alpha=a, rank=r, lr=lr) for r in ranks for lr in lrs)) for a in alphas)


def choosing(runs: Iterable[Run]) -> Choosing:
    """Read the runs of ``choosing_sweeps``."""
    alphas, errors = [], []
    for run in runs:
        own = run.sweep.experiments
        ranks, lrs = sorted({x.rank for x in own}), sorted({x.lr for x in own})
        left = run.loss[-1] / run.loss[0]
        alphas.append(run.experiment.alpha)
        errors.append(np.where(np.isfinite(left), left, np.inf).reshape(len(ranks), len(lrs)))
    return Choosing(np.array(alphas), np.array(ranks), np.array(lrs), np.stack(errors), own[0].steps, own[0].optimizer)


def measure(settings: Settings, lab: Lab) -> Choosing:
    """Train every rank at every rate and α."""
    return choosing(lab.train_each(choosing_sweeps(settings.experiment, ALPHAS, RANKS, LR), settings.device, records=2))


def moving(record: Choosing) -> Film:
    """The playhead runs over α: the loss by learning rate at this α, and each rank's best rate."""
    shown = np.where(np.isfinite(record.error) & (record.error < 100), record.error, np.nan)
    looks = [{"colour": "delta", "dash": DASHES[i % 4]} for i in range(len(record.rank))]
    by_rate = Curves(
        "by_rate", say("At this α: what is left of the loss"), x=record.lr, x_label=say("learning rate η, log"),
        y_label=say("loss / initial loss, log"), scale="log", x_scale="log", row=1, span=12,
        series=tuple(
            Curve(f"rank_{r}", f"r = {r}", y=shown[:, i], dots=True, **looks[i])  # type: ignore[arg-type]
            for i, r in enumerate(record.rank)
        ),
    )  # fmt: skip
    best = Lines(
        "best_rate", say("Best learning rate"), y_label=say("learning rate, log"), scale="log", x_scale="log", span=12,
        series=tuple(
            Series(f"rank_{r}", f"r = {r}:", y=record.best_lr[:, i], dots=True, **looks[i])  # type: ignore[arg-type]
            for i, r in enumerate(record.rank)
        ),
    )  # fmt: skip
    return Film(
        axis="α", values=record.alpha, start=len(record.alpha) // 2, seconds_per_frame=1.0, panels=(best, by_rate),
        narration=tuple(_narrate(record, t) for t in range(len(record.alpha))),
    )  # fmt: skip


def _narrate(record: Choosing, t: int) -> str:
    bests = ", ".join(
        say("{rate} (r = {rank})", rate=number(float(rate)), rank=rank)
        for rate, rank in zip(record.best_lr[t], record.rank, strict=True)
    )
    return say("α = {alpha}: best learning rate {bests}.", alpha=number(float(record.alpha[t])), bests=bests)


@sentences
def takeaway(record: Choosing) -> Iterator[str]:
    """What α did to the best rate, and how far the ranks' best rates lie apart."""
    best = record.best_lr
    yield say("Measured on a small layer: {fell}.", fell=_fell(record))
    apart = (best.max(axis=1) / best.min(axis=1)).max()
    if apart > 1:
        yield say("At one α the ranks' best rates lay up to a factor of {apart} apart.", apart=number(float(apart)))
    else:
        yield say("At each α all ranks had the same best rate of this grid.")


def _fell(record: Choosing) -> str:
    falls = record.best_lr[0] / record.best_lr[-1]
    return say(
        "with {optimizer}, from α = {low} to α = {high}, the best learning rate changed by these factors: {falls}",
        optimizer={"sgd": "SGD", "adam": "Adam"}[record.optimizer],
        low=number(float(record.alpha[0])), high=number(float(record.alpha[-1])),
        falls=listed(f"1/{number(float(fall))} (r = {rank})" for fall, rank in zip(falls, record.rank, strict=True)),
    )  # fmt: skip


def verdict(record: Choosing) -> Verdict:
    """Whether the best rate is smaller at the largest α than at the smallest, at every rank."""
    falls = record.best_lr[0] / record.best_lr[-1]
    if record.at_edge > len(record.alpha):
        return undecided(say("too many best rates lie at an end of the grid"), at_edge=record.at_edge)
    return (true_here if (falls > 1).all() else false_here)(_fell(record), falls=tuple(map(float, falls)))


def practice_html() -> str:
    """The starting values, each with its source and with links to what is measured of it."""
    known = links()
    rows = "".join(
        f"<tr><td><b>{escape(say(each.name))}</b></td><td>{escape(say(each.begin))}<br><small>"
        f"{escape(say(each.source))} {say('Seen in:')} {', '.join(known[name] for name in each.seen)}</small></td></tr>"
        for each in PRACTICE
    )
    return f'{_STYLE}<table class="practice">{rows}</table>'


def body(record: Choosing) -> tuple[Part, ...]:
    """Practice beside the measurement, and where to go on."""
    practice = (Prose(f"**{say('Practice, not measured here')}**"), Html(lambda theme: practice_html()))
    measured = (Prose(f"**{say('Measured here, live')}**"), Moving("choosing", moving(record)))
    doors = (Door(say("What does it cost?"), "budget"), Door(say("What do α and r do to a step?"), "scaling"),
             Door(say("Is it ten times?"), "width"))  # fmt: skip
    return Columns((practice, measured), gap="large", widths=(5, 7)), Doors(doors, across=True)


def table(record: Choosing) -> dict[str, np.ndarray]:
    """Every run, a row each."""
    alpha, rank, lr = np.meshgrid(record.alpha, record.rank, record.lr, indexing="ij")
    return {"alpha": alpha.ravel(), "rank": rank.ravel(), "lr": lr.ravel(), "loss_over_first": record.error.ravel()}


LESSON = Lesson(
    id="choosing", menu=to_say("Choosing r, α and η"),
    title=to_say("Choosing r, α and the learning rate: with what do I begin?"),
    claim=to_say("Begin with the values that others used, and change one thing at a time. The larger α is, the "
                 "smaller the best learning rate."),
    place=5,
    default=Experiment(
        task="full_rank", spectrum="power", d_in=24, d_out=24, samples=96, rank=2, alpha=8.0, optimizer="adam",
        lr=0.01, steps=100,
    ),
    controls=(CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["scaling_rule"].only("lora", "rslora")),
    more=(CONTROLS["steps"].only(50, 100, 200), CONTROLS["noise"]),
    measure=measure, takeaway=takeaway, verdict=verdict, table=table, body=body,
)  # fmt: skip
