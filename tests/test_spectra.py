"""Linear algebra from the factors, against the dense way and against theory."""

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.spectra import (
    full_gradient,
    orthonormal_columns,
    principal_angles,
    ranks,
    reduced_rank_floor,
    truncate,
)
from lora_viz.engine.training import train

rng = np.random.default_rng(11)


@pytest.mark.parametrize(
    ("sigma", "expected"),
    [([1.0, 1.0, 1.0, 1.0], (4, 4, 4.0, 4.0)), ([1.0, 0.0, 0.0], (3, 1, 1.0, 1.0)), ([2.0, 1e-9], (2, 1, 1.0, 1.0))],
)
def test_kinds_of_rank(sigma: list[float], expected: tuple[float, ...]) -> None:
    assert ranks(np.array(sigma), bound=len(sigma)) == pytest.approx(expected, abs=1e-6)


def test_kinds_of_rank_of_1_over_i() -> None:
    found = ranks(1 / np.arange(1, 65), bound=64)
    assert found.effective == pytest.approx(29.12, abs=5e-3)
    assert found.stable == pytest.approx(1.63, abs=5e-3)


def test_rank_of_nothing() -> None:
    found = ranks(np.zeros(3), bound=3)
    assert found[:2] == (3, 0)
    assert np.isnan(found[2:]).all()


def test_eckart_young() -> None:
    m = rng.standard_normal((5, 7))
    sigma = np.linalg.svd(m, compute_uv=False)
    for rank in range(6):
        cut = truncate(m, rank)
        assert np.sum((m - cut) ** 2) == pytest.approx(np.sum(sigma[rank:] ** 2), abs=1e-12)
        best, left = reduced_rank_floor(m, np.eye(7), rank)
        np.testing.assert_allclose(best, cut, atol=1e-12)
        assert left**2 == pytest.approx(np.sum(sigma[rank:] ** 2), abs=1e-12)


def test_reduced_rank_regression_beats_every_other_column_space() -> None:
    m, c = rng.standard_normal((5, 7)), np.eye(7) + 0.2 * rng.standard_normal((7, 7))
    best, left = reduced_rank_floor(m, c @ c.T, 2)
    assert np.linalg.norm((m - best) @ (c @ c.T)) == pytest.approx(left)
    assert np.linalg.matrix_rank(best) == 2
    for _ in range(200):
        u = np.linalg.qr(rng.standard_normal((5, 2)))[0]
        assert np.linalg.norm((m - u @ u.T @ m) @ (c @ c.T)) >= left
    assert np.linalg.norm((m - truncate(m, 2)) @ (c @ c.T)) > left * 1.001


def test_gradients_are_shadows(small: Experiment) -> None:
    run = train(Sweep((small,)))
    grad_a, grad_b = run.factored().gradients(full_gradient(run))
    np.testing.assert_allclose(np.sqrt((grad_a**2).sum((1, 2))), run.grad_A_norm[:, 0], atol=1e-12)
    np.testing.assert_allclose(np.sqrt((grad_b**2).sum((1, 2))), run.grad_B_norm[:, 0], atol=1e-12)


def test_principal_angles() -> None:
    e = np.eye(7)
    assert principal_angles(e[:, :2], e[:, :3]) == pytest.approx([0, 0])
    assert principal_angles(e[:, :2], e[:, 3:6]) == pytest.approx([90, 90])
    turned = np.stack([np.cos(0.3) * e[0] + np.sin(0.3) * e[3], e[1]], axis=1)
    assert principal_angles(e[:, :2], turned) == pytest.approx([0, np.degrees(0.3)])
    tiny = np.cos(1e-10) * e[:, :1] + np.sin(1e-10) * e[:, 3:4]
    assert principal_angles(tiny, e[:, :1])[0] == pytest.approx(np.degrees(1e-10), rel=1e-5)
    assert principal_angles(e[:, :0], e[:, :2]).shape == (0,)


def test_orthonormal_columns() -> None:
    b = rng.standard_normal((5, 2)) @ rng.standard_normal((2, 3))
    q = orthonormal_columns(b)
    assert q.shape == (5, 2)
    np.testing.assert_allclose(q.T @ q, np.eye(2), atol=1e-12)
    np.testing.assert_allclose(q @ (q.T @ b), b, atol=1e-12)
    assert orthonormal_columns(np.zeros((5, 3))).shape == (5, 0)
