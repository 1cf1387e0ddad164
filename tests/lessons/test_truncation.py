"""Nothing beats the SVD: measured against its own tail, and against every rival."""

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.core.random_streams import stream
from lora_viz.film.panels import Bars
from lora_viz.film.paper import printed
from lora_viz.film.style import number
from lora_viz.layer.matrices import SPECTRA
from lora_viz.lessons.rank.truncation import Truncation, detail, film, takeaway, truncation, verdict
from lora_viz.networks.digits import digit_images


@pytest.fixture(scope="module", params=SPECTRA)
def record(request: pytest.FixtureRequest) -> Truncation:
    return truncation(request.param, 13, 7, 5)


def test_the_error_is_the_tail(record: Truncation) -> None:
    np.testing.assert_allclose(record.svd, record.tail, atol=1e-13)
    np.testing.assert_allclose(record.spectral[:-1], record.sigma, rtol=1e-12)
    assert record.spectral[-1] < 1e-13
    assert (np.diff(record.svd) < 0).all()
    assert record.svd[0] == pytest.approx(1)
    assert record.svd[-1] < 1e-13, "exact at the rank of M"


def test_layers_have_rank_1_and_add_up(record: Truncation) -> None:
    assert not record.layer[0].any()
    for layer, sigma in zip(record.layer[1:], record.sigma, strict=True):
        assert np.linalg.matrix_rank(layer) == 1
        assert np.linalg.norm(layer, 2) == pytest.approx(sigma)
    np.testing.assert_allclose(record.layer.sum(axis=0), record.matrix, atol=1e-13)
    for k, kept in enumerate(record.kept):
        assert np.linalg.matrix_rank(kept, tol=1e-10) == k


def test_no_rival_is_better(record: Truncation) -> None:
    for rival in (record.own, record.searched, record.sketched):
        assert (rival >= record.svd - 1e-12).all()
        assert rival[0] == pytest.approx(1)
    assert (record.searched <= record.own).all()
    assert "beat the SVD" in takeaway(record) and verdict(record).holds
    if record.name != "flat":
        assert (record.searched[1:-1] > record.svd[1:-1] + 1e-3).all()
    else:
        np.testing.assert_allclose(record.sketched, record.svd, atol=1e-12)


def test_a_rival_s_error_is_what_its_space_leaves_out() -> None:
    record = truncation("power", 13, 7, 5)
    spaces = np.linalg.qr(stream("column spaces", 5, 0).standard_normal((200, 13, 7)))[0]
    for k in (1, 4, 7):
        q = spaces[0][:, :k]
        best = q @ np.linalg.lstsq(q, record.matrix, rcond=None)[0]
        assert record.own[k] == pytest.approx(np.linalg.norm(record.matrix - best) / np.linalg.norm(record.matrix))


def test_other_rivals_meet_the_same_matrix() -> None:
    one, other = (truncation("power", 13, 7, 5, rivals) for rivals in (0, 1))
    np.testing.assert_array_equal(one.matrix, other.matrix)
    np.testing.assert_array_equal(one.svd, other.svd)
    assert (one.searched != other.searched)[1:].all()


def test_a_random_matrix_has_no_short_summary() -> None:
    """Best rank-8 error of 64×64 normal entries: 0.793 in the literature of this house, and little spread."""
    found = [truncation("random", 5, 3, seed).gaussian for seed in range(8)]
    assert all(0.77 < value < 0.81 for value in found)
    assert f"misses {number(100 * found[0])} %" in detail(truncation("random", 5, 3, 0))


def test_words_and_figure(record: Truncation) -> None:
    picture = film(record)
    assert len(picture.narration) == 8
    assert picture.narration[3].startswith(f"Rank 3: the SVD leaves {number(100 * float(record.svd[3]))} %;")
    bars = picture.panels[1]
    assert isinstance(bars, Bars)
    for k in range(8):
        np.testing.assert_array_equal(bars.groups[0].values[k], np.where(np.arange(7) < k, record.sigma, 0))
    assert "nan" not in takeaway(record)
    drawn = printed(picture, "error", theme="dark")
    assert isinstance(drawn, go.Figure)
    assert [trace.name for trace in drawn.data] == [
        *("truncated SVD", "one random space", "best of 200", "best sketch")
    ]
    curves = (record.svd, record.own, record.searched, record.sketched)
    for trace, errors in zip(drawn.data, curves, strict=True):
        np.testing.assert_array_equal(trace.x, np.arange(8))
        np.testing.assert_array_equal(trace.y, errors)


def test_the_digits_are_real_images_and_their_cut_is_no_worse_than_any_rival() -> None:
    record = truncation("digits", 13, 7, 5)
    images, _ = digit_images()
    rows = {image.tobytes() for image in images}
    for i in range(3):
        for j in range(4):
            block = np.ascontiguousarray(record.matrix[8 * i : 8 * i + 8, 8 * j : 8 * j + 8])
            assert block.reshape(64).tobytes() in rows
    rank = np.linalg.matrix_rank(record.matrix)
    np.testing.assert_allclose(record.svd, record.tail, atol=1e-13)
    assert record.svd[rank - 1] > 1e-4 > 1e-13 > record.svd[rank]
    assert (record.searched[1:rank] > record.svd[1:rank]).all()
    assert film(record).hero == "kept"
    assert "fault of this page" not in takeaway(record) and "all σ are equal" not in takeaway(record)
