"""Can an adapter be merged into a quantised base? What arrives of it at every size, and what the network then reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from lora_viz.core.seeds import spread
from lora_viz.film.panels import Film, HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say
from lora_viz.networks.minilm_evidence import minilm_evidence
from lora_viz.networks.requantise import FORMATS, RequantiseRun

__all__ = ["QuantisedMerge", "film", "plot_quantised_merge", "quantised_merge", "table", "takeaway"]

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
    named = ((record.natural, say("as trained")), (record.minilm, "MiniLM"))
    marks = tuple(Mark(id=part, at=at, label=name) for at, name in named if record.sizes[0] <= at <= record.sizes[-1])

    def lines(values: Float[np.ndarray, "3 T F"]) -> tuple[Series, ...]:
        return tuple(
            Series(
                id=name.lower(),
                name=name,
                colour=COLOURS[name],
                y=values[1, :, i],
                low=values[0, :, i],
                high=values[2, :, i],
            )
            for i, name in enumerate(record.formats)
        )

    return Film(
        axis=to_say("size ρ"),
        values=record.sizes,
        start=int(np.argmin(np.abs(np.log(record.sizes / 0.01)))),
        seconds_per_frame=0.25,
        narration=tuple(_narrate(record, t) for t in range(len(record.sizes))),
        panels=(
            Lines(
                id="error",
                title=say("Error of the update that arrived (drag)"),
                y_label=say("of ‖ΔW‖; 1: all lost"),
                x_scale="log",
                reach=1.6,
                span=5,
                marks=marks,
                series=lines(record.lost),
            ),
            Lines(
                id="kept_level",
                title=say("Weights that kept their level"),
                y_label=say("share"),
                x_scale="log",
                reach=1.0,
                span=4,
                series=lines(record.kept_level),
            ),
            Readout(
                id="at_this_size",
                title=say("{shown}, at this size", shown=record.shown),
                span=3,
                rows=(
                    Row(id="size", label="ρ = ‖ΔW‖/‖W‖", text=tuple(number(float(s)) for s in record.sizes)),
                    Row(
                        id="error",
                        label=say("error of ΔW"),
                        colour="delta",
                        text=tuple(f"{100 * v:.0f} %" for v in record.lost[1, :, f]),
                    ),
                    Row(
                        id="kept_level",
                        label=say("kept their level"),
                        text=tuple(f"{100 * v:.0f} %" for v in record.kept_level[1, :, f]),
                    ),
                    Row(
                        id="base_error",
                        label=say("error of Q(W)"),
                        colour="W",
                        text=(f"{100 * record.base_error[f]:.1f} %",),
                    ),
                ),
            ),
            HeatMap(
                id="asked",
                title=say("asked: ΔW"),
                colour="delta",
                values=record.asked,
                limit=limits,
                caption=(say("{shown} of 64×64", shown=f"{record.asked.shape[1]}×{record.asked.shape[2]}"),),
                span=3,
                row=1,
            ),
            HeatMap(
                id="arrived",
                title=say("arrived in {shown}", shown=record.shown),
                colour="delta",
                values=record.arrived,
                limit=limits,
                caption=tuple(say("{lost:.0f} % off", lost=100 * v) for v in record.lost[1, :, f]),
                span=3,
                row=1,
            ),
            Readout(
                id="read_right",
                title=say(
                    "Rotated digits read right, adapter as trained (ρ = {natural})", natural=number(record.natural)
                ),
                span=6,
                row=1,
                rows=(
                    Row(id="plain", label=say("float32 base, adapter on"), colour="W", text=(_percent(record.plain),)),
                    *(
                        Row(
                            id=name.lower(),
                            label=say("{name}: base, adapter apart, merged", name=name),
                            colour=COLOURS[name],
                            text=(" · ".join(_percent(float(v)) for v in record.accuracy[:, i]),),
                        )
                        for i, name in enumerate(record.formats)
                    ),
                ),
            ),
        ),
    )


def _narrate(record: QuantisedMerge, t: int) -> str:
    f = record.formats.index(record.shown)
    lost, still = 100 * record.lost[1, t, f], 100 * record.kept_level[1, t, f]
    size = number(100 * float(record.sizes[t]))
    return say(
        "An update of {size} % of W, merged and stored in {shown} again: what arrives is {lost:.0f} % off, "
        "{still:.0f} % of the weights kept their level.",
        size=size,
        shown=record.shown,
        lost=lost,
        still=still,
    )


def takeaway(record: QuantisedMerge) -> str:
    """What was seen, in the run's own numbers."""
    at = int(np.argmin(np.abs(np.log(record.sizes / 0.01))))
    small = ", ".join(f"{name} {100 * v:.0f} %" for name, v in zip(record.formats, record.lost[1, at], strict=True))
    ways = ", ".join(
        say("{name} {apart} and {merged}", name=name, apart=_percent(apart), merged=_percent(merged))
        for name, apart, merged in zip(record.formats, record.accuracy[1], record.accuracy[2], strict=True)
    )
    return say(
        "In this experiment an update of 1 % of W arrives with an error of {small}: what is smaller than half a level "
        "is rounded away (fine-tuning moved MiniLM by {minilm:.1f} %). This adapter is large, {natural:.0f} % of W: "
        "apart and merged the digits read right are {ways} (float32 {plain}; medians of {members} networks). Apart, or "
        "merged into dequantised float32 weights, the update stays whole.",
        small=small,
        minilm=100 * record.minilm,
        natural=100 * record.natural,
        ways=ways,
        plain=_percent(record.plain),
        members=record.members,
    )


def _percent(share: float) -> str:
    return "—" if np.isnan(share) else f"{100 * share:.1f} %"


def table(record: QuantisedMerge) -> dict[str, np.ndarray]:
    """Error and standstill over the sizes, a column a format."""
    columns = {"size": record.sizes}
    for i, name in enumerate(record.formats):
        columns[f"{name}_error_median"] = record.lost[1, :, i]
        columns[f"{name}_kept_level_median"] = record.kept_level[1, :, i]
    return columns


def plot_quantised_merge(record: QuantisedMerge, *, theme: str = "light") -> go.Figure:
    """The error of the update that arrived, over its size."""
    colours = IDENTITY[theme]
    figure = go.Figure(
        [
            go.Scatter(
                x=record.sizes, y=record.lost[1, :, i], name=name, line={"color": colours[COLOURS[name]], "width": 3}
            )
            for i, name in enumerate(record.formats)
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=say("Merged into a quantised base, quantised again"),
            xaxis={"title": "‖ΔW‖/‖W‖", "type": "log"},
            yaxis={"title": say("relative error of the update that arrived")},
        )
    )
    return figure
