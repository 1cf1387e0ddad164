"""Merge: differences by dtype and size, the share of weights that do not move, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable, first_place, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import MergeReport
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Dash, Group, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.style import number, numbers, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.merging import merge_report
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings

__all__ = ["LESSON", "MergeCheck", "merge_check"]

SHORT = {"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot")
MISTAKES = ("right", "twice", "no_scaling", "dropout", "transposed")  # in the report's order
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
            Series(d, SHORT[d], "delta" if i == m.shown else "ink", values[:, i], dash=DASHES[i])
            for i, d in enumerate(m.dtypes)
        )

    lost = tuple(f"{share} %" for share in numbers(100 * m.lost[:, m.shown]))
    extra = 100 * (record.cost_unmerged / record.cost_base - 1)
    return Film(
        axis="‖ΔW‖/‖W‖", values=m.sizes, start=int(np.argmin(np.abs(np.log(m.sizes / TELLING)))),
        seconds_per_frame=0.16, narration=tuple(_narrate(record, t) for t in range(len(m.sizes))),
        panels=(
            Lines(
                "difference", say("Difference of the outputs"), y_label=say("relative"), scale="log", x_scale="log",
                span=4, series=by_dtype(m.relative_difference),
            ),
            Lines(
                "unchanged", say("Weights that did not change at all"), y_label=say("share"), x_scale="log", span=4,
                series=by_dtype(m.unchanged),
            ),
            Readout(
                "in_this_format", say("In {name}, at this size", name=name),
                (
                    Row("difference", say("largest output difference"), numbers(m.max_difference[:, m.shown])),
                    Row("drift", say("drift after unmerging"), numbers(m.unmerge_drift[:, m.shown])),
                    Row("lost", say("ΔW that arrived is wrong by"), lost, colour="delta"),
                    Row("cost", say("token, apart / merged"), (f"+{extra:.1f} % / +0 %",)),
                ),
                span=4,
            ),
            HeatMap("base_weight", "W", "W", m.base, limit=base_limit, row=1, span=2),
            HeatMap("asked", say("+ s·BA, asked"), "delta", m.delta, limit=delta_limit, row=1, span=2),
            HeatMap("merged", "= W′", "W", m.merged, limit=base_limit, row=1, span=2),
            HeatMap("arrived", say("W′ − W, arrived"), "delta", m.arrived, limit=delta_limit, row=1, span=2),
            Bars(
                "mistakes", say("Merged rightly and wrongly (fp32)"), y_label=say("relative"), scale="log",
                labels=tuple(map(say, m.mistake_names)), bar_ids=MISTAKES,
                groups=(Group("error", say("relative error of the outputs"), "alarm", m.mistakes),), row=1, span=4,
            ),
        ),
    )  # fmt: skip


def _narrate(record: MergeCheck, t: int) -> str:
    m = record.report
    name, i = SHORT[m.dtypes[m.shown]], m.shown
    differ, still = number(m.relative_difference[t, i]), number(100 * float(m.unchanged[t, i]))
    return say(
        "‖ΔW‖ = {size}·‖W‖: in {name} merged and unmerged outputs differ by {differ} relative; {still} % of the "
        "weights did not change.",
        size=number(m.sizes[t]), name=name, differ=differ, still=still,
    )  # fmt: skip


@sentences
def takeaway(record: MergeCheck) -> Iterator[str]:
    """What was seen, in the report's own numbers."""
    m = record.report
    t = int(np.argmin(np.abs(np.log(m.sizes / TELLING))))
    by_name = {d: i for i, d in enumerate(m.dtypes)}
    told = dict.fromkeys(("float64", m.dtypes[m.shown], "bfloat16"))
    differences = ", ".join(
        say("{difference} in {dtype}", difference=number(float(m.relative_difference[t, by_name[d]])), dtype=SHORT[d])
        for d in told
    )
    yield say(
        "In this experiment, at ‖ΔW‖ = {size}·‖W‖, merged and unmerged outputs agree to each "
        "format's rounding (relative difference {differences}).",
        size=number(float(m.sizes[t])),
        differences=differences,
    )
    for d in told:
        share, wrong = m.unchanged[t, by_name[d]], m.lost[t, by_name[d]]
        if wrong > 0.5:
            yield say(
                "But in {dtype} {share:.0f} % of the weights did not change at all, and the ΔW that arrived is "
                "{wrong:.0f} % wrong: rounding has eaten most of it.",
                dtype=SHORT[d], share=100 * share, wrong=100 * wrong,
            )  # fmt: skip
        elif wrong > 0.01:
            yield say("In {dtype} the ΔW that arrived is {wrong:.0f} % wrong.", dtype=SHORT[d], wrong=100 * wrong)
    drift = number(float(m.unmerge_drift[:, by_name["float32"]].max()))
    yield say("Unmerging does not return the weight to the bit: in fp32 it drifts by up to {drift}.", drift=drift)


