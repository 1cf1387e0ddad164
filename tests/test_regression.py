"""Exact fits of every rank against plain least squares, brute truncation and new inputs."""

import numpy as np
import pytest

from lora_viz.engine.regression import draw_samples, fit_all_ranks, stopped_early, teacher

SIGMA = np.array([2.0, 1.0, 0.5])


@pytest.mark.parametrize("n", [4, 7, 23])
def test_every_rank_is_the_best_of_its_rank(n: int) -> None:
    target = teacher(SIGMA, 5, 7, 3, 11)
    np.testing.assert_allclose(np.linalg.svd(target, compute_uv=False)[:, :3], np.tile(SIGMA, (3, 1)), rtol=1e-12)
    samples = draw_samples(target, n, 0.3, 11)
    found = fit_all_ranks(samples, target)
    assert found.excess.shape == found.size.shape == found.train.shape == (3, min(n, 5) + 1)
    for i in range(3):
        x, y = samples.design.inputs[i], samples.labels[i]
        full = np.linalg.lstsq(x, y)[0].T
        u = np.linalg.svd((x @ full.T).T)[0]
        for r in range(min(n, 5) + 1):
            cut = u[:, :r] @ u[:, :r].T @ full
            assert found.excess[i, r] == pytest.approx(np.sum((cut - target[i]) ** 2), abs=1e-10)
            assert found.size[i, r] == pytest.approx(np.sum(cut**2), abs=1e-10)
            assert found.train[i, r] == pytest.approx(np.sum((x @ cut.T - y) ** 2) / n, abs=1e-10)
    assert (np.diff(found.train, axis=1) <= 1e-12).all()


def test_fewer_samples_are_the_first_of_more() -> None:
    target = teacher(SIGMA, 5, 7, 2, 3)
    few, many = (draw_samples(target, n, 0.1, 3) for n in (4, 9))
    np.testing.assert_array_equal(few.design.inputs, many.design.inputs[:, :4])
    np.testing.assert_allclose(few.labels, many.labels[:, :4], atol=1e-12)


def test_excess_is_the_error_on_new_inputs() -> None:
    target = teacher(SIGMA, 5, 7, 1, 5)
    samples = draw_samples(target, 20, 0.5, 5)
    full = np.linalg.lstsq(samples.design.inputs[0], samples.labels[0])[0].T
    new = np.random.default_rng(0).standard_normal((40_000, 7))
    measured = np.mean(np.sum((new @ (full - target[0]).T) ** 2, axis=1))
    assert fit_all_ranks(samples, target).excess[0, -1] == pytest.approx(measured, rel=0.03)


@pytest.mark.parametrize("n", [4, 23])
def test_stopped_early_is_gradient_flow(n: int) -> None:
    target = teacher(SIGMA, 5, 7, 2, 2)
    samples = draw_samples(target, n, 0.4, 2)
    excess, size = stopped_early(samples, target, np.array([0.0, 0.7, 1e6]))
    for i in range(2):
        x, y = samples.design.inputs[i], samples.labels[i]
        weight, dt = np.zeros((5, 7)), 1e-4
        for _ in range(7000):
            weight -= dt * (weight @ x.T - y.T) @ x / n
        assert excess[i, 1] == pytest.approx(np.sum((weight - target[i]) ** 2), rel=1e-3)
        assert size[i, 1] == pytest.approx(np.sum(weight**2), rel=1e-3)
    np.testing.assert_allclose(excess[:, 0], np.sum(target**2, axis=(1, 2)))
    whole = fit_all_ranks(samples, target)
    np.testing.assert_allclose(excess[:, 2], whole.excess[:, -1], rtol=1e-6)
    np.testing.assert_allclose(size[:, 2], whole.size[:, -1], rtol=1e-6)
