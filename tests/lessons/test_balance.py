"""The balance against dense products, and the exact identity of one step."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.film.style import number
from lora_viz.lessons.training.balance import LESSON, Balance, balance, detail, film, takeaway, verdict


def record(e: Experiment, **change: object) -> Balance:
    e = replace(e, optimizer="sgd", lr=0.02, steps=60)
    e = replace(e, **change)  # type: ignore[arg-type]
    sweeps = [Sweep.over(replace(e, lr=e.lr / p, steps=e.steps * p), init_seed=range(3)) for p in (1, 2, 4)]
    return balance(train(sweep, records=1000) for sweep in sweeps)


def test_drift_is_measured_at_equal_times(small: Experiment) -> None:
    found = record(small)
    run = train(Sweep((replace(small, optimizer="sgd", lr=0.005, steps=240),)), records=1000)
    A, B = run.A[0][::4], run.B[0][::4]
    D = np.einsum("tki,tli->tkl", A, A) - np.einsum("tik,til->tkl", B, B)
    drift = np.linalg.norm(D - D[0], axis=(1, 2)) / np.linalg.norm(D[0])
    np.testing.assert_allclose(found.drift[2], drift, atol=1e-12)
    assert found.ends.shape == (3, 3)


def test_one_step_of_gradient_descent_obeys_the_identity(small: Experiment) -> None:
    found = record(small)
    assert np.nanmax(found.identity) < 1e-13
    assert 0.8 < found.slope < 1.3
    assert verdict(found).holds and verdict(found).evidence["smallest"] == found.ends[1, -1]
    assert f"to within {number(np.nanmax(found.identity))} of" in detail(found)
    np.testing.assert_allclose(found.norm_A - found.norm_B, np.trace(found.D, axis1=1, axis2=2), atol=1e-12)


def test_adam_keeps_nothing(small: Experiment) -> None:
    found = record(small, optimizer="adam")
    assert np.nanmax(found.identity) > 1e-4
    assert abs(found.slope) < 0.5
    assert "Adam does not follow the gradient" in takeaway(found)
    assert verdict(found).holds is False and abs(verdict(found).evidence["power"]) < 0.5


@pytest.mark.parametrize("init", ["both_zero", "B_zero"])
def test_starts_of_any_size(small: Experiment, init: str) -> None:
    found = record(small, init=init)
    assert np.isfinite(found.drift).all()
    assert found.D[0].any() == (init == "B_zero")


def test_divergence_is_said(small: Experiment) -> None:
    found = record(small, lr=50.0)
    assert "diverged" in takeaway(found) and verdict(found).holds is None
    assert verdict(record(small, steps=0)).holds is None


@pytest.mark.parametrize("change", [{}, {"lr": 50.0}, {"steps": 0}], ids=["normal", "diverged", "no_step"])
def test_the_figure_draws_the_record(small: Experiment, change: dict[str, object]) -> None:
    found = record(small, **change)
    assert (found.diverged > 0) == ("lr" in change)
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data[: len(found.lr)]  # then crosses, for exact zeros
    assert [curve.name for curve in drawn] == [f"η = {number(lr)}" for lr in found.lr]
    for curve, expected in zip(drawn, found.drift, strict=True):
        np.testing.assert_array_equal(curve.x, found.steps)
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(expected) & (expected > 0), expected, np.nan))
