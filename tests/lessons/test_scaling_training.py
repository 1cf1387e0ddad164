"""More rank at one learning rate: worse under α/r with SGD, in every start; better under the other rules."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.lessons.training.scaling_training import PART as LESSON
from lora_viz.lessons.training.scaling_training import (
    FixedRate,
    film,
    fixed_rate,
    rate_sweep,
    rule_sweep,
    table,
    takeaway,
    verdict,
)

ODD = Experiment(
    task="full_rank", d_in=29, d_out=23, samples=61, rank=4, alpha=16.0, optimizer="sgd", lr=0.005, steps=100
)


def record(**change: object) -> FixedRate:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    return fixed_rate(train(rule_sweep(e), records=6), train(rate_sweep(e), records=6))


@pytest.fixture(scope="module")
def sgd() -> FixedRate:
    return record()


def test_more_rank_is_worse_under_alpha_over_r_with_sgd(sgd: FixedRate) -> None:
    assert sgd.ranks.tolist() == [1, 2, 4, 8, 16, 23]
    assert sgd.worse[[0, 2]].tolist() == [8, 0]
    assert sgd.worse[1] <= 4, "level, give or take a tenth"
    lora, rslora, constant = sgd.loss[1, -1]
    assert lora[-1] > 2 * lora.min()
    assert rslora[-1] < 1.1 * rslora.min()
    assert constant[-1] == constant.min() < rslora[-1]
    assert verdict(sgd).holds and verdict(sgd).evidence["worse"] == 8


def test_the_best_learning_rate_grows_with_rank_as_the_rule_says(sgd: FixedRate) -> None:
    assert 0.8 < sgd.slope < 1.2
    assert 0.3 < record(scaling_rule="rslora").slope < 0.7
    assert abs(record(scaling_rule="constant").slope) < 0.3


def test_with_adam_the_harm_does_not_appear() -> None:
    found = record(optimizer="adam")
    assert found.worse.tolist() == [0, 0, 0]
    assert verdict(found).holds is False


def test_all_rules_agree_where_s_is_equal(sgd: FixedRate) -> None:
    at = sgd.ranks.tolist().index(4)
    np.testing.assert_allclose(sgd.loss[:, :, 1, at], sgd.loss[:, :, 0, at], rtol=1e-12)
    np.testing.assert_allclose(sgd.loss[:, :, 2, at], sgd.loss[:, :, 0, at], rtol=1e-12)
    assert (sgd.loss[:, 0] == 1).all()


def test_the_map_holds_trained_losses(sgd: FixedRate) -> None:
    own = replace(ODD, rank=2, lr=float(sgd.rates[1]))
    run = train(Sweep.over(own, init_seed=range(8)), records=6)
    expected = np.median(run.loss[-1]) / run.loss[0, 0]
    assert sgd.by_rate[-1, 1, 1] == pytest.approx(expected, rel=1e-12)
    best = np.nanargmin(sgd.by_rate[-1], axis=0)
    np.testing.assert_array_equal(sgd.best[-1], best)


def test_divergence_is_told() -> None:
    found = record(lr=5.0)
    assert "every rank diverged" in takeaway(found) and verdict(found).holds is None
    assert "rank 1: diverged" in film(found).narration[-1]


def test_the_table_shows_the_record(sgd: FixedRate) -> None:
    np.testing.assert_array_equal(table(sgd)["best_lr_lora"], sgd.rates[sgd.best[-1]])


@pytest.mark.parametrize("change", [{}, {"lr": 5.0}, {"steps": 0}], ids=["normal", "diverged", "no_step"])
def test_the_figure_draws_the_record(change: dict[str, object]) -> None:
    found = record(**change)
    assert np.isfinite(found.loss[1, -1]).all() == ("lr" not in change)
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data
    assert [curve.name for curve in drawn] == ["α/r", "α/√r", "constant"]
    for curve, expected in zip(drawn, found.loss[1, -1], strict=True):
        np.testing.assert_array_equal(curve.x, [1, 2, 4, 8, 16, 23])
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(expected), expected, np.nan))
