"""Cosines against a dense SVD of the planted weight, the threshold, and the random baseline."""

import numpy as np
import pytest

from lora_viz.core.random_streams import stream
from lora_viz.film.paper import printed
from lora_viz.lessons.rank.intruders import SHOWN, TOP, Intruders, detail, film, intruders, table, takeaway, verdict


@pytest.fixture(scope="module")
def found() -> Intruders:
    return intruders(64, "gaussian", 0.5, 0)


@pytest.mark.parametrize("t", [0, 13, 32])
def test_cosines_are_those_of_a_dense_svd_in_the_weights_own_axes(t: int) -> None:
    record = intruders(41, "gaussian", 0.5, 3, seeds=1)
    rng = stream("planted spike", 3, 0)
    W0 = rng.standard_normal((41, 41)) / np.sqrt(41)
    X, old, Zt = np.linalg.svd(W0)
    u, v = (x / np.linalg.norm(x) for x in rng.standard_normal((2, 41)))
    tuned = W0 + record.sizes[t] * old[0] * np.outer(X @ u, v @ Zt)
    Y, sigma, _ = np.linalg.svd(tuned)
    cosines = np.abs(Y[:, :TOP].T @ X)
    np.testing.assert_allclose(record.cosines[t], cosines[:, :SHOWN], atol=1e-9)
    np.testing.assert_allclose(record.sigma[t], sigma[:SHOWN], rtol=1e-9)
    np.testing.assert_allclose(record.closest[1, t], cosines.max(axis=1).min())
    assert record.intruding[1, t] == (cosines.max(axis=1) < 0.5).sum()
    nearest = np.abs(Y[:, :TOP].T @ X @ u).max()
    np.testing.assert_allclose(record.along[1, t], nearest, atol=1e-9)


def test_no_spike_no_intruder(found: Intruders) -> None:
    np.testing.assert_allclose(found.closest[:, 0], 1.0)
    assert (found.intruding[:, 0] == 0).all()


def test_the_intruder_comes_between_half_and_once_the_largest_value(found: Intruders) -> None:
    below, above = found.sizes <= 0.375, found.sizes >= 1.0
    assert (found.intruding[2, below] == 0).all(), "in no seed"
    assert (found.intruding[1, above] == 1).all()
    assert "had one from" in takeaway(found) and verdict(found).holds


def test_a_strong_spike_points_as_the_law_says(found: Intruders) -> None:
    strong = found.sizes >= 1.0
    np.testing.assert_allclose(found.along[1, strong], found.law[strong], atol=0.02)


def test_an_intruder_is_inside_the_span_and_no_more_like_the_old_than_chance(found: Intruders) -> None:
    np.testing.assert_allclose(found.inside, 1.0, atol=1e-12)
    assert found.random[0] <= found.closest[1, -1] <= found.random[2]
    np.testing.assert_allclose(found.random[1], found.baseline, rtol=0.15)
    assert "not outside the old span" in detail(found)


def test_where_chance_is_above_epsilon_it_is_said() -> None:
    blind = intruders(32, "gaussian", 0.3, 0, seeds=3)
    assert "finds next to nothing" in takeaway(blind) and verdict(blind).holds is None


def test_a_decaying_weight_mixes_with_the_spike_where_values_meet() -> None:
    record = intruders(96, "decaying", 0.5, 0)
    at = list(record.sizes).index(1.0)
    assert record.along[1, at] < record.along[1, at - 4], "θ = σ₁: two equal values, two mixed directions"
    assert "the two mix" in detail(record)
    assert np.isnan(record.law).all()


@pytest.mark.parametrize("kind", ["gaussian", "decaying"])
def test_the_still_figure_the_law_and_the_table(kind: str) -> None:
    record = intruders(41, kind, 0.4, 3, seeds=3)
    drawn, flat = printed(film(record), "closest"), np.ones(33)
    closest, along, *law, epsilon, random = drawn.data
    assert [x.name for x in (closest, along, epsilon)] == ["least similar y", "|cos(y, u)|", "ε"]
    assert len(law) == (kind == "gaussian")
    for trace, y in (
        (closest, record.closest[1]),
        (along, record.along[1]),
        (epsilon, 0.4 * flat),
        (random, record.baseline * flat),
    ):
        np.testing.assert_array_equal(trace.x, record.sizes)
        np.testing.assert_array_equal(trace.y, y)
    series = [part.id for part in film(record).panel("closest").parts()]
    assert ("law" in series) == ("threshold" in series) == (kind == "gaussian")
    columns = table(record)
    assert {len(column) for column in columns.values()} == {33}
    np.testing.assert_array_equal(columns["cos_spike_low"], record.along[0])
