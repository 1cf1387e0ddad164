"""The tasks: what is asked for is what is drawn, and one change re-rolls nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, ExperimentError
from lora_viz.layer.tasks import TARGET_NORM, batches, make_task, target_spectrum


@pytest.mark.parametrize("spectrum", ["flat", "power", "exponential", "geometric", "spike"])
def test_target_has_the_spectrum_asked_for(small: Experiment, spectrum: str) -> None:
    e = replace(small, spectrum=spectrum, target_rank=4)
    sigma = np.linalg.svd(make_task(e).target_delta, compute_uv=False)
    np.testing.assert_allclose(sigma[:4], target_spectrum(e), rtol=1e-12)
    assert sigma[0] == pytest.approx(TARGET_NORM)
    assert sigma[4] < 1e-13


def test_a_geometric_target_has_the_condition_asked_for(small: Experiment) -> None:
    e = replace(small, spectrum="geometric", target_rank=4, target_condition=8.0)
    np.testing.assert_allclose(target_spectrum(e), [4.0, 2.0, 1.0, 0.5], rtol=1e-13)
    assert target_spectrum(replace(e, target_rank=1)).tolist() == [4.0]


def test_full_rank_target(small: Experiment) -> None:
    assert np.linalg.matrix_rank(make_task(replace(small, task="full_rank")).target_delta) == 5


@pytest.mark.parametrize("condition", [1.0, 10.0, 1e4])
def test_condition_number_is_exact(small: Experiment, condition: float) -> None:
    task = make_task(replace(small, condition=condition))
    values = np.linalg.eigvalsh(task.inputs.T @ task.inputs / 29)
    assert values[-1] / values[0] == pytest.approx(condition, rel=1e-9)
    assert values.mean() == pytest.approx(1.0)
    np.testing.assert_allclose(task.input_covariance, task.inputs.T @ task.inputs / 29, atol=1e-13)


def test_residuals_are_target_plus_noise(small: Experiment) -> None:
    clean = make_task(replace(small, noise=0.0))
    np.testing.assert_allclose(clean.residuals, clean.inputs @ clean.target_delta.T, atol=1e-13)
    noisy = make_task(replace(small, noise=0.5, samples=20_011))
    assert (noisy.residuals - noisy.inputs @ noisy.target_delta.T).std() == pytest.approx(0.5, rel=0.01)


def test_one_change_re_rolls_nothing_else(small: Experiment) -> None:
    task = make_task(small)
    for change in ({"noise": 0.7}, {"target_rank": 3}, {"spectrum": "flat"}, {"rank": 1}, {"init_seed": 9}):
        other = make_task(replace(small, **change))  # type: ignore[arg-type]
        np.testing.assert_array_equal(other.base_weight, task.base_weight)
        np.testing.assert_array_equal(other.inputs, task.inputs)
    more = make_task(replace(small, target_rank=3, spectrum="power"))
    kept = more.target_delta - task.target_delta
    assert np.linalg.matrix_rank(kept) == 1, "a third direction is added, the first two stay"
    assert make_task(replace(small, rank=1)) is task, "the adapter is no part of the task"


def test_the_seed_re_rolls_everything(small: Experiment) -> None:
    a, b = make_task(small), make_task(replace(small, seed=4))
    for name in ("base_weight", "target_delta", "inputs"):
        assert not np.isclose(getattr(a, name), getattr(b, name)).any()


def test_few_samples_stay_as_drawn(small: Experiment) -> None:
    task = make_task(replace(small, samples=3, condition=1.0))
    assert np.linalg.matrix_rank(task.input_covariance) == 3


def test_batches_are_shuffled_epochs(small: Experiment) -> None:
    order = batches(replace(small, batch=11))
    assert order.shape == (101, 11)
    epoch = order[:2].ravel()
    assert len(set(epoch)) == 22
    assert set(epoch) <= set(range(29))


def test_inside_top_lives_in_the_leading_directions_of_w(small: Experiment) -> None:
    task = make_task(replace(small, task="inside_top"))
    u, _, vt = np.linalg.svd(task.base_weight)
    M = task.target_delta
    np.testing.assert_allclose(u[:, :4] @ u[:, :4].T @ M @ vt[:4].T @ vt[:4], M, atol=1e-13)
    sigma = np.linalg.svd(M, compute_uv=False)
    np.testing.assert_allclose(sigma[:2], target_spectrum(small), rtol=1e-12)
    assert sigma[2] < 1e-13


@pytest.mark.parametrize("d_out", [5, 6])
def test_a_rotation_keeps_every_length(small: Experiment, d_out: int) -> None:
    e = replace(small, task="rotation", d_out=d_out)
    task = make_task(e)
    turned = task.base_weight + task.target_delta
    np.testing.assert_allclose(turned.T @ turned, task.base_weight.T @ task.base_weight, atol=1e-13)
    assert np.linalg.matrix_rank(task.target_delta) == e.true_rank == 2 * (d_out // 2)


def test_row_rescaling_keeps_every_direction(small: Experiment) -> None:
    e = replace(small, task="row_rescale")
    task = make_task(e)
    times = (task.base_weight + task.target_delta) / task.base_weight
    np.testing.assert_allclose(times, np.broadcast_to(times[:, :1], times.shape), rtol=1e-12)
    np.testing.assert_allclose(sorted(times[:, 0], reverse=True), 1 + 2 / np.arange(1, 6), rtol=1e-12)
    assert np.linalg.matrix_rank(task.target_delta) == e.true_rank == 5


def test_a_target_of_every_kind_is_bounded_where_it_has_a_rank(small: Experiment) -> None:
    for task in ("low_rank", "inside_top"):
        with pytest.raises(ExperimentError, match="target_rank=6 is not possible"):
            replace(small, task=task, target_rank=6)
    for task in ("full_rank", "rotation", "row_rescale"):
        assert replace(small, task=task, target_rank=6).true_rank >= 4
