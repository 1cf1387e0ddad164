"""Counts against exact rationals, and against arrays that were really made."""

from fractions import Fraction

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.film.panels import Lines
from lora_viz.film.paper import printed
from lora_viz.lessons.real.storage import SHAPES, detail, film, storage, table, takeaway, verdict


@pytest.mark.parametrize("shape", [(13, 7), (7, 13), *SHAPES.values()], ids=str)
def test_break_even_is_exact(shape: tuple[int, int]) -> None:
    m, n = shape
    record = storage(shape, "power", 0)
    svd, factors = Fraction(m * n, m + n + 1), Fraction(m * n, m + n)
    assert record.svd_breaks_even == float(svd) and record.factors_break_even == float(factors)
    for r, truncated, pair in zip(record.rank, record.truncated, record.factors, strict=True):
        assert (truncated < m * n) == (int(r) < svd)
        assert (pair < m * n) == (int(r) < factors)
    assert {int(svd), int(svd) + 1} <= set(record.rank.tolist())
    assert record.thin == min(m, n) * (m + n + 1)
    assert record.full >= record.thin > record.whole


@pytest.mark.parametrize(
    ("shape", "full"), [((64, 64), 2.0156), ((4096, 4096), 2.0002), ((4096, 11008), 3.0597)], ids=str
)
def test_a_whole_decomposition_is_larger(shape: tuple[int, int], full: float) -> None:
    record = storage(shape, "power", 0)
    assert record.full / record.whole == pytest.approx(full, abs=5e-5)
    assert f"{full:.4f} times the numbers" in takeaway(record)
    assert "(arithmetic)" in detail(record) and verdict(record).holds


def test_the_large_layers_break_even() -> None:
    assert storage((4096, 11008), "power", 0).svd_breaks_even == pytest.approx(2985.02, abs=5e-3)
    assert storage((4096, 11008), "power", 0).factors_break_even == pytest.approx(2985.22, abs=5e-3)
    assert storage((4096, 4096), "power", 0).svd_breaks_even == pytest.approx(2047.75, abs=5e-3)
    assert storage((64, 64), "power", 0).svd_breaks_even == pytest.approx(31.75, abs=5e-3)


def test_what_is_measured_is_counted_and_cut() -> None:
    record = storage((13, 7), "power", 3)
    assert record.measured
    np.testing.assert_array_equal(record.counted, record.truncated)
    np.testing.assert_array_equal(record.cut_rank, record.rank)
    sigma = np.linalg.svd(record.matrix, compute_uv=False)
    expected = [np.sqrt((sigma[r:] ** 2).sum() / (sigma**2).sum()) for r in record.rank]
    np.testing.assert_allclose(record.error, expected, atol=1e-13)
    full = sum(part.size for part in np.linalg.svd(record.matrix))
    thin = sum(part.size for part in np.linalg.svd(record.matrix, full_matrices=False))
    assert (record.full, record.thin) == (full, thin)


def test_a_large_shape_is_said_to_be_arithmetic() -> None:
    record = storage((768, 768), "power", 0)
    assert not record.measured and record.matrix.shape == (41, 31)
    assert record.cut_rank[-1] == 31 and record.error[-1] < 1e-13
    lines = film(record).panels[0]
    assert isinstance(lines, Lines) and "(arithmetic)" in lines.title
    assert "shown instead" in film(record).panels[3].title


def test_words_and_figure() -> None:
    record = storage((13, 7), "power", 3)
    picture = film(record)
    by_rank = dict(zip(record.rank.tolist(), picture.narration, strict=True))
    assert by_rank[4].startswith("Rank 4: Uᵣ, σ and Vᵣ hold 7 fewer numbers than W")
    assert by_rank[5] == "Rank 5: Uᵣ, σ and Vᵣ hold 14 more numbers than W."
    assert "LoRA stores W as well: at r = 4 it is 91 numbers and 80 more" in takeaway(record)
    drawn = printed(picture, "stored")
    assert isinstance(drawn, go.Figure) and len(drawn.data) == 5
    for trace, stored in zip(drawn.data, (91, record.truncated, record.factors, 91 + record.factors, 225), strict=True):
        np.testing.assert_array_equal(trace.x, record.rank)
        np.testing.assert_allclose(91 * trace.y, stored + 0 * record.rank)
    assert [trace.name for trace in drawn.data][:2] == ["W whole", "Uᵣ σ Vᵣ"]
    assert drawn.layout.shapes[0].x0 == 91 / 21
    assert len({len(c) for c in table(record).values()}) == 1
