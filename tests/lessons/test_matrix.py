"""What is rank: shape, image, null space, tolerance, eigenvectors against singular vectors."""

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.core.refusals import Refusal
from lora_viz.film.panels import Bars, Cloud, HeatMap, Readout
from lora_viz.film.paper import printed
from lora_viz.layer.small_matrix import shape_rank
from lora_viz.layer.worked import parse_matrix
from lora_viz.lessons.rank.matrix import LESSON, PRESETS, detail, film, maths, takeaway, verdict


def preset(name: str) -> np.ndarray:
    return parse_matrix(PRESETS[name], "M")


def test_the_document_s_matrix() -> None:
    record = shape_rank(np.array([[1.0, 2, 3], [2, 4, 6]]))
    assert record.sigma[0] == pytest.approx(np.sqrt(70), rel=1e-13)
    assert record.sigma[1] < 1e-13
    assert record.fine[:2] == (2, 1) and record.coarse.numerical == 1
    assert record.fine.stable == pytest.approx(1)
    assert np.abs(record.walk).max() == 1.5
    assert record.moved.max() < 1e-13
    np.testing.assert_allclose(record.arrived, record.arrived[15] + 0 * record.arrived, atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(record.walked - record.walked[15], axis=1), np.abs(record.walk))
    said = takeaway(record)
    assert said.startswith(
        "Shape 2×3, rank 1: the output has 2 coordinates, but all outputs together have 1 dimension."
    )
    assert "2 of 3 input dimensions are lost" in said
    assert verdict(record).holds and verdict(record).evidence["spanned"] == 1


def test_the_maths_says_of_this_matrix_whether_it_is_a_projection() -> None:
    said = {name: maths(shape_rank(preset(name))) for name in ("projection", "shear", "rank_1")}
    assert "This one is a projection." in said["projection"]
    assert "This one is not a projection." in said["shear"] and "not square" in said["rank_1"]


def test_noise_makes_rank_a_matter_of_tolerance() -> None:
    for seed in range(8):
        record = shape_rank(preset("rank_1"), noise=1e-3, seed=seed)
        assert (record.fine.numerical, record.coarse.numerical) == (2, 1)
        assert 0 < record.sigma[1] < 5e-3
        assert "2 above 10⁻¹² σ₁, 1 above 10⁻² σ₁" in detail(record)


def test_only_eigenvectors_keep_their_line() -> None:
    shear = shape_rank(preset("shear"))
    cosine = shear.right[0] @ preset("shear") @ shear.right[0] / shear.sigma[0]
    assert shear.turned == pytest.approx(np.degrees(np.arccos(cosine)))
    assert shear.turned > 20
    np.testing.assert_allclose(shear.eigen, [1, 1])
    turn = shape_rank(preset("turn"))
    assert turn.turned == pytest.approx(90)
    assert len(turn.eigen) == 0
    assert "yet M rotates it" in detail(shear)
    assert "yet M rotates it" not in detail(turn), "no direction is stretched most"
    assert shape_rank(np.array([[2.0, 1], [1, 2]])).turned == pytest.approx(0, abs=1e-5)
    assert np.isnan(shape_rank(preset("rank_1")).turned)


@pytest.mark.parametrize("m", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("zero", [True, False])
def test_every_shape_is_drawn(m: int, n: int, zero: bool) -> None:
    record = shape_rank(np.zeros((m, n)) if zero else np.random.default_rng(m + 7 * n).standard_normal((m, n)))
    picture = film(record)
    inside, shape, outside, bars, _, _ = picture.panels
    assert isinstance(inside, Cloud) and isinstance(outside, Cloud) and isinstance(shape, HeatMap)
    assert (inside.dimension, outside.dimension) == (n, m)
    assert isinstance(bars, Bars) and len(bars.labels) == min(m, n)
    assert not any("nan" in text for text in (*picture.narration, takeaway(record)))
    assert all(np.isfinite(p.xyz).all() for cloud in (inside, outside) for p in cloud.points)
    drawn = printed(picture, "out", theme="dark")
    assert isinstance(drawn, go.Figure)
    image, walked, *axes = drawn.data
    assert (image.type, len(axes)) == ("scatter3d" if m == 3 else "scatter", 0 if zero else min(m, n))
    assert walked.name == "M(x + t z)"
    for axis, name in enumerate("xyz"[:m]):
        np.testing.assert_array_equal(image[name], record.outputs[:, axis])
        for i, trace in enumerate(axes):
            end = record.sigma[i] * record.left[i, axis]
            np.testing.assert_array_equal(trace[name], [-end, end])
    if m == 1:
        assert not image.y.any(), "on a line"


def test_the_readout_names_its_ranks() -> None:
    readout = film(shape_rank(preset("rank_1"))).panels[-1]
    assert isinstance(readout, Readout)
    rows = {row.label: row.text for row in readout.rows}
    assert rows["bound min(m, n), from the shape"] == ("2",)
    assert rows["numerical, σ > 10⁻¹² σ₁ · σ > 10⁻² σ₁"] == ("1 · 1",)


def test_what_is_written_down_is_measured_as_it_stands() -> None:
    played = LESSON.play(matrix="own", own_matrix="[[2, 0, 1], [4, 0, 2]]", entry_noise="0")
    np.testing.assert_array_equal(played.record.matrix, [[2, 0, 1], [4, 0, 2]])
    assert "rank 1 of at most 2" in played.maths
    asked = played.ask()
    assert asked is not None and asked.choices[asked.right] == "1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1 2; x 4", "M holds 'x'"),
        ("1 2 3; 4 5", "M has rows of 3, 2 numbers"),
        ("1 2 3 4; 5 6 7 8", "M is 2×4: at most 3×3 can be drawn."),
        ("", "M is empty"),
    ],
)
def test_what_is_no_small_matrix_is_refused_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Refusal, match=sentence):
        LESSON.play(matrix="own", own_matrix=text)
