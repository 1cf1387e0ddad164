"""An adapter merged into a quantised base: what arrives of it at every size, and what the network then reads."""

from __future__ import annotations

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
from lora_viz.film.style import number, numbers, tint, to_a_tenth
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.networks.digits import DigitsExperiment
from lora_viz.networks.minilm_evidence import minilm_evidence
from lora_viz.networks.requantise import FORMATS, RequantiseRun, merge_quantised

__all__ = ["PART", "QuantisedMerge", "quantised_merge"]

CORNER = 24  # rows and columns of the heat maps
COLOURS = {"int8": "clean", "int4": "alarm", "NF4": "ink"}


class QuantisedMerge(NamedTuple):
    """(low, median, high) over the member networks, one column a format of ``formats``; sizes ρ = ‖ΔW‖/‖W‖.

    ``lost`` is the relative error of the update that arrived after merging and quantising again, ``kept_level`` the
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
            Lines("error", say("Error of the update that arrived (drag)"), y_label=say("of ‖ΔW‖; 1: all lost"),
                  x_scale="log", reach=1.6, span=5, marks=marks, series=lines(record.lost)),
            Lines("kept_level", say("Weights that kept their level"), y_label=say("share"), x_scale="log", reach=1.0,
                  span=4, series=lines(record.kept_level)),
            Readout("at_this_size", say("{shown}, at this size", shown=record.shown),
                    (Row("size", "ρ = ‖ΔW‖/‖W‖", numbers(record.sizes)),
                     Row("error", say("error of ΔW"), tuple(f"{100 * v:.0f} %" for v in record.lost[1, :, f]),
                         colour="delta"),
                     Row("kept_level", say("kept their level"),
                         tuple(f"{100 * v:.0f} %" for v in record.kept_level[1, :, f])),
                     Row("base_error", say("error of Q(W)"), (f"{100 * record.base_error[f]:.1f} %",), colour="W")),
                    span=3),
            HeatMap("asked", say("asked: ΔW"), "delta", record.asked, limit=limits,
                    caption=(say("{shown} of 64×64", shown=f"{record.asked.shape[1]}×{record.asked.shape[2]}"),),
                    span=3, row=1),
            HeatMap("arrived", say("arrived in {shown}", shown=record.shown), "delta", record.arrived, limit=limits,
                    caption=tuple(say("{lost:.0f} % off", lost=100 * v) for v in record.lost[1, :, f]), span=3, row=1),
            Readout("read_right",
                    say("Rotated digits read right, adapter as trained (ρ = {natural})",
                        natural=number(record.natural)),
                    (Row("plain", say("float32 base, adapter on"), (to_a_tenth(record.plain),), colour="W"),
                     *(Row(name.lower(), say("{name}: base, adapter apart, merged", name=name),
                           (" · ".join(to_a_tenth(float(v)) for v in record.accuracy[:, i]),), colour=COLOURS[name])
                       for i, name in enumerate(record.formats))), span=6, row=1),
        ),
    )  # fmt: skip


def _narrate(record: QuantisedMerge, t: int) -> str:
    f = record.formats.index(record.shown)
    lost, still = 100 * record.lost[1, t, f], 100 * record.kept_level[1, t, f]
    size = number(100 * float(record.sizes[t]))
    return say("An update of {size} % of W, merged and stored in {shown} again: what arrives is {lost:.0f} % off, "
               "{still:.0f} % of the weights kept their level.", size=size, shown=record.shown, lost=lost,
               still=still)  # fmt: skip


def takeaway(record: QuantisedMerge) -> str:
    """What was seen, in the run's own numbers."""
    at = int(np.argmin(np.abs(np.log(record.sizes / 0.01))))
    small = ", ".join(f"{name} {100 * v:.0f} %" for name, v in zip(record.formats, record.lost[1, at], strict=True))
    ways = ", ".join(
        say("{name} {apart} and {merged}", name=name, apart=to_a_tenth(apart), merged=to_a_tenth(merged))
        for name, apart, merged in zip(record.formats, record.accuracy[1], record.accuracy[2], strict=True)
    )
    return say("In this experiment an update of 1 % of W arrives with an error of {small}: what is smaller than half a "
               "level is rounded away (fine-tuning moved MiniLM by {minilm:.1f} %). This adapter is large, "
               "{natural:.0f} % of W: apart and merged the digits read right are {ways} (float32 {plain}; medians of "
               "{members} networks). Apart, or merged into dequantised float32 weights, the update stays whole.",
               small=small, minilm=100 * record.minilm, natural=100 * record.natural, ways=ways,
               plain=to_a_tenth(record.plain), members=record.members)  # fmt: skip


def maths(record: QuantisedMerge) -> str:
    """What arrives, and why a small update does not."""
    errors = ", ".join(f"{name} {100 * v:.1f} %" for name, v in zip(record.formats, record.base_error, strict=True))
    return say(
        r"""
$$
\text{{arrived}} = Q(Q({W}) + {dW}) - Q({W}) \qquad \text{{error}} = \|\text{{arrived}} - {dW}\|_F / \|{dW}\|_F
$$

$Q$ rounds to the format's levels. int8: 255 even levels, one scale a row. int4: 15 even levels, one scale for 64
weights. NF4 (QLoRA, Dettmers et al. 2023): 16 levels at the quantiles of a normal distribution, one scale for 64
weights. Storing ${W}$ alone costs {errors} of $\|{W}\|_F$. ${W}$ is the first hidden layer of a network that reads
digits, ${dW}$ an adapter of rank {rank} that learnt rotated ones, scaled to each size ρ. An error above 100 %
means that rounding added more than arrived: nearly all weights keep their level, and a new largest entry of a block
moves its scale, hence all of them, in directions that ${dW}$ did not ask for. The dequantised base with the adapter
riding on it, or merged in float32, has none of this. The levels are the formats'; the arithmetic is float64.""",
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
    told = say("From {size} % of W on at most half of it is lost in {name}; at 1 % the error is {error} %.",
               size=word(100 * size[at]), name=name, error=word(100 * wrong[np.abs(size - 0.01).argmin()]))  # fmt: skip
    right = 100 * float(size[at])
    mistakes = (right / 100, right / 10, 100 * elsewhere, 100 * size[-1])
    return Measured(right, mistakes, told, {"name": name}, unit=" %")


PART = Lesson(
    id="requantised", menu=to_say("Merge into few bits"),
    title=to_say("Quantised base: can the adapter be merged into it?"),
    claim=to_say("Kept apart it works in full; merged and stored in few bits again, a small update is rounded away."),
    place=40, default=Experiment(d_in=64, d_out=64, rank=8, alpha=16.0, lr=0.01, steps=300),
    controls=(CONTROLS["weight_format"], CONTROLS["rank"], CONTROLS["steps"].only(100, 300)),
    more=(CONTROLS["alpha"].only(4.0, 16.0, 64.0),), waits_for=to_say("Five networks"), measure=measure, film=film,
    hero="error",
    takeaway=takeaway, maths=maths, on_paper="error",
    exports=lambda record, settings, lab: Scripts(partial(requantised_script, *merged(settings, lab)), {}),
    question=Question(to_say("From which size of the update on, in percent of W, is at most half of it lost when it is "
                             "merged into {name}?"),
                      to_say("It must be about as large as the distance of two levels; fine-tuning is often far "
                             "smaller."), _ask),
)  # fmt: skip
