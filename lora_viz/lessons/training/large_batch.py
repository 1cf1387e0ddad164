"""Large batches: one pass over the samples by batch size, full fine-tuning and LoRA each at its best learning rate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.film.film import Film
from lora_viz.film.panels import Lines, Readout, Series
from lora_viz.film.spreads import ranged
from lora_viz.film.style import LETTERS, amount, number
from lora_viz.i18n.language import english, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.lessons.training.raced_rates import Raced, raced, racers

__all__ = ["PART", "LargeBatch", "large_batch", "one_pass"]

BATCHES = (32, 64, 128, 256)
GAP = 1.2  # times: a ratio above it is a gap, one that grew by it has grown
LR = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32)
DEFAULT = Experiment(
    d_in=32, d_out=32, target_rank=4, spectrum="flat", alpha=32.0, optimizer="adam", schedule="linear", samples=1024,
    dtype="float32",
)  # fmt: skip


class LargeBatch(NamedTuple):
    """‖ΔW − ΔW*‖²/‖ΔW*‖² after one pass, for full fine-tuning (racer 0) and LoRA of some ranks.

    ``left`` (low, median, high; racer, batch) is that at each seed's best learning rate, ``ratio`` that over full
    fine-tuning's of the same seed.
    """

    raced: Raced
    steps: Int[np.ndarray, "K"]
    left: Float[np.ndarray, "3 R K"]
    ratio: Float[np.ndarray, "3 R K"]
    true_rank: int
    samples: int


def one_pass(
    e: Experiment, batches: Iterable[int], ranks: Iterable[int], lrs: Iterable[float], seeds: int = 8
) -> tuple[Sweep, ...]:
    """One sweep a batch size and seed: full fine-tuning and LoRA, at every learning rate."""
    ranks, lrs = tuple(ranks), tuple(lrs)
    return tuple(
        Sweep(racers(replace(e, batch=batch, steps=e.samples // batch, seed=e.seed * seeds + seed), ranks, lrs))
        for batch in batches
        for seed in range(seeds)
    )


def large_batch(runs: Iterable[Run]) -> LargeBatch:
    """Read the runs of ``one_pass``."""
    found = raced(runs, "batch", _left)
    with np.errstate(invalid="ignore"):
        ratio = found.least / found.least[:, :1]
    return LargeBatch(
        raced=found, steps=found.shown.samples // found.places, left=spread(found.least, axis=0),
        ratio=spread(ratio, axis=0), true_rank=found.shown.true_rank, samples=found.shown.samples,
    )  # fmt: skip


def _left(run: Run) -> Float[np.ndarray, "N"]:
    target, left = run.task.target_delta, np.full(len(run.sweep), np.inf)
    for i in np.flatnonzero(run.diverged_at < 0):
        left[i] = np.sum((run.delta_weight(int(i))[-1] - target) ** 2) / np.sum(target**2)
    return left


def film(record: LargeBatch) -> Film:
    """The playhead runs over the batch size: errors by learning rate, at the best one, and over full fine-tuning's."""
    own, frames = record.raced, range(len(record.steps))
    ratio = Lines(
        "ratio", say("Error over that of full fine-tuning, each at its best η"),
        y_label=say("ratio (median of {seeds}, band: all)", seeds=own.seeds), reach=2.0, x_scale="log", span=7,
        series=(
            *own.curves(record.ratio, ranks_only=True),
            Series("full", say("full fine-tuning:"), "W", np.ones(len(frames)), dash="dash"),
        ),
    )  # fmt: skip
    left = Readout("left", say("At this batch: remaining error, median (range)"), own.rows(record.left, ranged), span=5)
    errors = Lines(
        "errors", say("Remaining error after one pass, each at its best η"), y_label="‖ΔW − ΔW*‖²/‖ΔW*‖²",
        scale="log", x_scale="log", row=1, span=6, series=own.curves(record.left),
    )  # fmt: skip
    by_rate = own.by_rate(say("At this batch, by learning rate (median)"), say("remaining error"), dots=True)
    return Film(
        axis=to_say("batch"), of_last=True, values=own.places.astype(float), start=len(frames) - 1,
        seconds_per_frame=1.0, narration=tuple(_narrate(record, t) for t in frames),
        panels=(ratio, left, errors, by_rate),
    )  # fmt: skip


def _narrate(record: LargeBatch, t: int) -> str:
    return say(
        "Batch {batch}, {steps} steps, error ratio: {ratios}.",
        batch=record.raced.places[t], steps=record.steps[t], ratios=record.raced.ratios(record.ratio, t),
    )  # fmt: skip


@sentences
def takeaway(record: LargeBatch) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    own, small, whole = record.raced, 1, len(record.raced.racers) - 1
    first, last = record.ratio[:, :, 0], record.ratio[:, :, -1]
    yield say(
        "{racer} left {first} times the error of full fine-tuning at batch {least} and {last} times at batch {most}. "
        "{whole}, the full width, left {whole_first} and {whole_last} times (medians).",
        racer=own.racers[small], first=amount(float(first[1, small])), least=own.places[0],
        last=amount(float(last[1, small])), most=own.places[-1], whole=own.racers[whole],
        whole_first=amount(float(first[1, whole])), whole_last=amount(float(last[1, whole])),
    )  # fmt: skip


