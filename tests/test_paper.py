"""A film's panels on paper: every kind that has a still figure shows the film's own numbers."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.film.film import Film
from lora_viz.film.panels import (
    Bars,
    Cloud,
    Curve,
    Curves,
    Field,
    Group,
    HeatMap,
    Lines,
    Mark,
    Panel,
    Passage,
    Passages,
    Points,
    Readout,
    Row,
    Series,
    Span,
)
from lora_viz.film.paper import columns, printed
from lora_viz.film.style import DIVERGING, IDENTITY

T, K, M, N = 5, 3, 7, 11
RNG = np.random.default_rng(13)
STEPS = np.array([0.0, 1, 2, 4, 8])
RISING = np.array([0.5, 1.0, 2.0, 3.0, 5.0])


def film(panel: Panel, training: bool = True) -> Film:
    return Film(axis="step", values=STEPS, panels=(panel,), start=1, training=training)


def printed_alone(panel: Panel, theme: str = "light") -> go.Figure:
    return printed(film(panel), panel.id, theme=theme)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lines_stand_over_the_films_axis_with_their_bands_and_marks(theme: str) -> None:
    drawn = printed_alone(
        Lines(
            "error",
            "Error (drag here)",
            span=12,
            y_label="relative",
            series=(
                Series("learnt", "learnt:", "delta", RISING, low=RISING - 0.25, high=RISING + 0.5, dots=True),
                Series("floor", "floor", "ink", RISING / 7, dash="dash"),
            ),
            marks=(Mark("target", 4.0, "target"),),
        ),
        theme,
    )
    learnt, floor = drawn.data
    assert (learnt.name, floor.name) == ("learnt", "floor"), "a colon is for the screen's reading"
    assert (learnt.mode, floor.mode, floor.line.dash) == ("lines+markers", "lines", "dash")
    assert (learnt.line.color, floor.line.color) == (IDENTITY[theme]["delta"], IDENTITY[theme]["ink"])
    for trace, y in ((learnt, RISING), (floor, RISING / 7)):
        np.testing.assert_array_equal(trace.x, STEPS)
        np.testing.assert_array_equal(trace.y, y)
    np.testing.assert_array_equal(learnt.error_y.array, np.full(T, 0.5))
    np.testing.assert_array_equal(learnt.error_y.arrayminus, np.full(T, 0.25))
    assert floor.error_y.array is None
    assert drawn.layout.title.text == "Error", "nobody drags paper"
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("step", "relative")
    assert (drawn.layout.xaxis.type, drawn.layout.yaxis.type) == ("linear", "linear")
    assert drawn.layout.shapes[0].x0 == 4.0
    assert [(a.x, a.text) for a in drawn.layout.annotations] == [(4.0, "target")]


def test_what_is_not_finite_is_left_out() -> None:
    y = np.array([np.inf, 2.0, np.nan, 3.0, -np.inf])
    wild = np.where(np.isfinite(y), y + 1, np.inf)
    (curve,) = printed_alone(
        Lines("e", "E", span=12, y_label="y", series=(Series("e", "e", "ink", y, low=y, high=wild),))
    ).data
    np.testing.assert_array_equal(curve.y, [np.nan, 2.0, np.nan, 3.0, np.nan])
    for side in (curve.error_y.array, curve.error_y.arrayminus):
        assert not np.isinf(side).any()
    (bars,) = printed_alone(
        Bars("b", "B", span=12, y_label="y", labels=("1", "2"), groups=(Group("g", "g", "A", np.array([np.inf, 2.0])),))
    ).data
    np.testing.assert_array_equal(bars.y, [np.nan, 2.0])
    (cells,) = printed_alone(HeatMap("h", "H", "W", np.array([[1.0, -np.inf]]), span=12, limit=2.0)).data
    np.testing.assert_array_equal(cells.z, [[1.0, np.nan]])


def test_exact_zeros_on_a_logarithmic_axis_are_crosses_a_decade_below_the_rest() -> None:
    zero_first = np.array([0.0, 0.0, 2.0, 3.0, 5.0])
    series = (Series("a", "A", "A", zero_first), Series("b", "B", "B", RISING))
    a, b, crosses = printed_alone(Lines("g", "G", span=12, y_label="y", scale="log", series=series)).data
    np.testing.assert_array_equal(a.y, [np.nan, np.nan, 2.0, 3.0, 5.0])
    np.testing.assert_array_equal(b.y, RISING)
    np.testing.assert_array_equal(crosses.x, STEPS[:2])
    np.testing.assert_allclose(crosses.y, [0.05, 0.05])
    assert (crosses.name, crosses.mode, crosses.marker.symbol) == ("A exactly 0", "markers", "x")
    assert crosses.marker.color == a.line.color
    none = (Series("a", "A", "A", np.zeros(T)),)
    _, alone = printed_alone(Lines("g", "G", span=12, y_label="y", scale="log", series=none)).data
    assert len(alone.x) == T and (alone.y > 0).all()
    linear = printed_alone(Lines("g", "G", span=12, y_label="y", series=series))
    assert len(linear.data) == 2 and linear.data[0].y[0] == 0


def test_curves_stand_over_their_own_axis_at_the_last_frame() -> None:
    x, moving = np.array([1.0, 10.0, 100.0]), np.abs(RNG.standard_normal((T, K)))
    still = np.array([3.0, 5.0, 7.0])
    drawn = printed_alone(
        Curves(
            "spectrum",
            "Spectrum",
            span=12,
            x=x,
            x_label="place",
            y_label="σ",
            x_scale="log",
            scale="log",
            series=(Curve("now", "now", "delta", moving), Curve("then", "then", "ink", still)),
            marks=(Mark("there", 10.0, "there"),),
        )
    )
    now, then = drawn.data
    np.testing.assert_array_equal(now.x, x)
    np.testing.assert_array_equal(now.y, moving[-1])
    np.testing.assert_array_equal(then.y, still)
    assert (drawn.layout.xaxis.type, drawn.layout.yaxis.type) == ("log", "log")
    assert drawn.layout.xaxis.title.text == "place"
    assert drawn.layout.shapes[0].x0 == 10.0
    assert drawn.layout.annotations[0].x == 1.0, "plotly puts an annotation at the logarithm"


def test_bars_stand_side_by_side_at_the_last_frame() -> None:
    moving, still = RNG.standard_normal((T, K)), np.array([2.0, 3.0, 5.0])
    drawn = printed_alone(
        Bars(
            "sigma",
            "Singular values",
            span=12,
            y_label="σ",
            scale="log",
            labels=("1", "2", "3"),
            bar_ids=("one", "two", "three"),
            groups=(Group("learnt", "learnt:", "delta", moving), Group("target", "target", "ink", still, outline=True)),
        ),
        "dark",
    )
    learnt, target = drawn.data
    assert list(learnt.x) == list(target.x) == ["1", "2", "3"]
    np.testing.assert_array_equal(learnt.y, moving[-1])
    np.testing.assert_array_equal(target.y, still)
    assert (learnt.name, learnt.marker.color) == ("learnt", IDENTITY["dark"]["delta"])
    assert (drawn.layout.barmode, drawn.layout.yaxis.type, drawn.layout.yaxis.title.text) == ("group", "log", "σ")


@pytest.mark.parametrize(("theme", "limit"), [("light", 3.0), ("dark", np.array([1.0, 2.0, 7.0, 5.0, 3.0]))])
def test_a_heat_map_keeps_its_scale_and_its_first_row_on_top(theme: str, limit: float | np.ndarray) -> None:
    values = RNG.standard_normal((T, M, N))
    drawn = printed_alone(HeatMap("delta", "ΔW", "delta", values, span=12, limit=limit), theme)
    (cells,) = drawn.data
    np.testing.assert_array_equal(cells.z, values[-1])
    assert -cells.zmin == cells.zmax == np.max(limit)
    assert tuple(colour for _, colour in cells.colorscale) == DIVERGING[theme]
    assert drawn.layout.yaxis.autorange == "reversed" and drawn.layout.title.text == "ΔW"


@pytest.mark.parametrize(("d", "kind"), [(1, "scatter"), (2, "scatter"), (3, "scatter3d")])
def test_a_cloud_shows_its_points_and_both_ends_of_its_directions(d: int, kind: str) -> None:
    moving, still = RNG.standard_normal((T, M, d)), RNG.standard_normal((N, d))
    basis = RNG.standard_normal((T, 2, d))
    basis[-1, 1] = np.nan
    twice = RNG.standard_normal((2, d))
    cloud = Cloud(
        "out",
        "out",
        "delta",
        span=12,
        dimension=d,
        limit=3.0,
        points=(Points("seen", "seen", "W", moving), Points("asked", "asked for", "ink", still, style="ring")),
        spans=(Span("columns", "col(B)", "B", basis), Span("best", "u", "faint", twice, style="axes")),
    )
    drawn = printed_alone(cloud)
    assert [trace.name for trace in drawn.data] == ["seen", "asked for", "col(B)", "u", "u"]
    assert {trace.type for trace in drawn.data} == {kind}
    seen, asked, line, *best = drawn.data
    assert [trace.showlegend for trace in best] == [True, False], "one name for both"
    for axis, name in enumerate("xyz"[:d]):
        np.testing.assert_array_equal(seen[name], moving[-1, :, axis])
        np.testing.assert_array_equal(asked[name], still[:, axis])
        np.testing.assert_array_equal(line[name], [-basis[-1, 0, axis], basis[-1, 0, axis]])
    assert (seen.mode, line.mode, line.line.color) == ("markers", "lines", IDENTITY["light"]["B"])


def test_what_is_no_training_stands_where_it_opens() -> None:
    moving = RNG.standard_normal((T, M, N))
    (cells,) = printed(film(HeatMap("delta", "ΔW", "delta", moving, span=12, limit=3.0), training=False), "delta").data
    np.testing.assert_array_equal(cells.z, moving[1])


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_field_keeps_its_limits_and_frames_the_chosen_cell(scale: str) -> None:
    values = RNG.uniform(0.01, 5.0, (T, 2, 3))
    values[-1, 0, 1] = np.nan
    labels = {"x_labels": ("1", "2", "3"), "y_labels": ("a", "b"), "x_title": "rank", "y_title": "kind"}
    field = Field(
        "map", "Left (click a cell)", values=values, **labels, span=12, scale=scale, limits=(0.1, 2.0), chosen=(1, 2)
    )
    drawn = printed_alone(field, "dark")
    cells, chosen = drawn.data
    clipped = np.clip(values[-1], 0.1, 2.0)
    np.testing.assert_allclose(cells.z, np.log10(clipped) if scale == "log" else clipped)
    assert (cells.x, cells.y) == (("1", "2", "3"), ("a", "b"))
    assert (chosen.x, chosen.y, chosen.marker.color) == (("3",), ("b",), IDENTITY["dark"]["alarm"])
    assert drawn.layout.title.text == "Left"
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("rank", "kind")


def test_passages_are_a_table_and_columns_in_which_html_is_text() -> None:
    said = tuple(f"<b>{t}</b>" for t in range(T))
    panel = Passages("said", "Said", (Passage("base", "base", ("same",)), Passage("lora", "r = 1", said)), span=12)
    (table,) = printed_alone(panel).data
    assert table.cells["values"] == (["base", "r = 1"], ["same", f"&lt;b&gt;{T - 1}&lt;/b&gt;"])
    found = columns(film(panel), "said")
    assert found["said_base"].tolist() == ["same"] * T and found["said_lora"].tolist() == list(said)


def test_what_has_no_still_figure_says_so() -> None:
    with pytest.raises(AssertionError, match="readout has no still figure"):
        printed_alone(Readout("told", "Told", (Row("a", "a", ("1",)),), span=12))
    with pytest.raises(LookupError, match="its ids are: told"):
        printed(film(Readout("told", "Told", (Row("a", "a", ("1",)),), span=12)), "other")


def test_columns_are_the_axis_and_every_curve_with_its_band() -> None:
    lines = Lines(
        "error",
        "Error",
        span=12,
        y_label="y",
        series=(
            Series("trained", "trained", "delta", RISING, low=RISING - 1, high=RISING + 1),
            Series("floor", "floor", "ink", RISING / 7),
        ),
    )
    found = columns(film(lines), "error")
    assert list(found) == ["step", "error_trained", "error_trained_low", "error_trained_high", "error_floor"]
    for values, expected in zip(found.values(), (STEPS, RISING, RISING - 1, RISING + 1, RISING / 7), strict=True):
        np.testing.assert_array_equal(values, expected)
    named = Film(axis="t: x + t·z", values=STEPS, panels=(lines,), start=0)
    assert next(iter(columns(named, "error"))) == "t"
    x = np.array([1.0, 2.0, 3.0])
    own = Curves("own", "Own", span=12, x=x, x_label="x", y_label="y", series=(Curve("c", "c", "ink", x),))
    with pytest.raises(AssertionError, match="an axis of their own"):
        columns(film(own), "own")
