"""Directions against the dense update, stairs against truncated targets."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.spectra import truncate
from lora_viz.engine.training import losses, train
from lora_viz.film.paper import printed
from lora_viz.lessons.training.saddles import LESSON, Saddles, detail, film, saddles, takeaway, verdict


@pytest.fixture(scope="module")
def found() -> Saddles:
    return saddles((train(sweep(), records=401),))


def sweep(**change: object) -> Sweep:
    e = Experiment(
        d_in=11, d_out=7, target_rank=3, spectrum="geometric", target_condition=4.0, rank=3, alpha=1.0,
        scaling_rule="constant", optimizer="sgd", lr=0.05, samples=37, steps=400, init="both_random_small",
    )  # fmt: skip
    e = replace(e, **change)  # type: ignore[arg-type]
    return Sweep.over(e, init=("both_random_small", "B_zero"), init_seed=range(8))


def test_what_is_learnt_is_the_updates_diagonal(found: Saddles) -> None:
    run = train(sweep(), records=401)
    left, _, right = np.linalg.svd(run.task.target_delta)
    np.testing.assert_allclose(found.sigma, [4.0, 2.0, 1.0])
    inside = left[:, :3].T @ run.delta_weight(0) @ right[:3].T
    np.testing.assert_allclose(found.learnt[0], np.diagonal(inside, axis1=1, axis2=2), atol=1e-12)
    np.testing.assert_allclose(found.mixing[0], inside, atol=1e-12)


def test_the_stairs_are_the_losses_of_the_critical_points(found: Saddles) -> None:
    task = train(sweep(steps=0)).task
    for i in range(4):
        u, s, vt = np.linalg.svd(truncate(task.target_delta, i), full_matrices=False)
        there = losses(task, FactoredMatrix(vt[None, :], (u * s)[None], 1.0))
        np.testing.assert_allclose(there, found.floors[i], atol=1e-12)
    plateau = [(np.abs(found.loss[0] / floor - 1) < 0.2).sum() for floor in found.floors[:3]]
    assert min(plateau) >= 5, "the loss rests at every stair"


def test_between_two_equal_minima_lies_a_hump(found: Saddles) -> None:
    run = train(sweep(), records=401)
    for t in (0, 200, 400):
        for at in (0, 24, 44):
            k = found.cut_at[at]
            there = losses(run.task, FactoredMatrix(k * run.A[0][[t]], k * run.B[0][[t]], 1.0))
            np.testing.assert_allclose(found.cut[0, t, at], there, atol=1e-9)
    middle, ends = found.cut[0, -1, 24], found.cut[0, -1, [4, 44]]
    assert found.cut_at[[4, 24, 44]].tolist() == pytest.approx([-1, 0, 1])
    assert (ends < 1e-3).all() and middle == pytest.approx(found.floors[0])


def test_directions_switch_on_in_order_in_every_seed(found: Saddles) -> None:
    low, median, high = found.half[0]
    assert (high[:-1] < low[1:]).all()
    assert np.ptp(found.sigma * median) < 0.25 * (found.sigma * median).max()
    assert (found.half[1, 1] < median).all(), "LoRA's start waits less"
    assert "σ times the step stayed between" in detail(found)
    assert verdict(found).holds and verdict(found).evidence["small"] == median.tolist()
    late = found.half.copy()
    late[1, :, -1] += 1e4
    assert verdict(found._replace(half=late)).holds is False, "LoRA's default takes longer from first to last"
    turned = found.half.copy()
    turned[0] = turned[0][:, ::-1]
    assert verdict(found._replace(half=turned)).holds is False, "the weakest first"


def test_a_rotation_goes_around_the_barrier() -> None:
    """(B, A) and (−B, −A) are joined by factors of the same product where r is even, as the maths says."""
    run = train(sweep(rank=2, steps=60))
    A, B = run.A[0][-1], run.B[0][-1]
    for turn in np.linspace(0, np.pi, 7):
        Q = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        np.testing.assert_allclose((B @ Q) @ (Q.T @ A), B @ A, atol=1e-12)
    np.testing.assert_allclose(B @ Q, -B, atol=1e-12)
    np.testing.assert_allclose(Q.T @ A, -A, atol=1e-12)


def test_equal_values_have_no_order() -> None:
    flat = saddles((train(sweep(spectrum="flat", steps=200)),))
    assert "no direction comes first" in takeaway(flat)
    assert verdict(flat).holds is False


def test_a_rank_too_small_ends_on_the_strongest() -> None:
    cut = saddles((train(sweep(rank=2)),))
    assert np.isinf(cut.half[0, 0, 2])
    assert "With r = 2 no further direction is learnt." in takeaway(cut)
    assert cut.loss[0, -1] == pytest.approx(cut.floors[2], rel=1e-3)


@pytest.mark.parametrize("change", [{}, {"lr": 5.0}, {"steps": 0}], ids=["normal", "diverged", "no_step"])
def test_the_figure_draws_the_record(change: dict[str, object]) -> None:
    found = saddles((train(sweep(**{"steps": 50, **change}), records=11),))
    assert (found.diverged > 0) == ("lr" in change)
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data
    assert [curve.name for curve in drawn] == ["direction 1", "direction 2", "direction 3"]
    reach = 9 * found.sigma[0]
    for curve, expected in zip(drawn, np.clip(found.learnt[0].T, -reach, reach), strict=True):
        np.testing.assert_array_equal(curve.x, found.steps)
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(expected), expected, np.nan))