@sentences
def detail(record: LargeBatch) -> Iterator[str]:
    """The ranges over the seeds, what the report says beside it, and whether the grid was wide enough."""
    own, small, whole = record.raced, 1, len(record.raced.racers) - 1
    last = record.ratio[:, :, -1]
    yield say(
        "One pass over {samples} samples, {seeds} seeds, each at its best of {rates} η. At batch {most} the error is "
        "{small} times ({racer}) and {whole} times ({whole_racer}) that of full fine-tuning.",
        samples=record.samples, seeds=own.seeds, rates=len(own.lr), most=own.places[-1], racer=own.racers[small],
        small=ranged(last[:, small]), whole_racer=own.racers[whole], whole=ranged(last[:, whole]),
    )  # fmt: skip
    if last[1, small] > GAP > last[1, whole]:
        yield say("Here a higher rank removes the gap, unlike what the report says of language models.")
    yield from own.warn_of_edge()


def verdict(record: LargeBatch) -> Verdict:
    """The smallest rank is worse and more so at the largest batch; the full width is not worse there."""
    first, last = record.ratio[1, 1, 0], record.ratio[1, 1, -1]
    whole = record.ratio[1, -1, -1]
    evidence = {"first": float(first), "last": float(last), "whole": float(whole)}
    told = {"racer": record.raced.racers[1], "first": number(float(first)), "last": amount(float(last)),
            "whole": amount(float(whole))}  # fmt: skip
    if not np.isfinite((first, last, whole)).all():
        return undecided(say("too many runs diverged"), **evidence)
    if last <= GAP:
        return false_here(say("at the largest batch {racer} left {last} times the error", **told), **evidence)
    if last <= GAP * first:
        return false_here(
            say(
                "the error of {racer} relative to full fine-tuning was {first} at the smallest batch and {last} at "
                "the largest",
                **told,
            ),
            **evidence,
        )
    if whole >= GAP:
        return false_here(say("at the largest batch the full width left {whole} times the error", **told), **evidence)
    return true_here(
        say("the error of {racer} relative to full fine-tuning grew from {first} to {last}; at the largest batch the "
            "full width left {whole} times the error", **told),
        **evidence,
    )  # fmt: skip


def maths(record: LargeBatch, settings: Settings) -> str:
    """Why few steps cost a product more, beside what the report says."""
    e, own = settings.experiment, record.raced
    return say(
        r"""
$$
\text{{steps}} = {samples} / \text{{batch}}: \quad {steps} \qquad
\text{{full:}}\ {dW}\ \text{{steps itself}} \qquad \text{{LoRA:}}\ \nabla_{{{B}}} = s\,{G}{A}^\top,\
\nabla_{{{A}}} = s\,{B}^\top {G}
$$

*LoRA Without Regret* (Schulman, Thinking Machines 2025) reports that LoRA copes less well with large batches than full
fine-tuning, and that a higher rank does not change this: a property of the product. Here: one linear layer of
{d_out}×{d_in}, isotropic inputs, a target of rank {true_rank}, Adam with η falling to 0, one pass over
{samples} samples. A larger batch means fewer steps, and a product needs steps in turn: ${B}$ moves only along the rows
of ${A}$ until ${A}$ has changed, which needs ${B}$. At $r = {rank}$, where ${A}$ spans every input at initialisation,
the ratio is {ratio} at batch {batch}. Whether that holds in a deep network is not tested. The error is relative to the
target update; each method has its best of {rates} learning rates in each seed.""",
        samples=e.samples, steps=", ".join(map(str, record.steps)), d_out=e.d_out, d_in=e.d_in,
        true_rank=record.true_rank, rank=own.ranks[-1], ratio=number(float(record.ratio[1, -1, -1])),
        batch=own.places[-1], rates=len(own.lr), **LETTERS,
    )  # fmt: skip


def sweeps(e: Experiment) -> tuple[Sweep, ...]:
    """The pass at every batch size, at two small ranks and at full width."""
    return one_pass(e, BATCHES, (4, 8, e.d_in), LR)


def measure(settings: Settings, lab: Lab) -> LargeBatch:
    """Train all of them."""
    return large_batch(lab.train_each(sweeps(settings.experiment), settings.device, records=2))


def _ask(seen: Seen, _: Any) -> Measured:
    batch, (small, large) = seen.film.values, seen.film.panel("ratio").parts()[:2]
    few, middle = (shown(seen.film, "ratio", part.id) for part in (small, large))
    name = english(large.name).rstrip(":")  # type: ignore[union-attr]
    told = say("{name} left {times} times the error of full fine-tuning at batch {small}, median of 8.", name=name,
               times=amount(middle[1]), small=int(batch[1]))  # fmt: skip
    about = {"name": name, "large": int(batch[-1]), "most": word(middle[-1]), "small": int(batch[1])}
    shrunk = middle[-1] * batch[1] / batch[-1]
    return Measured(float(middle[1]), (float(middle[-1]), float(few[1]), float(shrunk)), told, about)


PART = Lesson(
    hero="ratio",
    id="large_batch", menu=to_say("Large batches"), title=to_say("Large batches: does LoRA cope with them?"),
    claim=to_say(
        "At a small rank, LoRA leaves a larger error than full fine-tuning, and the gap grows with the batch. At full "
        "width it disappears."
    ),
    place=122, default=DEFAULT, controls=(CONTROLS["target_rank"].only(2, 4, 8), CONTROLS["spectrum"]),
    more=(CONTROLS["noise"].only(0.0, 0.1, 0.3, 1.0),), measure=measure, film=film, takeaway=takeaway,
    verdict=verdict, detail=detail, maths=maths, on_paper="ratio", exports=lambda record, settings,
    lab: sweeps(settings.experiment),
    question=Question(
        to_say(
            "{name} leaves {most} times the error of full fine-tuning at batch {large}. How many times is it at batch "
            "{small}?"
        ),
        to_say("A larger batch leaves fewer steps for one pass, and A and B need steps in turn."),
        _ask,
    ),
)  # fmt: skip