def table(record: MergeCheck) -> dict[str, np.ndarray]:
    """The report's curves, as columns."""
    m = record.report
    columns = {"size": m.sizes}
    for what in ("max_difference", "relative_difference", "unmerge_drift", "unchanged", "lost"):
        columns |= {f"{what}_{d}": getattr(m, what)[:, i] for i, d in enumerate(m.dtypes)}
    return columns


def maths(record: MergeCheck, settings: Settings) -> str:
    """Why merging is the same up to rounding, what it saves, and what the mistakes are."""
    return say(
        r"""
$$
{W}' = {W} + s\,{B}{A}, \qquad {W}'x = {W}x + s\,{B}({A}x), \qquad s = {scaling:.3g}
$$

The two sides are equal in exact arithmetic. A number format keeps a fixed count of digits: bfloat16 has 8 significant
bits, so adding less than about $2^{{-9}}$ of a weight to it gives the same weight back. The adapter here was trained
(its own size was {trained_size} of $\|{W}\|$) and then rescaled through ${B}$ to each size on the axis;
at every size the merge was really made in all four formats.

Per token the base layer costs $d_{{out}}\,d_{{in}} = {cost_base}$ multiplications, the unmerged path
$r(d_{{in}} + d_{{out}}) = {cost_unmerged}$ more, the merged layer none. The mistakes, lower
right: merging twice adds $s{B}{A}$ once too often; without $s$ the update enters with 1 in place of {scaling:.3g};
dropout left on (p = 0.1) blurs the input of ${A}$; a transposed ${B}{A}$ fits a square layer and is simply wrong (a
layer that is not square would have refused it).""",
        W=tint("W", "W"), A=tint("A", "A"), B=tint("B", "B"), scaling=settings.experiment.scaling,
        trained_size=number(record.report.trained_size), cost_base=record.cost_base,
        cost_unmerged=record.cost_unmerged - record.cost_base,
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> MergeCheck:
    """Train one adapter, and merge it in every number format at every size."""
    run = lab.train(Sweep((settings.experiment,)), settings.device, records=2)
    return merge_check(merge_report(run, shown=settings["weights_dtype"]), settings.experiment)


def _ask(seen: Seen, _: Any) -> Measured:
    size = seen.film.values
    bf16, fp16 = (shown(seen.film, "unchanged", dtype) for dtype in ("bfloat16", "float16"))
    at = int(np.abs(np.log(size / TELLING)).argmin())
    i = first_place(fp16 < bf16[at])
    if i == 0:
        raise Unanswerable(say("No size on the axis is small enough to measure this."))
    part = (fp16[i - 1] - bf16[at]) / (fp16[i - 1] - fp16[i])
    same = float(np.exp(np.log(size[i - 1]) + part * np.log(size[i] / size[i - 1])))
    told = say(
        "fp16 leaves {share} % as they were at {same}·‖W‖, {times} times as small an update.",
        share=word(100 * bf16[at]), same=word(same), times=word(size[at] / same),
    )  # fmt: skip
    about = {"size": word(size[at]), "share": word(100 * bf16[at])}
    return Measured(same, (size[at] * 8, size[at] / 3, size[at] * 8 / 11), told, about)


LESSON = Lesson(
    id="merge", menu=to_say("Merge"), title=to_say("Merge: is it the same?"),
    claim=to_say("W + s·BA gives the same outputs to rounding, and rounding can eat the update: drag its size."),
    place=40, default=Experiment(d_in=48, d_out=48, target_rank=4, rank=4, alpha=8.0, lr=0.02, steps=200),
    controls=tuple(CONTROLS[name] for name in ("weights_dtype", "rank", "alpha")),
    more=tuple(CONTROLS[name] for name in ("scaling_rule", "target_rank", "lr", "steps")), measure=measure, film=film,
    takeaway=takeaway, maths=maths, on_paper="difference", table=table,
    exports=lambda record, settings, lab: (Sweep((settings.experiment,)),),
    question=Question(
        to_say(
            "bf16 has 8 significant bits, fp16 11. At ‖ΔW‖ = {size}·‖W‖ bf16 leaves {share} % of the weights as they "
            "were. At which ‖ΔW‖/‖W‖ does fp16 leave as many?"
        ),
        to_say("Each further bit halves the least change that is kept, and 2³ = 8."), _ask,
    ),
)  # fmt: skip
