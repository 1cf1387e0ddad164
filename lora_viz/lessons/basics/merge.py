"""Merge an adapter: differences by format and size, the weights that do not change, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable, first_place, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import MergeReport
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Dash, Group, HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import number, numbers, percent, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.merging import merge_report
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "MergeCheck", "merge_check"]

SHORT = {"float64": "fp64", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
DASHES: tuple[Dash, ...] = ("solid", "dash", "dot", "dashdot")
MISTAKES = ("right", "twice", "no_scaling", "dropout", "transposed")  # in the report's order
EXACT = 1e-12  # relative: some hundred roundings of float64
WIPED = 0.9  # of the weights unchanged: the update is lost
BF16_BITS = 7  # of the mantissa, stored
SEEN = 4.5  # steps of bf16 up to which one weight is followed
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
    extra = number(100 * (record.cost_unmerged / record.cost_base - 1))
    return Film(
        axis="‖ΔW‖/‖W‖", values=m.sizes, start=int(np.argmin(np.abs(np.log(m.sizes / TELLING)))),
        seconds_per_frame=0.16, narration=tuple(_narrate(record, t) for t in range(len(m.sizes))),
        panels=(
            Lines(
                "difference", say("Difference of the outputs"), y_label=say("relative"), scale="log", x_scale="log",
                span=4, series=by_dtype(m.relative_difference),
            ),
            Lines(
                "unchanged", say("Weights that did not change at all"), y_label=say("fraction"), x_scale="log", span=4,
                series=by_dtype(m.unchanged),
            ),
            Readout(
                "in_this_format", say("In {name}, at this size", name=name),
                (
                    Row("difference", say("largest output difference"), numbers(m.max_difference[:, m.shown])),
                    Row("drift", say("drift after unmerging"), numbers(m.unmerge_drift[:, m.shown])),
                    Row("lost", say("error of the stored update"), lost, colour="delta"),
                    Row("cost", say("cost per token, unmerged / merged"), (f"+{extra} % / +0 %",)),
                ),
                span=4,
            ),
            HeatMap("base_weight", "W", "W", m.base, limit=base_limit, row=1, span=2),
            HeatMap("asked", say("+ s·BA, update to merge"), "delta", m.delta, limit=delta_limit, row=1, span=2),
            HeatMap("merged", "= W′", "W", m.merged, limit=base_limit, row=1, span=2),
            HeatMap("arrived", say("W′ − W, update stored"), "delta", m.arrived, limit=delta_limit, row=1, span=2),
            Bars(
                "mistakes", say("Correct merge and mistakes (fp32)"), y_label=say("relative"), scale="log",
                labels=tuple(map(say, m.mistake_names)), bar_ids=MISTAKES,
                groups=(Group("error", say("relative error of the outputs"), "alarm", m.mistakes),), row=1, span=4,
            ),
            _one_weight(m),
        ),
    )  # fmt: skip


def _one_weight(m: MergeReport) -> Lines:
    """A weight for which half of all others need a larger update to move: what is asked, and where it comes to stand.

    Measured in steps of bf16, the distance from this weight to the next number that the format has.
    """
    share = np.abs(m.delta[-1]) / np.maximum(np.abs(m.base), np.finfo(float).tiny)
    order = np.argsort(share, axis=None)
    i, j = (int(k) for k in np.unravel_index(int(order[len(order) // 2]), share.shape))
    step = 2.0 ** (np.floor(np.log2(max(abs(float(m.base[i, j])), 2.0**-126))) - BF16_BITS)
    sign = np.sign(m.delta[-1, i, j]) or 1.0
    asked, stored = (sign * moved[:, i, j] / step + 0.0 for moved in (m.delta, m.merged - m.base))
    seen = np.abs(asked) <= SEEN
    half = 0.5 * m.sizes[-1] / abs(asked[-1]) if asked[-1] else np.nan
    inside = m.sizes[0] < half < m.sizes[-1]
    name = SHORT[m.dtypes[m.shown]]
    return Lines(
        "one_weight", say("One weight on its ruler: what is asked, and what {name} keeps", name=name),
        y_label=say("change, in steps of bf16"), x_scale="log", row=2, span=12,
        series=(
            Series("asked", say("asked"), "delta", np.where(seen, asked, np.nan), dash="dash"),
            Series("stored", say("stored"), "W", np.where(seen, stored, np.nan), dots=True),
        ),
        marks=(Mark("half_step", float(half), say("half a step of bf16")),) if inside else (),
    )  # fmt: skip


def _narrate(record: MergeCheck, t: int) -> str:
    m = record.report
    name, i = SHORT[m.dtypes[m.shown]], m.shown
    differ, still = number(m.relative_difference[t, i]), percent(float(m.unchanged[t, i]))
    return say(
        "‖ΔW‖ = {size}·‖W‖ in {name}: outputs differ by {differ} (relative), {still} of the weights do not change.",
        size=number(m.sizes[t]), name=name, differ=differ, still=still,
    )  # fmt: skip


@sentences
def takeaway(record: MergeCheck) -> Iterator[str]:
    """What was seen, in the report's own numbers."""
    m = record.report
    t = int(np.argmin(np.abs(np.log(m.sizes / TELLING))))
    by_name = {d: i for i, d in enumerate(m.dtypes)}
    told = tuple(dict.fromkeys((m.dtypes[m.shown], "bfloat16")))
    differences = ", ".join(
        say("{difference} in {dtype}", difference=number(float(m.relative_difference[t, by_name[d]])), dtype=SHORT[d])
        for d in told
    )
    if not m.trained_size:
        yield say("ΔW is 0, so there is nothing to merge: choose more steps or another learning rate.")
        return
    yield say(
        "At ‖ΔW‖ = {size}·‖W‖, merged and unmerged outputs differ by {differences} (relative).",
        size=number(float(m.sizes[t])),
        differences=differences,
    )
    worst = max(told, key=lambda d: m.lost[t, by_name[d]])
    yield say(
        "In {dtype}, {share} of the weights do not change at all, and the stored update differs from ΔW by {wrong} of "
        "its norm.",
        dtype=SHORT[worst], share=percent(float(m.unchanged[t, by_name[worst]])),
        wrong=percent(float(m.lost[t, by_name[worst]])),
    )  # fmt: skip


