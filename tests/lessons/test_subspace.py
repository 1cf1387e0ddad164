"""Between two updates of rank r lies rank 2r."""

import numpy as np
import pytest

from lora_viz.film.panels import Cloud
from lora_viz.film.paper import printed
from lora_viz.layer.factorisation import turn
from lora_viz.layer.matrices import low_rank_factors
from lora_viz.lessons.rank.subspace import detail, film, low_rank_set, takeaway, verdict


@pytest.mark.parametrize("r", [1, 2, 3, 6])
def test_the_sum_has_twice_the_rank(r: int) -> None:
    for seed in range(8):
        record = low_rank_set(r, seed)
        assert record.rank[0] == record.rank[-1] == r
        assert (record.rank[1:-1] == 2 * r).all()
        assert np.linalg.matrix_rank(record.first + record.second) == 2 * r
        assert record.away[0] < 1e-13 and (record.away[1:-1] > 1e-3).all()


def test_a_small_shape_bounds_the_rank() -> None:
    assert (low_rank_set(3, 0, (7, 5)).rank[1:-1] == 5).all()


def test_nearest_is_eckart_young() -> None:
    record = low_rank_set(2, 3, (13, 7))
    for t in (5, 20, 33):
        sigma = np.linalg.svd(record.mix[t], compute_uv=False)
        assert record.away[t] == pytest.approx(np.sqrt((sigma[2:] ** 2).sum() / (sigma**2).sum()))
        assert np.linalg.matrix_rank(record.nearest[t]) == 2


def test_mixing_factors_is_not_mixing_products() -> None:
    record = low_rank_set(2, 3, (13, 7))
    (A1, B1), (A2, B2) = (low_rank_factors(13, 7, 2, 3, name) for name in ("first", "second"))
    mean = (B1 @ A1 + B2 @ A2) / 2
    apart = (B1 + B2) / 2 @ (A1 + A2) / 2
    assert record.averaged[20] == pytest.approx(np.linalg.norm(apart - mean) / np.linalg.norm(mean))
    assert record.averaged[0] < 1e-13 and record.averaged[-1] < 1e-13


def test_the_loss_is_not_convex() -> None:
    """Equal at both ends, ½‖M₁‖² in the middle, where both factors are 0."""
    record = low_rank_set(3, 0)
    assert record.loss[0] < 1e-24 and record.loss[-1] < 1e-24
    assert record.loss[20] == pytest.approx(0.5)
    assert record.loss.argmax() == 20


@pytest.mark.parametrize("r", [2, 3])
def test_for_even_r_a_rotation_joins_the_two_pairs_without_any_loss(r: int) -> None:
    """−I is a rotation for even r only: half a turn in r/2 planes leads there, and B A stays all the way."""
    (A, B), half = low_rank_factors(7, 5, r, 0), np.eye(r)
    joined = "joins them without" in detail(low_rank_set(r, 0))
    assert joined == (r % 2 == 0) == (np.linalg.det(-half) > 0)
    if joined:
        for angle in np.linspace(0, np.pi, 9):
            Q = turn(r, angle)
            np.testing.assert_allclose((B @ Q) @ (Q.T @ A), B @ A, atol=1e-13)
        np.testing.assert_allclose(turn(2, np.pi), -np.eye(2), atol=1e-15)


def test_the_cone_holds_the_matrices_of_rank_one_and_only_the_ends_of_the_way() -> None:
    for seed in range(5):
        record = low_rank_set(2, seed)
        drawn = film(record).panel("cone")
        assert isinstance(drawn, Cloud)
        cone, way, ends, _, nearest = drawn.points
        for points in (cone.xyz, ends.xyz, nearest.xyz[:, 1]):
            x, y, z = np.moveaxis(points, -1, 0)
            np.testing.assert_allclose(x**2 + y**2, z**2, atol=1e-12)
        x, y, z = way.xyz[1:-1].T
        assert (z**2 - x**2 - y**2 > 1e-3).all(), "inside, where det is not 0"
        np.testing.assert_allclose(z**2 - x**2 - y**2, 2 * np.linalg.det(record.small[1:-1]), atol=1e-12)
        # distances in the picture are those of the matrices
        apart = np.linalg.norm(nearest.xyz[:, 0] - nearest.xyz[:, 1], axis=-1)
        np.testing.assert_allclose(apart, np.linalg.svd(record.small, compute_uv=False)[:, 1], atol=1e-12)


def test_words_and_figure() -> None:
    record = low_rank_set(3, 0)
    said = takeaway(record)
    assert said.startswith("Between two updates of rank 3 the rank is 6,") and verdict(record).holds
    picture = film(record)
    assert picture.narration[0] == "t = 0: M₁ itself, rank 3." and picture.narration[-1] == "t = 1: M₂ itself, rank 3."
    assert picture.narration[20].startswith("t = 0.5: the mix has rank 6;")
    mix, r = printed(picture, "rank").data
    for trace, rank in ((mix, record.rank), (r, np.full(41, 3))):
        np.testing.assert_array_equal(trace.x, record.t)
        np.testing.assert_array_equal(trace.y, rank)
