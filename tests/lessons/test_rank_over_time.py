"""Ranks of ΔW against dense matrices, and the bound min(n, r)."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.spectra import full_gradient
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.lessons.training.rank_over_time import (
    LESSON,
    RankOverTime,
    detail,
    film,
    rank_over_time,
    takeaway,
    verdict,
)

SIZES = (1, 2, 29)


def record(e: Experiment, **change: object) -> RankOverTime:
    sweeps = [Sweep.over(replace(e, samples=n, **change), init_seed=(0, 1)) for n in SIZES]  # type: ignore[arg-type]
    return rank_over_time((train(sweep, records=9) for sweep in sweeps), shown=1)


def test_ranks_are_those_of_the_dense_update(small: Experiment) -> None:
    found = record(small)
    for i, n in enumerate(SIZES):
        run = train(Sweep((replace(small, samples=n),)), records=9)
        dense = run.delta_weight()
        np.testing.assert_array_equal(found.numerical[i], np.linalg.matrix_rank(dense, rtol=1e-6))
        sigma = np.linalg.svd(dense, compute_uv=False)[:, :3]
        np.testing.assert_allclose(found.sigma[i], sigma, atol=1e-12)
        np.testing.assert_allclose(found.stable[i][1:], (dense[1:] ** 2).sum((1, 2)) / sigma[1:, 0] ** 2)
        assert found.rank_G[i] == np.linalg.matrix_rank(full_gradient(run)[0])
        assert found.rank_sign[i] == np.linalg.matrix_rank(np.sign(full_gradient(run)[0]))
    assert np.isnan(found.effective[:, 0]).all(), "0/0 at ΔW = 0"


def test_sgd_adds_at_most_one_direction_a_sample(small: Experiment) -> None:
    found = record(small, optimizer="sgd", lr=0.01)
    np.testing.assert_array_equal(found.numerical[:, 0], 0)
    np.testing.assert_array_equal(found.numerical[:, 1:], np.array([[1], [2], [3]]) * np.ones((3, 8)))
    assert found.agree == found.seeds == 2
    assert "after one step on 1, 2 and 29 samples ΔW had numerical rank 1, 2 and 3." in takeaway(found)
    assert "At step 0 every ΔW was 0" in detail(found) and "min(n, r) is 1, 2 and 3." in detail(found)
    assert "the same as here in 2 of 2 initialisations" in detail(found)
    assert verdict(found).holds and verdict(found).evidence["most"] == [1, 2, 3]


def test_new_samples_fill_the_rank(small: Experiment) -> None:
    run = train(Sweep((replace(small, optimizer="sgd", lr=0.01, batch=1),)), records=9)
    found = rank_over_time((run,))
    assert found.numerical[0].tolist()[:4] == [0, 1, 2, 3]
    assert found.rank_G[0] == 1
    assert verdict(found).holds is False, "three from one sample per step"


@pytest.mark.parametrize("lr", [100.0])
def test_divergence_is_said(small: Experiment, lr: float) -> None:
    found = record(small, optimizer="sgd", lr=lr)
    assert np.isnan(found.numerical[0, -1])
    assert takeaway(found).startswith("3 of 3 runs diverged") and verdict(found).holds is None


@pytest.mark.parametrize(
    "change", [{}, {"optimizer": "sgd", "lr": 100.0}, {"steps": 0}], ids=["normal", "diverged", "no_step"]
)
def test_the_figure_draws_the_record(small: Experiment, change: dict[str, object]) -> None:
    found = record(small, **change)
    assert np.isfinite(found.numerical).all() == ("lr" not in change)
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data
    assert [curve.name for curve in drawn] == ["1 sample", "2 samples", "29 samples"]
    for curve, expected in zip(drawn, found.numerical, strict=True):
        np.testing.assert_array_equal(curve.x, found.steps)
        np.testing.assert_array_equal(curve.y, expected)
