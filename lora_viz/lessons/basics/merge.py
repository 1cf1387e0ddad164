"""Merge: is it the same? Differences by dtype and size, the share of weights that do not move, and what goes wrong."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import MergeReport
from lora_viz.film.panels import Bars, Film, Group, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say

__all__ = ["MergeCheck", "film", "merge_check", "plot_merge_check", "table", "takeaway"]

SHORT = {"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
DASHES: tuple[Literal["solid", "dash", "dot", "dashdot"], ...] = ("solid", "dash", "dot", "dashdot")
TELLING = 1e-3  # the relative size at which half precision begins to lose the update: where the story is


class MergeCheck(NamedTuple):
    """The report, and a token's multiply–adds: base layer, with an unmerged adapter (r(d_in + d_out) more), merged."""

    report: MergeReport
    rank: int
    cost_base: int
    cost_unmerged: int
    cost_merged: int


def merge_check(report: MergeReport, experiment: Experiment) -> MergeCheck:
    """Put the costs beside what was measured."""
    e = experiment
    base = e.d_in * e.d_out
    return MergeCheck(report, e.rank, base, base + e.rank * (e.d_in + e.d_out), base)


def film(record: MergeCheck) -> Film:
    """The playhead runs over ‖ΔW‖/‖W‖: two curves a dtype, the four matrices in the dtype shown, the mistakes."""
    m = record.report
    name = SHORT[m.dtypes[m.shown]]
    base_limit = float(np.abs(m.base).max())
    delta_limit = np.abs(m.delta).max(axis=(1, 2))

    def by_dtype(values: Float[np.ndarray, "S D"]) -> tuple[Series, ...]:
        return tuple(
            Series(name=SHORT[d], colour="delta" if i == m.shown else "ink", y=values[:, i], dash=DASHES[i])
            for i, d in enumerate(m.dtypes)
        )

    extra = 100 * (record.cost_unmerged / record.cost_base - 1)
    return Film(
        axis="‖ΔW‖/‖W‖",
        values=m.sizes,
        start=int(np.argmin(np.abs(np.log(m.sizes / TELLING)))),
        seconds_per_frame=0.16,
        narration=tuple(_narrate(record, t) for t in range(len(m.sizes))),
        panels=(
            Lines(
                title=say("Difference of the outputs"),
                y_label=say("relative"),
                scale="log",
                x_scale="log",
                span=4,
                series=by_dtype(m.relative_difference),
            ),
            Lines(
                title=say("Weights that did not change at all"),
                y_label=say("share"),
                x_scale="log",
                span=4,
                series=by_dtype(m.unchanged),
            ),
            Readout(
                title=say("In {name}, at this size", name=name),
                span=4,
                rows=(
                    Row(label=say("largest output difference"), text=_texts(m.max_difference[:, m.shown])),
                    Row(label=say("drift after unmerging"), text=_texts(m.unmerge_drift[:, m.shown])),
                    Row(
                        label=say("ΔW that arrived is wrong by"),
                        text=tuple(f"{number(100 * v)} %" for v in m.lost[:, m.shown]),
                        colour="delta",
                    ),
                    Row(
                        label=say("token, apart / merged"),
                        text=(f"+{extra:.1f} % / +0 %",),
                    ),
                ),
            ),
            HeatMap(title="W", colour="W", values=m.base, limit=base_limit, row=1, span=2),
            HeatMap(title=say("+ s·BA, asked"), colour="delta", values=m.delta, limit=delta_limit, row=1, span=2),
            HeatMap(title="= W′", colour="W", values=m.merged, limit=base_limit, row=1, span=2),
            HeatMap(title=say("W′ − W, arrived"), colour="delta", values=m.arrived, limit=delta_limit, row=1, span=2),
            Bars(
                title=say("Merged rightly and wrongly (fp32)"),
                y_label=say("relative"),
                scale="log",
                labels=tuple(map(say, m.mistake_names)),
                groups=(Group(name=say("relative error of the outputs"), colour="alarm", values=m.mistakes),),
                row=1,
                span=4,
            ),
        ),
    )


def _texts(values: Float[np.ndarray, "S"]) -> tuple[str, ...]:
    return tuple(number(v) for v in values)


def _narrate(record: MergeCheck, t: int) -> str:
    m = record.report
    name, i = SHORT[m.dtypes[m.shown]], m.shown
    differ, still = number(m.relative_difference[t, i]), number(100 * float(m.unchanged[t, i]))
    return say(
        "‖ΔW‖ = {size}·‖W‖: in {name} merged and unmerged outputs differ by {differ} relative; "
        "{still} % of the weights did not change.",
        size=number(m.sizes[t]),
        name=name,
        differ=differ,
        still=still,
    )


def takeaway(record: MergeCheck) -> str:
    """What was seen, in the report's own numbers."""
    m = record.report
    t = int(np.argmin(np.abs(np.log(m.sizes / TELLING))))
    by_name = {d: i for i, d in enumerate(m.dtypes)}
    told = dict.fromkeys(("float64", m.dtypes[m.shown], "bfloat16"))
    differences = ", ".join(
        say("{difference} in {dtype}", difference=number(float(m.relative_difference[t, by_name[d]])), dtype=SHORT[d])
        for d in told
    )
    said = [
        say(
            "In this experiment, at ‖ΔW‖ = {size}·‖W‖, merged and unmerged outputs agree to each "
            "format's rounding (relative difference {differences}).",
            size=number(float(m.sizes[t])),
            differences=differences,
        )
    ]
    for d in told:
        share, wrong = m.unchanged[t, by_name[d]], m.lost[t, by_name[d]]
        if wrong > 0.01:
            said.append(
                say(
                    "But in {dtype} {share:.0f} % of the weights did not change at all, and the ΔW that arrived "
                    "is {wrong:.0f} % wrong: rounding has eaten most of it.",
                    dtype=SHORT[d],
                    share=100 * share,
                    wrong=100 * wrong,
                )
                if wrong > 0.5
                else say("In {dtype} the ΔW that arrived is {wrong:.0f} % wrong.", dtype=SHORT[d], wrong=100 * wrong)
            )
    drift = number(float(m.unmerge_drift[:, by_name["float32"]].max()))
    said.append(
        say("Unmerging does not return the weight to the bit: in fp32 it drifts by up to {drift}.", drift=drift)
    )
    return " ".join(said)


def table(record: MergeCheck) -> dict[str, np.ndarray]:
    """The report's curves, as columns."""
    m = record.report
    columns = {"size": m.sizes}
    for what in ("max_difference", "relative_difference", "unmerge_drift", "unchanged", "lost"):
        columns |= {f"{what}_{d}": getattr(m, what)[:, i] for i, d in enumerate(m.dtypes)}
    return columns


def plot_merge_check(record: MergeCheck, *, theme: str = "light") -> go.Figure:
    """Merged against unmerged outputs in every dtype over the relative size, as a still figure."""
    colour, m = IDENTITY[theme], record.report
    figure = go.Figure()
    for i, name in enumerate(m.dtypes):
        shown = i == m.shown
        figure.add_scatter(
            x=m.sizes,
            y=m.relative_difference[:, i],
            name=name,
            line={"color": colour["delta" if shown else "ink"], "width": 4 if shown else 2, "dash": DASHES[i]},
        )
    figure.update_layout(
        **plotly_layout(
            title=say("Difference of the outputs"),
            xaxis={"title": "‖ΔW‖ / ‖W‖", "type": "log", "exponentformat": "power"},
            yaxis={"title": say("relative difference"), "type": "log", "exponentformat": "power"},
        )
    )
    return figure
