"""A matrix kept as its factors, against the product that it stands for."""

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.factored import FactoredMatrix
from lora_viz.engine.training import train

rng = np.random.default_rng(11)


def drawn(*batch: int, rank: int = 3, scaling: float = 2.5, d_out: int = 5, d_in: int = 7) -> FactoredMatrix:
    return FactoredMatrix(
        rng.standard_normal((*batch, rank, d_in)), rng.standard_normal((*batch, d_out, rank)), scaling
    )


@pytest.mark.parametrize("batch", [(), (13,), (2, 11)])
@pytest.mark.parametrize("rank", [1, 3, 6, 11])  # below, between and above both widths
@pytest.mark.parametrize("scaling", [2.5, -0.5, 0.0])
def test_it_is_the_product(batch: tuple[int, ...], rank: int, scaling: float) -> None:
    m = drawn(*batch, rank=rank, scaling=scaling)
    dense = scaling * (m.B @ m.A)
    k = min(rank, 5)
    assert (m.shape, m.rank, m.rank_bound) == ((5, 7), rank, k)
    np.testing.assert_array_equal(m.dense(), dense)
    expected = np.linalg.svd(dense, compute_uv=False)[..., :k]
    np.testing.assert_allclose(m.singular_values(), expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(m.norm(), np.linalg.norm(dense, axis=(-2, -1)), rtol=1e-12)
    u, sigma, vt = m.svd()
    assert (u.shape, sigma.shape, vt.shape) == ((*batch, 5, k), (*batch, k), (*batch, k, 7))
    np.testing.assert_allclose(sigma, expected, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose((u * sigma[..., None, :]) @ vt, dense, atol=1e-12)
    np.testing.assert_allclose(np.swapaxes(u, -1, -2) @ u, np.broadcast_to(np.eye(k), (*batch, k, k)), atol=1e-13)
    np.testing.assert_allclose(vt @ np.swapaxes(vt, -1, -2), np.broadcast_to(np.eye(k), (*batch, k, k)), atol=1e-13)


@pytest.mark.parametrize("near", [1.0, 1e-2, 1e-7])  # how far the last column of B is from the first
def test_tall_factors_give_their_singular_values_whatever_their_columns_are(near: float) -> None:
    """Also columns of lengths four decades apart; nearly dependent ones need QR, which then is taken."""
    A, B = rng.standard_normal((17, 151)), rng.standard_normal((139, 17))
    B[:, -1] = B[:, 0] + near * B[:, -1]
    m = FactoredMatrix(A * np.geomspace(1, 1e-4, 17)[:, None], B)
    expected = np.linalg.svd(m.dense(), compute_uv=False)[:17]
    np.testing.assert_allclose(m.singular_values(), expected, rtol=1e-11, atol=1e-14 * expected[0])


def test_from_svd_splits_evenly() -> None:
    u, sigma, vt = np.linalg.svd(rng.standard_normal((5, 7)), full_matrices=False)
    for scaling in (1.0, 2.5, -2.5):
        m = FactoredMatrix.from_svd(u[:, :3], sigma[:3], vt[:3], scaling)
        np.testing.assert_allclose(m.dense(), (u[:, :3] * sigma[:3]) @ vt[:3], atol=1e-13)
        np.testing.assert_allclose(np.sum(m.A**2, axis=1), np.sum(m.B**2, axis=0), rtol=1e-12)


def test_sums_and_differences() -> None:
    one, other = drawn(11), drawn(11, rank=2, scaling=-0.5)
    assert (one + other).rank == 5
    np.testing.assert_allclose((one + other).dense(), one.dense() + other.dense(), atol=1e-13)
    np.testing.assert_allclose((one - other).dense(), one.dense() - other.dense(), atol=1e-13)
    assert (one - one).norm().max() <= 1e-13 * one.norm().max()


def test_gradients_are_shadows(small: Experiment) -> None:
    G, m = rng.standard_normal((13, 5, 7)), drawn(13)
    grad_A, grad_B = m.gradients(G)
    step = 1e-6 * rng.standard_normal(m.A.shape)
    moved = FactoredMatrix(m.A + step, m.B, m.scaling)
    # ⟨G, s·B A⟩ is linear in A: its change is ⟨∇A, dA⟩ up to rounding
    change = np.sum(G * (moved.dense() - m.dense()), axis=(1, 2))
    np.testing.assert_allclose(np.sum(grad_A * step, axis=(1, 2)), change, atol=1e-13)
    np.testing.assert_allclose(grad_B, 2.5 * G @ m.A.transpose(0, 2, 1), rtol=1e-12)


def test_a_run_gives_it(small: Experiment) -> None:
    run = train(Sweep.over(small, rank=(2, 3)), records=5)
    for i in range(2):
        np.testing.assert_array_equal(run.factored(i).dense(), run.delta_weight(i))
        np.testing.assert_array_equal(run.factored(i)[-1].dense(), run.delta_weight(i)[-1])
        assert run.factored(i)[1:3].A.shape == (2, 2 + i, 7)


@pytest.mark.parametrize("size", [1e-250, 1e-30, 1e200])
def test_size_makes_no_difference(size: float) -> None:
    m = drawn()
    found = FactoredMatrix(m.A * size, m.B / size, m.scaling)
    np.testing.assert_allclose(found.singular_values(), m.singular_values(), rtol=1e-12)
    np.testing.assert_allclose(found.norm(), m.norm(), rtol=1e-12)
    assert np.isinf(FactoredMatrix(m.A * 1e200, m.B * 1e200).norm())


def test_only_what_is_not_finite_has_no_singular_values() -> None:
    m = drawn(4)
    for bad in (np.nan, np.inf):
        m.A[2, 1, 3] = bad
        expected = [True, True, False, True]
        assert np.isfinite(m.singular_values()).all(axis=1).tolist() == expected
        assert np.isfinite(m.norm()).tolist() == np.isfinite(m.svd()[1]).all(axis=1).tolist() == expected


def test_the_number_format_stays() -> None:
    m = drawn()
    short = FactoredMatrix(m.A.astype(np.float32), m.B.astype(np.float32), 2.5)
    for x in (short.dense(), short.singular_values(), short.norm(), *short.svd()):
        assert x.dtype == np.float32
    exact = np.linalg.svd(short.in_float64().dense(), compute_uv=False)[:3]
    np.testing.assert_allclose(short.in_float64().singular_values(), exact, rtol=1e-12)
    np.testing.assert_allclose(short.singular_values(), exact, rtol=1e-4)


@pytest.mark.parametrize(("a", "b"), [((3, 7), (5, 2)), ((2, 3, 7), (5, 3)), ((2, 3, 7), (3, 5, 3)), ((7, 3), (3, 5))])
def test_factors_that_do_not_fit(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="B needs a column for every row of A"):
        FactoredMatrix(np.zeros(a), np.zeros(b))
