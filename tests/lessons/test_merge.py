"""The merge lesson's words and pictures say what the report measured."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.panels import Lines
from lora_viz.film.paper import printed
from lora_viz.film.style import number, percent
from lora_viz.layer.merging import DTYPES, merge_report
from lora_viz.layer.merging import MISTAKES as MISTAKE_NAMES
from lora_viz.lessons.basics.merge import MISTAKES, MergeCheck, detail, film, merge_check, table, takeaway, verdict

# What the lesson offers, and PEFT's Gaussian: starts over the original base weight.
STARTS = ("B_zero", "A_zero", "both_zero", "both_random", "gaussian")

SQUARE = Experiment(d_in=11, d_out=11, target_rank=3, rank=3, alpha=7.5, lr=0.02, steps=50, seed=3)
SHORT = ("fp64", "fp32", "fp16", "bf16")
SIZES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 2.0)


def checked(shown: str = "bfloat16", **change: object) -> MergeCheck:
    e = replace(SQUARE, **change)  # type: ignore[arg-type]
    return merge_check(merge_report(train(Sweep((e,)), records=2), shown=shown, sizes=SIZES), e)


@pytest.fixture(scope="module")
def record() -> MergeCheck:
    return checked()


def test_costs(record: MergeCheck) -> None:
    assert record[1:] == (3, 121, 121 + 3 * 22, 121)
    odd = merge_check(record.report, replace(SQUARE, d_in=13, d_out=7, rank=5))
    assert odd[1:] == (5, 91, 91 + 5 * 20, 91)


@pytest.mark.parametrize("shown", DTYPES)
def test_takeaway_is_the_report_at_one_thousandth(shown: str) -> None:
    record = checked(shown)
    m, said = record.report, takeaway(record)
    assert m.sizes[2] == 1e-3
    assert "nan" not in said
    told = list(dict.fromkeys((DTYPES.index(shown), 3)))  # the one asked for and the coarsest, once each
    outputs = ", ".join(f"{number(m.relative_difference[2, i])} in {SHORT[i]}" for i in told)
    assert f"At ‖ΔW‖ = 0.001·‖W‖, merged and unmerged outputs differ by {outputs} (relative)." in said
    for i in (0, *told):  # which is rounding: within one unit in the last place of each format
        assert m.relative_difference[2, i] < 2.0 ** -(52, 23, 10, 7)[i]
    assert m.lost[2, 3] > 0.5 > m.lost[2, 2] > 0.01 > m.lost[2, 1]
    assert (
        f"In bf16, {percent(m.unchanged[2, 3])} of the weights do not change at all, and the stored update differs "
        f"from ΔW by {percent(m.lost[2, 3])} of its norm."
    ) in said
    assert said.count("do not change at all") == 1, "the coarsest format shown is told, and no other"
    assert f"in fp32 it is off by up to {number(m.unmerge_drift[:, 1].max())}" in detail(record)


def test_an_error_of_the_stored_update_is_not_what_is_lost_of_it(record: MergeCheck) -> None:
    """The stored update of bf16, by its own norm and its part along ΔW: the rest is rounding error, not loss."""
    m = record.report
    shown = DTYPES.index("bfloat16")
    assert m.shown == shown
    asked, stored = m.delta[2], m.arrived[2]
    norm = np.sqrt((stored**2).sum() / (asked**2).sum())
    along = np.trace(stored.T @ asked) / np.trace(asked.T @ asked)
    assert abs(np.sqrt(norm**2 - 2 * along + 1) - m.lost[2, shown]) < 1e-3, "both make the relative error"
    assert f"is {percent(norm)} of that of ΔW, and its part along ΔW is {percent(along)} of ΔW" in detail(record)


def test_verdict(record: MergeCheck) -> None:
    m = record.report
    found = verdict(record)
    assert found.holds and found.evidence["float64"] == m.relative_difference[:, 0].max()
    wrong = m.relative_difference.copy()
    wrong[3, 0] = 1e-6
    assert verdict(record._replace(report=replace(m, relative_difference=wrong))).holds is False, "fp64 must agree"
    kept = m.unchanged.copy()
    kept[0, 3] = 0.2
    assert verdict(record._replace(report=replace(m, unchanged=kept))).holds is False, "bf16 must lose the smallest"
    assert verdict(checked(steps=0)).holds is None, "nothing to merge"


@pytest.mark.parametrize("shown", DTYPES)
def test_film_shows_the_dtype_asked_for(shown: str) -> None:
    record = checked(shown)
    m, i, picture = record.report, DTYPES.index(shown), film(record)
    assert picture.start == 2
    assert len(picture.narration) == len(SIZES)
    for t, text in enumerate(picture.narration):
        assert SHORT[i] in text
        assert number(m.relative_difference[t, i]) in text
        assert f", {percent(m.unchanged[t, i])} of the weights do not change." in text
    curves, still = picture.panels[0].series, picture.panels[1].series
    for column, (a, b) in enumerate(zip(curves, still, strict=True)):
        np.testing.assert_array_equal(a.y, m.relative_difference[:, column])
        np.testing.assert_array_equal(b.y, m.unchanged[:, column])
        assert (a.colour == "delta") == (b.colour == "delta") == (column == i)
    W, asked, merged, arrived = picture.panels[3:7]
    np.testing.assert_array_equal(W.values + arrived.values, merged.values)
    np.testing.assert_array_equal(asked.values, m.delta)
    np.testing.assert_array_equal(asked.limit, np.abs(m.delta).max(axis=(1, 2)))
    np.testing.assert_array_equal(asked.limit, arrived.limit)  # one scale, or nothing could be compared
    np.testing.assert_array_equal(picture.panels[7].groups[0].values, m.mistakes)
    assert picture.panels[7].labels == MISTAKE_NAMES
    assert dict(zip(MISTAKES, MISTAKE_NAMES, strict=True))["no_scaling"] == "no s"
    rows = {row.label: row.text for row in picture.panels[2].rows}
    assert rows["largest output difference"] == tuple(number(v) for v in m.max_difference[:, i])
    assert rows["drift after unmerging"] == tuple(number(v) for v in m.unmerge_drift[:, i])
    assert rows["error of the stored update"] == tuple(f"{number(100 * v)} %" for v in m.lost[:, i])
    assert rows["cost per token, unmerged / merged"] == (f"+{100 * 66 / 121:.1f} % / +0 %",)


@pytest.mark.parametrize("shown", ["float32", "float16", "bfloat16"])
def test_one_weight_stands_where_its_format_lets_it(shown: str) -> None:
    """Of the update that is asked, the stored weight follows up to half a step of its format, bf16's for bf16."""
    record = checked(shown)
    panel = film(record).panel("one_weight")
    assert isinstance(panel, Lines)
    asked, stored = (series.y for series in panel.series)
    seen = np.isfinite(asked)
    assert seen.any() and (np.abs(asked[seen]) <= 4.5).all() and (np.isfinite(stored) == seen).all()
    step = {"float32": 2.0**-16, "float16": 2.0**-3, "bfloat16": 1.0}[shown]  # in steps of bf16
    # The factors are rounded too before they are multiplied: a few units in the last place of ΔW itself.
    slack = 4 * step / 128 * np.abs(asked[seen]) + 1e-3 * (shown == "float32")
    assert (np.abs(asked - stored)[seen] <= 0.5 * step * 2 + slack).all()
    if shown == "bfloat16":
        np.testing.assert_array_equal(stored[seen], np.round(stored[seen]))
        assert stored[0] == 0 < asked[0], "the smallest update does not move it"
    for mark in panel.marks:
        assert pytest.approx(np.interp(mark.at, record.report.sizes[seen], asked[seen]), rel=0.35) == 0.5


