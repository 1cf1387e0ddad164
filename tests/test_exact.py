"""Alternating least squares against the exact floor, and against least squares by NumPy."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, ExperimentError, Sweep
from lora_viz.core.spectra import covariance_root, least_squares, reduced_rank_floor
from lora_viz.engine.exact import solve
from lora_viz.engine.training import train


@pytest.mark.parametrize("shape", [(7, 5), (5, 7)])
@pytest.mark.parametrize("condition", [1.0, 50.0])
@pytest.mark.parametrize("init", ["B_zero", "A_zero", "gaussian", "both_random"])
def test_the_floor_is_reached_and_not_crossed(
    small: Experiment, shape: tuple[int, int], condition: float, init: str
) -> None:
    e = replace(small, d_in=shape[0], d_out=shape[1], condition=condition, init=init, spectrum="exponential")
    sweep = Sweep.over(e, rank=(1, 2, 3, 5), init_seed=(0, 1))
    run = solve(sweep, iterations=60)
    best, least = least_squares(run.task)
    for i, member in enumerate(sweep.experiments):
        floor = least + 0.5 * reduced_rank_floor(best, covariance_root(run.task), member.rank)[1] ** 2
        assert floor * (1 - 1e-9) <= run.loss[-1, i] <= floor * 1.001
        assert (np.diff(run.loss[:, i]) <= 1e-12).all(), "no step makes it worse"
        assert run.A[i].shape == (61, member.rank, shape[0])


def test_every_step_solves_for_b(small: Experiment) -> None:
    run = solve(Sweep((replace(small, scaling_rule="rslora"),)), iterations=3)
    for A, B in zip(run.A[0], run.B[0], strict=True):
        h = run.sweep[0].scaling * run.task.inputs @ A.T
        np.testing.assert_allclose(B.T, np.linalg.lstsq(h, run.task.residuals)[0], atol=1e-10)


def test_it_starts_from_the_adapters_own_rows(small: Experiment) -> None:
    run, trained = solve(Sweep((small,)), iterations=1), train(Sweep((small,)), records=2)
    ours, theirs = run.A[0][0], trained.A[0][0]
    assert np.linalg.matrix_rank(np.vstack([ours, theirs]), tol=1e-9) == small.rank


@pytest.mark.parametrize("condition", [1.0, 5.0, 1e4])
def test_more_directions_than_the_target_has(small: Experiment, condition: float) -> None:
    """Without noise nothing is left, to rounding: C is inverted once, so ‖ΔW − M‖ is within some κ(C)·ε of ‖M‖."""
    run = solve(Sweep((replace(small, noise=0.0, rank=5, condition=condition),)), iterations=20)
    assert np.isfinite(run.A[0]).all()
    rounding = 100 * condition * np.finfo(float).eps
    assert run.loss[2:, 0].max() <= rounding**2 * 0.5 * run.task.residual_energy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"batch": 11}, "batch=11 has no exact solution"),
        ({"frozen": "A"}, "frozen=A has one factor left"),
        ({"alpha": 0.0}, "alpha=0 switches the adapter off"),
        ({"variant": "dora"}, "variant=dora is not a plain"),
        ({"variant": "pissa"}, "init=pissa moves the base weight"),
        ({"init": "both_zero"}, "init=both_zero gives no direction"),
    ],
)
def test_what_has_no_answer_is_said(small: Experiment, change: dict[str, object], said: str) -> None:
    with pytest.raises(ExperimentError, match=said):
        solve(Sweep((replace(small, **change),)))  # type: ignore[arg-type]
