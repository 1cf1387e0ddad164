"""An adapter merged into a quantised base: which update is stored at every size, and what the network recognises."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.seeds import spread
from lora_viz.export.scripts.digits import requantised_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.film import Film
from lora_viz.film.panels import HeatMap, Lines, Mark, Readout, Row, Series, band
from lora_viz.film.style import number, numbers, percent, tint, to_a_tenth
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.networks.digits import DigitsExperiment
from lora_viz.networks.minilm_evidence import minilm_evidence
from lora_viz.networks.requantise import FORMATS, RequantiseRun, merge_quantised

__all__ = ["PART", "QuantisedMerge", "quantised_merge"]

CORNER = 24  # rows and columns of the heat maps
SMALL = 0.01  # ‖ΔW‖/‖W‖ of the update that words tell of
LOST = 0.5  # an error of the stored update beyond which it is rounded away
CLOSE = 0.02  # of accuracy: as good as in float32
COLOURS = {"int8": "clean", "int4": "alarm", "NF4": "ink"}


class QuantisedMerge(NamedTuple):
    """(low, median, high) over the member networks, one column a format of ``formats``; sizes ρ = ‖ΔW‖/‖W‖.

    ``lost`` is the relative error of the update that is stored after merging and quantising again, ``kept_level`` the
    share of weights that stay on their level, both over the sizes. ``accuracy`` has three rows: the quantised base
    alone, with the adapter riding on it, with the adapter merged and quantised again; ``plain`` is the float32 base
    with its adapter. ``natural`` is the size as trained, ``minilm`` the median size of a real transformer's updates.
    ``asked`` and ``arrived`` are a corner of ΔW in the shown format.
    """

    formats: tuple[str, ...]
    shown: str
    rank: int
    sizes: Float[np.ndarray, "T"]
    base_error: Float[np.ndarray, "F"]
    lost: Float[np.ndarray, "3 T F"]
    kept_level: Float[np.ndarray, "3 T F"]
    natural: float
    minilm: float
    plain: float
    accuracy: Float[np.ndarray, "3 F"]
    asked: Float[np.ndarray, "T m n"]
    arrived: Float[np.ndarray, "T m n"]
    members: int


def quantised_merge(run: RequantiseRun, *, shown: str = "NF4") -> QuantisedMerge:
    """Medians and ranges over the members, and what the shown format does to the first layer."""
    f = list(FORMATS).index(shown)
    return QuantisedMerge(
        formats=tuple(FORMATS),
        shown=shown,
        rank=run.rank,
        sizes=run.sizes,
        base_error=np.median(run.base_error, axis=-1),
        lost=spread(run.lost, axis=-1),
        kept_level=spread(run.kept_level, axis=-1),
        natural=float(np.median(run.natural)),
        minilm=float(np.median(minilm_evidence().relative_change)),
        plain=float(np.median(run.plain)),
        accuracy=np.median(np.stack([run.before, run.apart, run.merged]), axis=-1),
        asked=run.delta[:, :CORNER, :CORNER],
        arrived=run.arrived[:, f, :CORNER, :CORNER],
        members=len(run.natural),
    )


def film(record: QuantisedMerge) -> Film:
    """The playhead runs over the size of the update."""
    f = record.formats.index(record.shown)
    limits = np.maximum(np.abs(record.asked).max(axis=(1, 2)), np.abs(record.arrived).max(axis=(1, 2)))
    named = (("natural", record.natural, say("as trained")), ("minilm", record.minilm, "MiniLM"))
    marks = tuple(Mark(part, at, name) for part, at, name in named if record.sizes[0] <= at <= record.sizes[-1])

    def lines(values: Float[np.ndarray, "3 T F"]) -> tuple[Series, ...]:
        return tuple(
            Series(name.lower(), name, COLOURS[name], **band(values[:, :, i])) for i, name in enumerate(record.formats)
        )

    return Film(
        axis=to_say("size ρ"), values=record.sizes, start=int(np.argmin(np.abs(np.log(record.sizes / 0.01)))),
        seconds_per_frame=0.25, narration=tuple(_narrate(record, t) for t in range(len(record.sizes))),
        panels=(
            Lines("error", say("Error of the stored update (drag)"), y_label=say("relative to ‖ΔW‖"),
                  x_scale="log", reach=1.6, span=5, marks=marks, series=lines(record.lost)),
            Lines("kept_level", say("Weights that keep their level"), y_label=say("fraction"), x_scale="log", reach=1.0,
                  span=4, series=lines(record.kept_level)),
            Readout("at_this_size", say("{shown}, at this size", shown=record.shown),
                    (Row("size", "ρ = ‖ΔW‖/‖W‖", numbers(record.sizes)),
                     Row("error", say("error of ΔW"), tuple(percent(float(v)) for v in record.lost[1, :, f]),
                         colour="delta"),
                     Row("kept_level", say("keep their level"),
                         tuple(percent(float(v)) for v in record.kept_level[1, :, f])),
                     Row("base_error", say("error of Q(W)"), (to_a_tenth(float(record.base_error[f])),), colour="W")),
                    span=3),
            HeatMap("asked", say("update to merge: ΔW"), "delta", record.asked, limit=limits,
                    caption=(say("{shown} of 64×64", shown=f"{record.asked.shape[1]}×{record.asked.shape[2]}"),),
                    span=3, row=1),
            HeatMap("arrived", say("update stored in {shown}", shown=record.shown), "delta", record.arrived,
                    limit=limits,
                    caption=tuple(say("error: {lost}", lost=percent(float(v))) for v in record.lost[1, :, f]), span=3,
                    row=1),
            Readout("read_right",
                    say("Rotated digits recognised, adapter as trained (ρ = {natural})",
                        natural=number(record.natural)),
                    (Row("plain", say("float32 base, adapter on"), (to_a_tenth(record.plain),), colour="W"),
                     *(Row(name.lower(), say("{name}: base, unmerged, merged", name=name),
                           (" · ".join(to_a_tenth(float(v)) for v in record.accuracy[:, i]),), colour=COLOURS[name])
                       for i, name in enumerate(record.formats))), span=6, row=1),
        ),
    )  # fmt: skip


def _narrate(record: QuantisedMerge, t: int) -> str:
    f = record.formats.index(record.shown)
    return say(
        "‖ΔW‖ = {size} of ‖W‖, merged in {shown}: error of the stored update {lost}, unchanged weights {still}.",
        size=percent(float(record.sizes[t])), shown=record.shown, lost=percent(float(record.lost[1, t, f])),
        still=percent(float(record.kept_level[1, t, f])),
    )  # fmt: skip


def _small(record: QuantisedMerge) -> int:
    """Where on the axis the small update is that words tell of."""
    return int(np.argmin(np.abs(np.log(record.sizes / SMALL))))


@sentences
def takeaway(record: QuantisedMerge) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    at, f = _small(record), record.formats.index(record.shown)
    yield say(
        "Merged into {shown}, an update of {size} of ‖W‖ is stored with an error of {lost}.",
        shown=record.shown, size=percent(float(record.sizes[at])), lost=percent(float(record.lost[1, at, f])),
    )  # fmt: skip
    yield say(
        "This adapter has {natural} of ‖W‖: unmerged on the {shown} base, {apart} of the digits are recognised, merged "
        "{merged}; in float32 {plain}.",
        natural=percent(record.natural), shown=record.shown, apart=to_a_tenth(float(record.accuracy[1, f])),
        merged=to_a_tenth(float(record.accuracy[2, f])), plain=to_a_tenth(record.plain),
    )  # fmt: skip


def detail(record: QuantisedMerge) -> str:
    """The other formats, and how large updates are elsewhere."""
    at = _small(record)
    small = listed(f"{name} {percent(float(v))}" for name, v in zip(record.formats, record.lost[1, at], strict=True))
    return say(
        "Error of the stored update at {size} of ‖W‖: {small} (medians of {members} networks). What is smaller than "
        "about half a level is rounded away. Fine-tuning changed MiniLM's weights by {minilm} (median). Unmerged, or "
        "merged into dequantised float32 weights, the update stays complete.",
        size=percent(float(record.sizes[at])), small=small, members=record.members, minilm=percent(record.minilm),
    )  # fmt: skip


def verdict(record: QuantisedMerge) -> Verdict:
    """Unmerged, the digits are recognised as in float32; a small update merged in the format shown is lost."""
    at, f = _small(record), record.formats.index(record.shown)
    lost, apart = float(record.lost[1, at, f]), float(record.accuracy[1, f])
    evidence = {"lost": lost, "unmerged": apart, "plain": record.plain, "size": float(record.sizes[at])}
    if not np.isfinite([lost, apart, record.plain]).all():
        return undecided(say("an adapter diverged"), **evidence)
    told = say(
        "unmerged on {shown}, {apart} of the digits are recognised ({plain} in float32), and merged an update of "
        "{size} of ‖W‖ has an error of {lost}",
        shown=record.shown, apart=to_a_tenth(apart), plain=to_a_tenth(record.plain),
        size=percent(float(record.sizes[at])), lost=percent(lost),
    )  # fmt: skip
    works = apart >= record.plain - CLOSE
    return true_here(told, **evidence) if works and lost > LOST else false_here(told, **evidence)


def maths(record: QuantisedMerge) -> str:
    """What arrives, and why a small update does not."""
    errors = listed(f"{name} {to_a_tenth(float(v))}" for name, v in zip(record.formats, record.base_error, strict=True))
    return say(
        r"""