def test_figure(record: MergeCheck) -> None:
    for theme in ("light", "dark"):
        drawn = printed(film(record), "difference", theme=theme)
        assert isinstance(drawn, go.Figure)
        assert [trace.name for trace in drawn.data] == ["fp64", "fp32", "fp16", "bf16"]
        assert drawn.layout.title.text == "Difference of the outputs"
        assert len({trace.line.dash for trace in drawn.data}) == 4
        for i, trace in enumerate(drawn.data):
            np.testing.assert_array_equal(trace.y, record.report.relative_difference[:, i])
            np.testing.assert_array_equal(trace.x, SIZES)


@pytest.mark.parametrize(
    "change", [{"init": i} for i in STARTS] + [{"steps": 0}, {"optimizer": "sgd", "lr": 100.0}], ids=str
)
def test_every_init(change: dict[str, object]) -> None:
    record = checked(**change)
    assert "nan" not in takeaway(record)
    assert len(film(record).narration) == len(SIZES)
    drawn, differences = printed(film(record), "difference").data, record.report.relative_difference.T
    for trace, difference in zip(drawn[:4], differences, strict=True):
        np.testing.assert_array_equal(trace.y, np.where(difference > 0, difference, np.nan))
    zeros = [np.array(SIZES)[difference == 0] for difference in differences if (difference == 0).any()]
    assert [list(crosses.x) for crosses in drawn[4:]] == [list(sizes) for sizes in zeros]
    assert all(np.isfinite(column).all() for column in table(record).values())


def test_table(record: MergeCheck) -> None:
    columns = table(record)
    assert {len(column) for column in columns.values()} == {len(SIZES)}
    assert len(columns) == 1 + 5 * 4
    np.testing.assert_array_equal(columns["size"], SIZES)
    for i, name in enumerate(DTYPES):
        np.testing.assert_array_equal(columns[f"unchanged_{name}"], record.report.unchanged[:, i])
        np.testing.assert_array_equal(columns[f"lost_{name}"], record.report.lost[:, i])
