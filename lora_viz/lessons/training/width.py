"""Width: the best learning rates of full fine-tuning and of LoRA, by width, after the same few steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import log_slope, spread
from lora_viz.film.film import Film
from lora_viz.film.panels import Lines, Readout, Row, Series
from lora_viz.film.spreads import ranged, readings
from lora_viz.film.style import LETTERS, amount, number, numbers
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.lessons.training.raced_rates import Raced, raced, racers

__all__ = ["LESSON", "WidthRate", "width_rate", "width_sweeps"]

REPORTED = 10.0  # LoRA Without Regret, on language models
WIDTHS, RANKS = (16, 32, 64, 128), (4, 8, 16)
LR = tuple(float(f"{x:.3g}") for x in np.geomspace(0.002, 0.512, 17))


class WidthRate(NamedTuple):
    """Loss over the start's by learning rate, for full fine-tuning (racer 0) and LoRA of some ranks, at some widths.

    ``best`` (low, median, high; racer, width) is the rate of least loss in each seed, ``ratio`` that over full
    fine-tuning's in the same seed, ``rank_ratio`` (low, median, high; width) the largest over the least best rate among
    the ranks. ``slope`` is that of each racer's median best rate against width, both logarithmic; ``grew`` counts the
    seeds whose ratio is larger at the widest.
    """

    raced: Raced
    best: Float[np.ndarray, "3 R D"]
    ratio: Float[np.ndarray, "3 R D"]
    rank_ratio: Float[np.ndarray, "3 D"]
    slope: Float[np.ndarray, "R"]
    grew: Int[np.ndarray, "R"]


def width_sweeps(
    e: Experiment, widths: Iterable[int], ranks: Iterable[int], lrs: Iterable[float], seeds: int = 8
) -> tuple[Sweep, ...]:
    """One sweep a width and seed: full fine-tuning and LoRA, at every learning rate."""
    ranks, lrs = tuple(ranks), tuple(lrs)
    return tuple(
        Sweep(racers(replace(e, rank=1, d_in=d, d_out=d, samples=2 * d, seed=e.seed * seeds + seed), ranks, lrs))
        for d in widths
        for seed in range(seeds)
    )


def width_rate(runs: Iterable[Run]) -> WidthRate:
    """Read the runs of ``width_sweeps``."""
    found = raced(runs, "d_in", _loss)
    best = found.best_lr
    middle = spread(best, axis=0)
    return WidthRate(
        raced=found, best=middle, ratio=spread(best / best[:, :1], axis=0),
        rank_ratio=spread(best[:, 1:].max(axis=1) / best[:, 1:].min(axis=1), axis=0),
        slope=np.array([log_slope(found.places.astype(float), b) for b in middle[1]]),
        grew=(best[:, :, -1] * best[:, :1, 0] > best[:, :, 0] * best[:, :1, -1] * 1.01).sum(axis=0),
    )  # fmt: skip


def _loss(run: Run) -> Float[np.ndarray, "N"]:
    loss = run.loss[-1] / run.loss[0]
    return np.where(np.isfinite(loss), loss, np.inf)


def film(record: WidthRate) -> Film:
    """The playhead runs over the width: the ratio, both best rates, and the losses by rate at this width."""
    own = record.raced
    flat = np.ones(len(own.places))
    ratio = Lines(
        "ratio", say("LoRA's best η over that of full fine-tuning, median of {seeds} (band: all)", seeds=own.seeds),
        y_label=say("ratio"), x_scale="log", span=7,
        series=(
            *own.curves(record.ratio, ranks_only=True, dots=True),
            Series("equal", say("equal:"), "W", flat, dash="dash"),
        ),
    )  # fmt: skip
    best_here = Readout(
        "best_here", say("Best η at this width: median (range)"),
        (
            *own.rows(record.best, _range),
            Row("among_ranks", say("largest over smallest among the ranks"), readings(record.rank_ratio, _range)),
        ),
        span=5,
    )  # fmt: skip
    best = Lines(
        "best", say("Best η of each"), y_label=say("learning rate"), scale="log", x_scale="log", row=1, span=6,
        series=own.curves(record.best, dots=True),
    )  # fmt: skip
    by_rate = own.by_rate(say("At this width, by learning rate (median)"), say("loss / initial loss"))
    return Film(
        axis=to_say("width d"), values=own.places.astype(float), start=len(flat) - 1, seconds_per_frame=1.0,
        narration=tuple(_narrate(record, t) for t in range(len(flat))),
        panels=(ratio, best_here, best, by_rate),
    )  # fmt: skip


def _range(found: Float[np.ndarray, "3"]) -> str:
    low, median, high = numbers(found)
    return median if low == high else ranged(found)


def _narrate(record: WidthRate, t: int) -> str:
    return say(
        "d = {width}, ratio of best η: {ratios}.",
        width=record.raced.places[t], ratios=record.raced.ratios(record.ratio, t),
    )  # fmt: skip


@sentences
def takeaway(record: WidthRate) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    own = record.raced
    i, seeds = min(2, len(own.racers) - 1), own.seeds
    ratio, grew = record.ratio[1, i], record.grew[i]
    yield say(
        "The best learning rate of {racer} was {first} times that of full fine-tuning at d = {narrow} and {last} "
        "times at d = {wide} (medians). The ratio was larger in the widest layer in {grew} of {seeds} seeds.",
        racer=own.racers[i], first=amount(float(ratio[0])), narrow=own.places[0], last=amount(float(ratio[-1])),
        wide=own.places[-1], grew=grew, seeds=seeds,
    )  # fmt: skip


@sentences
def detail(record: WidthRate) -> Iterator[str]:
    """What was held equal, the ranges, the factor of ten that is reported, and the other ranks."""
    own, e = record.raced, record.raced.shown
    i = min(2, len(own.racers) - 1)
    ratio = record.ratio[:, i]
    yield say(
        "{steps} steps of Adam, {rule}, α = {alpha}, each at its best of {rates} η. {racer}: {first} times at "
        "d = {narrow}, {last} times at d = {wide}.",
        steps=e.steps, rule={"lora": "α/r", "rslora": "α/√r", "constant": "s = α"}[e.scaling_rule],
        alpha=number(e.alpha), rates=len(own.lr), racer=own.racers[i], first=_range(ratio[:, 0]), narrow=own.places[0],
        last=_range(ratio[:, -1]), wide=own.places[-1],
    )  # fmt: skip
    if ratio[2, -1] < REPORTED / 2:
        yield say("The factor of ten reported for language models is not reached at these widths.")
    yield say(
        "Among ranks {ranks} the best rates at d = {width} lie within a factor of {factor}.",
        ranks=", ".join(map(str, own.ranks[1:])), width=own.places[-1], factor=_range(record.rank_ratio[:, -1]),
    )  # fmt: skip
    yield from own.warn_of_edge()


def verdict(record: WidthRate) -> Verdict:
    """The ratio is larger at the widest than at the narrowest in more than three quarters of the seeds."""
    own = record.raced
    i, seeds = min(2, len(own.racers) - 1), own.seeds
    grew = int(record.grew[i])
    at = own.error.argmin(axis=3)[:, [0, i]][..., [0, -1]]
    edge = int(np.isin(at, (0, len(own.lr) - 1)).any(axis=(1, 2)).sum())
    evidence = {"grew": grew, "seeds": seeds, "at_an_end": edge, "ratio": tuple(record.ratio[1, i].tolist())}
    told = {"racer": own.racers[i], "grew": grew, "seeds": seeds, "edge": edge}
    if edge > seeds / 4:
        return undecided(say("in {edge} of {seeds} seeds a best rate lies at an end of the grid", **told), **evidence)
    why = say(
        "the best rate of {racer} relative to full fine-tuning was larger in the widest layer in {grew} of {seeds} "
        "seeds",
        **told,
    )
    return (true_here if grew > 0.75 * seeds else false_here)(why, **evidence)


def maths(record: WidthRate) -> str:
    """How far Adam's first step carries each, beside what the report says."""
    slopes = zip(record.raced.racers, record.slope, strict=True)
    return say(
        r"""
$$
\text{{Adam's first step:}}\quad |\Delta w| = \eta \text{{ in every entry}} \qquad
\text{{full:}}\ \|{dW}\|_F = \eta\, d \qquad \text{{LoRA:}}\ {dW} = s\,{B}{A},\ |{B}_{{ij}}| = \eta
$$

*LoRA Without Regret* (Schulman, Thinking Machines 2025) fits, over 14 language models, a best learning rate for LoRA of
about ten times that of full fine-tuning, regardless of rank and width, and says that its own theory (a ratio
proportional to the width) does not match. Here, with one linear layer, isotropic inputs and a target of rank
{target_rank}, Adam moves every entry of ${dW}$ by η if all weights are trained; a wider layer has more of them, whereas
the update of LoRA goes through $r$ rows only. Slopes of the best η against $d$, both logarithmic: {slopes}. The ratio
grows where LoRA's slope is the less negative one. A layer as wide as that of a language model was not tried.

The same report finds less than a factor of 2 between ranks 4 and 512 under α/r; the factor found here is in the
readout, also for the other rules. Each learning rate of the grid is $\sqrt2$ times the previous one, so no best rate is
known more precisely. Gradients are exact; there is no sampling noise.""",
        target_rank=record.raced.shown.target_rank,
        slopes=listed(f"{say(name)} {number(float(slope))}" for name, slope in slopes), **LETTERS,
    )  # fmt: skip