$$
\text{{stored}} = Q(Q({W}) + {dW}) - Q({W}) \qquad \text{{error}} = \|\text{{stored}} - {dW}\|_F / \|{dW}\|_F
$$

$Q$ rounds to the format's levels. int8: 255 evenly spaced levels, one scale per row. int4: 15 evenly spaced levels, one
scale for 64 weights. NF4 (QLoRA, Dettmers et al. 2023): 16 levels at the quantiles of a normal distribution, one scale
for 64 weights. Storing ${W}$ alone costs {errors} of $\|{W}\|_F$. ${W}$ is the first hidden layer of a network that
recognises digits, ${dW}$ an adapter of rank {rank} that learnt rotated ones, scaled to each size ρ. An error above 100
% means that the rounding error is larger than ${dW}$: a new largest entry of a block changes its scale, and with it all
weights of the block, in directions that are not those of ${dW}$. The dequantised base with the adapter unmerged, or
merged in float32, has no such error. The levels are the formats'; the arithmetic is float64.""",
        W=tint("W", "W"), dW=tint("delta", r"\Delta W"), errors=errors, rank=record.rank,
    )  # fmt: skip


def merged(settings: Settings, lab: Lab) -> tuple[DigitsExperiment, RequantiseRun]:
    """Five networks with an adapter each, merged into every format at every size."""
    e = settings.experiment
    wanted = DigitsExperiment(alpha=float(e.alpha), lr=e.lr, steps=e.steps, seed=e.seed)
    return wanted, lab.follow(merge_quantised, wanted, e.rank)