@sentences
def detail(record: MergeCheck) -> Iterator[str]:
    """What unmerging gives back, and how long the stored update is, which is not how wrong it is."""
    m = record.report
    drift = {d: float(m.unmerge_drift[:, i].max()) for i, d in enumerate(m.dtypes)}
    if drift["float32"]:
        yield say(
            "Unmerging does not restore the weight exactly: in fp32 it is off by up to {drift}.",
            drift=number(drift["float32"]),
        )
    t = int(np.argmin(np.abs(np.log(m.sizes / TELLING))))
    asked, stored = m.delta[t], m.arrived[t]
    if asked.any() and stored.any():
        yield say(
            "In {name}, at the same size, the norm of the stored update is {norm} of that of ΔW, and its part along ΔW "
            "is {along} of ΔW. The rest of it is rounding error.",
            name=SHORT[m.dtypes[m.shown]], norm=percent(float(np.linalg.norm(stored) / np.linalg.norm(asked))),
            along=percent(float(np.sum(stored * asked) / np.sum(asked**2))),
        )  # fmt: skip


def verdict(record: MergeCheck) -> Verdict:
    """Outputs agree up to the rounding of float64 and float32, and a small update is lost in some format."""
    m = record.report
    by_name = {d: i for i, d in enumerate(m.dtypes)}
    if not m.trained_size:
        return undecided(say("ΔW is 0, so there is nothing to merge"), trained_size=0.0)
    exact = float(m.relative_difference[:, by_name["float64"]].max())
    still = {d: float(m.unchanged[0, i]) for d, i in by_name.items()}
    evidence = {"float64": exact, **{f"unchanged_{d}": share for d, share in still.items()}}
    if exact > EXACT:
        return false_here(say("even in fp64 the outputs differ by {exact} (relative)", exact=number(exact)), **evidence)
    if still["bfloat16"] < WIPED:
        return false_here(
            say("even bf16 changes {share} of the weights", share=percent(1 - still["bfloat16"])), **evidence
        )
    return true_here(
        say(
            "in fp64 the outputs differ by at most {exact} (relative), and at ‖ΔW‖ = {size}·‖W‖ bf16 leaves {still} of "
            "the weights unchanged",
            exact=number(exact), size=number(float(m.sizes[0])), still=percent(still["bfloat16"]),
        ),
        **evidence,
    )  # fmt: skip