def sweeps(e: Experiment) -> tuple[Sweep, ...]:
    """Every width, at three ranks and all learning rates."""
    return width_sweeps(e, WIDTHS, RANKS, LR)


def measure(settings: Settings, lab: Lab) -> WidthRate:
    """Train all of them."""
    return width_rate(lab.train_each(sweeps(settings.experiment), settings.device, records=2))


def _ask(seen: Seen, _: Any) -> Measured:
    best, width = shown(seen.film, "best", "full"), seen.film.values
    ratio = float(width[-1] / width[0])
    told = say("It was {last} at d = {wide}, lower by a factor of {times}.", last=word(best[-1]), wide=int(width[-1]),
               times=amount(best[0] / best[-1]))  # fmt: skip
    about = {"first": word(best[0]), "narrow": int(width[0]), "wide": int(width[-1])}
    return Measured(float(best[-1]), (best[0], best[0] / ratio**0.5, best[0] * ratio, best[0] / ratio**2), told, about)


LESSON = Lesson(
    hero="ratio",
    id="width", menu=to_say("Learning rate and layer width"),
    title=to_say("Learning rate and layer width: how much larger is LoRA's best rate?"),
    claim=to_say(
        "The ratio of LoRA's best learning rate to that of full fine-tuning is not constant: it grows with the width "
        "of "
        "the layer."
    ),
    place=55,
    default=Experiment(target_rank=4, spectrum="flat", rank=4, alpha=32.0, optimizer="adam", steps=30, dtype="float32"),
    controls=(CONTROLS["scaling_rule"], CONTROLS["alpha"].only(8.0, 16.0, 32.0), CONTROLS["steps"].only(10, 30, 100)),
    more=(CONTROLS["spectrum"],), many=True, measure=measure, film=film, takeaway=takeaway, verdict=verdict,
    detail=detail, maths=maths, on_paper="ratio",
    exports=lambda record, settings, lab: sweeps(settings.experiment),
    question=Question(
        to_say("The best learning rate of full fine-tuning is {first} at d = {narrow}. What is it at d = {wide}?"),
        to_say(
            "Adam moves every entry by η at first, and in a wider layer more entries add up, so the rate must be "
            "smaller."
        ),
        _ask,
    ),
)  # fmt: skip