def measure(settings: Settings, lab: Lab) -> QuantisedMerge:
    """Train the adapters, and merge them."""
    return quantised_merge(merged(settings, lab)[1], shown=settings["weight_format"])


def _ask(seen: Seen, _: Any) -> Measured:
    name, size = seen.setting("weight_format"), seen.film.values
    wrong = shown(seen.film, "error", name.lower())
    at = first_place(wrong <= 0.5)
    other = shown(seen.film, "error", "nf4" if name == "int8" else "int8")
    elsewhere = float(size[first_place(other <= 0.5)])
    told = say("From {size} % of ‖W‖ on, at most half of it is lost in {name}; at 1 % the error is {error} %.",
               size=word(100 * size[at]), name=name, error=word(100 * wrong[np.abs(size - 0.01).argmin()]))  # fmt: skip
    right = 100 * float(size[at])
    mistakes = (right / 100, right / 10, 100 * elsewhere, 100 * size[-1])
    return Measured(right, mistakes, told, {"name": name}, unit=" %")


PART = Lesson(
    id="requantised", menu=to_say("Merge into a quantised base"),
    title=to_say("Quantised base: can the adapter be merged into it?"),
    claim=to_say("Kept separate, the adapter works in full. If it is merged and the result is quantised again, a small "
                 "update is rounded away."),
    place=40, default=Experiment(d_in=64, d_out=64, rank=8, alpha=16.0, lr=0.01, steps=300),
    controls=(CONTROLS["weight_format"], CONTROLS["rank"], CONTROLS["steps"].only(100, 300)),
    more=(CONTROLS["alpha"].only(4.0, 16.0, 64.0),), waits_for=to_say("Five networks"), measure=measure, film=film,
    hero="error",
    takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="error",
    exports=lambda record, settings, lab: Scripts(partial(requantised_script, *merged(settings, lab)), {}),
    question=Question(to_say("How large must the update be, as a percentage of ‖W‖, for at most half of it to be lost "
                             "when it is merged into {name}?"),
                      to_say("It must be about as large as the distance between two levels; updates of fine-tuning "
                             "are often far smaller."), _ask),
)  # fmt: skip