def table(record: MergeCheck) -> dict[str, np.ndarray]:
    """The report's curves, as columns."""
    m = record.report
    columns = {"size": m.sizes}
    for what in ("max_difference", "relative_difference", "unmerge_drift", "unchanged", "lost"):
        columns |= {f"{what}_{d}": getattr(m, what)[:, i] for i, d in enumerate(m.dtypes)}
    return columns


def maths(record: MergeCheck, settings: Settings) -> str:
    """Why merging is the same up to rounding, what it saves, and what the mistakes are."""
    scaling = settings.experiment.scaling
    forgotten = (
        say("Here s is 1, so leaving it out changes nothing.") if scaling == 1
        else say("Without s the update is multiplied by 1 instead of {scaling:.3g}.", scaling=scaling)
    )  # fmt: skip
    return say(
        r"""
$$
{W}' = {W} + s\,{B}{A}, \qquad {W}'x = {W}x + s\,{B}({A}x), \qquad s = {scaling:.3g}
$$

The two sides are equal in exact arithmetic. A number format keeps a fixed count of digits: bfloat16 has 8 significant
bits, so adding less than about $2^{{-9}}$ of a weight to it gives the same weight back. The adapter here was trained
(its norm was {trained_size} of $\|{W}\|$) and then rescaled through ${B}$ to each size on the axis. At every size the
merge was really carried out in all four formats.

Per token the base layer costs $d_{{out}}\,d_{{in}} = {cost_base}$ multiplications, the unmerged path
$r(d_{{in}} + d_{{out}}) = {cost_unmerged}$ more, the merged layer none. The mistakes, lower right: merging twice adds
$s{B}{A}$ once too often. {forgotten} Dropout left on (p = 0.1) disturbs the input of ${A}$. A transposed ${B}{A}$ fits
a square layer and is simply wrong; a layer that is not square would have refused it.""",
        W=tint("W", "W"), A=tint("A", "A"), B=tint("B", "B"), scaling=scaling, forgotten=forgotten,
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
        "fp16 leaves {share} % unchanged at {same}·‖W‖, an update {times} times smaller.",
        share=word(100 * bf16[at]), same=word(same), times=word(size[at] / same),
    )  # fmt: skip
    about = {"size": word(size[at]), "share": word(100 * bf16[at])}
    return Measured(same, (size[at] * 8, size[at] / 3, size[at] * 8 / 11), told, about)


LESSON = Lesson(
    hero="one_weight",
    id="merge", menu=to_say("Merge an adapter"), title=to_say("Merge an adapter: is the merged layer the same?"),
    claim=to_say(
        "The merged weight W + s·BA gives the same outputs up to rounding error, but in a low-precision format "
        "rounding can wipe out a small update."
    ),
    place=40, default=Experiment(d_in=48, d_out=48, target_rank=4, rank=4, alpha=8.0, lr=0.02, steps=200),
    controls=tuple(CONTROLS[name] for name in ("weights_dtype", "rank", "alpha")),
    more=tuple(CONTROLS[name] for name in ("scaling_rule", "target_rank", "lr", "steps")), measure=measure, film=film,
    takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="difference", table=table,
    exports=lambda record, settings, lab: (Sweep((settings.experiment,)),),
    question=Question(
        to_say(
            "bf16 has 8 significant bits, fp16 has 11. At ‖ΔW‖ = {size}·‖W‖, bf16 leaves {share} % of the weights "
            "unchanged. At what ‖ΔW‖/‖W‖ does fp16 leave the same percentage unchanged?"
        ),
        to_say("Each further bit halves the smallest change that is kept, and 2³ = 8."), _ask,
    ),
)  # fmt: skip
