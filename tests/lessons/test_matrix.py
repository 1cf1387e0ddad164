"""What is rank: shape, image, null space, tolerance, eigenvectors against singular vectors."""

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.film.panels import Bars, Cloud, HeatMap, Readout
from lora_viz.layer.worked import parse_matrix
from lora_viz.lessons.rank.matrix import PRESETS, film, plot_shape_rank, shape_rank, table, takeaway


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


@pytest.mark.parametrize("name", list(PRESETS))
def test_the_image_of_the_unit_vectors(name: str) -> None:
    matrix = preset(name)
    record = shape_rank(matrix)
    np.testing.assert_allclose(np.linalg.norm(record.inputs, axis=1), 1)
    np.testing.assert_allclose(record.outputs, record.inputs @ matrix.T)
    assert record.stretch <= record.sigma[0] * (1 + 1e-12)
    assert record.stretch > 0.97 * record.sigma[0]
    assert record.fine.numerical == np.linalg.matrix_rank(matrix)
    # the image is an ellipse with semi-axes σᵢ uᵢ: along them it is the unit sphere again
    kept = record.sigma > 1e-9
    inside = record.outputs @ record.left[kept].T / record.sigma[kept]
    assert (np.linalg.norm(inside, axis=1) <= 1 + 1e-12).all()


def test_noise_makes_rank_a_matter_of_tolerance() -> None:
    for seed in range(8):
        record = shape_rank(preset("rank_1"), noise=1e-3, seed=seed)
        assert (record.fine.numerical, record.coarse.numerical) == (2, 1)
        assert 0 < record.sigma[1] < 5e-3
        assert "2 above 10⁻¹² σ₁, 1 above 10⁻² σ₁" in takeaway(record)


def test_only_eigenvectors_keep_their_line() -> None:
    shear = shape_rank(preset("shear"))
    cosine = shear.right[0] @ preset("shear") @ shear.right[0] / shear.sigma[0]
    assert shear.turned == pytest.approx(np.degrees(np.arccos(cosine)))
    assert shear.turned > 20
    np.testing.assert_allclose(shear.eigen, [1, 1])
    turn = shape_rank(preset("turn"))
    assert turn.turned == pytest.approx(90)
    assert len(turn.eigen) == 0
    assert "yet M turns it" in takeaway(shear)
    assert "yet M turns it" not in takeaway(turn), "no direction is stretched most"
    assert shape_rank(np.array([[2.0, 1], [1, 2]])).turned == pytest.approx(0, abs=1e-5)
    assert np.isnan(shape_rank(preset("rank_1")).turned)


def test_only_a_projection_does_nothing_the_second_time() -> None:
    assert shape_rank(preset("projection")).twice < 1e-13
    for name in ("rank_2", "rank_3", "shear", "turn"):
        m = preset(name)
        assert shape_rank(m).twice == pytest.approx(np.linalg.norm(m @ m - m) / np.linalg.norm(m))
        assert shape_rank(m).twice > 0.1


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
    assert isinstance(plot_shape_rank(record, theme="dark"), go.Figure)
    assert {len(c) for c in table(record).values()} == {31}


def test_what_is_too_large_is_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match=r"^M is 4×2: at most 3×3 can be drawn\.$"):
        shape_rank(np.ones((4, 2)))


def test_the_readout_names_its_ranks() -> None:
    readout = film(shape_rank(preset("rank_1"))).panels[-1]
    assert isinstance(readout, Readout)
    rows = {row.label: row.text for row in readout.rows}
    assert rows["bound min(m, n), from the shape"] == ("2",)
    assert rows["numerical, σ > 10⁻¹² σ₁ · σ > 10⁻² σ₁"] == ("1 · 1",)
