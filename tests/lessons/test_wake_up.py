"""The law of ∇A's first steps against plain matrix products."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.seeds import log_slope
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.film.style import number
from lora_viz.layer.lora import initial_factors
from lora_viz.layer.tasks import make_task
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.training.wake_up import LESSON, WakeUp, detail, film, maths, takeaway, verdict, wake_up


def record(e: Experiment, **change: object) -> WakeUp:
    e = replace(e, optimizer="sgd", lr=1e-5, steps=20)
    e = replace(e, **change)  # type: ignore[arg-type]
    run = train(Sweep.over(e, alpha=(3.0, 6.0, 12.0), init_seed=range(3)), records=1000)
    return wake_up((run,), shown=6.0)


def test_the_law_of_sgd(small: Experiment) -> None:
    found = record(small)
    task, (A, _) = make_task(small), initial_factors(small)
    G = -task.residuals.T @ task.inputs / 29
    k = np.arange(21)
    for i, s in enumerate((1.0, 2.0, 4.0)):
        np.testing.assert_allclose(found.law[i], k * 1e-5 * s**2 * np.linalg.norm(A @ G.T @ G), rtol=1e-12)
    np.testing.assert_allclose(found.grad_A, found.law, rtol=0.01)
    assert (found.grad_A[:, 0] == 0).all() and found.wakes == 1
    assert log_slope(found.s, found.first[1]) == pytest.approx(2.0, abs=1e-3)
    assert log_slope(found.s, found.first_B[1]) == pytest.approx(1.0)
    assert found.holds.tolist() == [20.0, 20.0, 20.0]
    told = verdict(found, Settings(small))
    assert told.holds and told.evidence["zero"] == 0
    assert told.evidence["second_over_first"] == pytest.approx(1, abs=1e-2)
    assert told.evidence["times"] == pytest.approx(4, abs=1e-2)


def test_adams_first_step_does_not_depend_on_s(small: Experiment) -> None:
    found = record(small, optimizer="adam")
    task, (A, _) = make_task(small), initial_factors(small)
    G = -task.residuals.T @ task.inputs / 29
    np.testing.assert_allclose(found.grad_A[1, 1], 1e-5 * 2 * np.linalg.norm(np.sign(G @ A.T).T @ G), rtol=1e-3)
    assert log_slope(found.s, found.first[1]) == pytest.approx(1.0, abs=1e-3)
    assert "multiplied the first ‖∇B‖ by 2 and the first ‖∇A‖ by 2 " in takeaway(found)
    assert "the same length for any s" in detail(found)


def test_a_warm_up_adds_a_step_without_a_gradient(small: Experiment) -> None:
    found = record(small, warmup=10)
    assert found.wakes == 2
    np.testing.assert_allclose(found.grad_A[:, 2:], found.law[:, 2:], rtol=0.01)
    assert "exactly 0 at steps 0 to 1" in takeaway(found)
    assert verdict(found, Settings(replace(small, warmup=10))).holds is False, "not equal amounts: η grows"


def test_the_ratio_of_the_learning_rates_is_in_the_effective_rate(small: Experiment) -> None:
    """B moves by η_B: so the first update is that many times as long, in factors and in words."""
    e = replace(small, optimizer="sgd", lr=1e-5, lr_ratio=16.0, steps=1)
    one, sixteen = (train(Sweep((replace(e, lr_ratio=ratio),))).delta_weight()[1] for ratio in (1.0, 16.0))
    np.testing.assert_allclose(sixteen, 16 * one, rtol=1e-9)
    effective = 16 * 1e-5 * e.scaling**2 * e.rank / (3 * e.d_in)
    assert f"= {number(effective)}." in maths(record(small, lr_ratio=16.0), Settings(e))


def test_a_long_step_breaks_the_law(small: Experiment) -> None:
    long, none = record(small, lr=0.05), record(small, lr=0.0)
    assert long.holds[1] < 3
    assert verdict(long, Settings(small)).holds is False
    assert "B did not move" in takeaway(none) and verdict(none, Settings(small)).holds is None


@pytest.mark.parametrize("change", [{}, {"lr": 50.0}, {"steps": 0}], ids=["normal", "diverged", "no_step"])
def test_the_figure_draws_the_record(small: Experiment, change: dict[str, object]) -> None:
    found = record(small, **change)
    assert (found.diverged > 0) == ("lr" in change)
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data[:4]  # then crosses, for exact zeros
    scalings = ("s = 1", "s = 2", "s = 4")
    assert [curve.name for curve in drawn] == [*scalings, "formula"]
    for curve, expected in zip(drawn, (*found.grad_A, found.law[1]), strict=True):
        np.testing.assert_array_equal(curve.x, found.steps)
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(expected) & (expected > 0), expected, np.nan))
