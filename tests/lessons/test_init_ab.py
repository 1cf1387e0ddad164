"""Init[A] against Init[B]: the size of the start, not which factor is zero, in eight seeds of eight."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.lessons.training.init_ab import PART as LESSON
from lora_viz.lessons.training.init_ab import InitAB, ab_sweeps, film, init_ab, table, takeaway, verdict

BASE = Experiment(target_rank=4, spectrum="flat", rank=4, alpha=64.0, optimizer="adam", steps=30)
A, B, SMALL = 0, 1, 2


def record(widths: tuple[int, ...] = (17, 61), **change: object) -> InitAB:
    e = replace(BASE, **change)  # type: ignore[arg-type]
    return init_ab(tuple(train(sweep, records=7) for sweep in ab_sweeps(e, widths)))


@pytest.fixture(scope="module")
def adam() -> InitAB:
    return record()


@pytest.fixture(scope="module")
def sgd() -> InitAB:
    return record(optimizer="sgd")


def test_b_random_is_worse_the_wider_the_layer(adam: InitAB, sgd: InitAB) -> None:
    for found in (adam, sgd):
        low, middle, _ = found.at_best[:, -1]
        assert low[1, B] > 3 * middle[1, A], "even the best seed"
        assert middle[1, B] / middle[1, A] > 3 * middle[0, B] / middle[0, A]


def test_at_the_same_size_it_does_not_matter_which_is_zero(adam: InitAB) -> None:
    a, small = adam.at_best[1, -1, :, A], adam.at_best[1, -1, :, SMALL]
    np.testing.assert_allclose(small, a, rtol=0.6)
    assert verdict(adam).holds and verdict(adam).evidence["wide"] > 3


def test_sizes_are_those_of_the_rules(adam: InitAB) -> None:
    d = np.array([17, 61])
    np.testing.assert_allclose(adam.std[:, A], 1 / np.sqrt(3 * d), rtol=0.15)
    np.testing.assert_allclose(adam.std[:, B], 1 / np.sqrt(3 * 4), rtol=0.15)
    np.testing.assert_allclose(adam.std[:, SMALL], adam.std[:, B] * np.sqrt(4 / d), rtol=1e-12)


def test_a_random_stands_a_larger_learning_rate_than_b_random(sgd: InitAB) -> None:
    assert sgd.stable[1, A] > sgd.stable[1, B]
    assert sgd.stable[1, A] == sgd.stable[1, SMALL]


def test_the_best_rate_is_the_best(adam: InitAB) -> None:
    filled = np.where(np.isfinite(adam.loss[1]), adam.loss[1], np.inf)
    np.testing.assert_array_equal(adam.at_best[1], filled.min(axis=-1))
    assert (adam.loss[:, 0] == 1).all()


def test_divergence_is_told() -> None:
    found = record((17,), optimizer="sgd", alpha=1024.0, condition=1000.0, spectrum="power")
    assert "it diverged" in takeaway(found) and verdict(found).holds is None
    assert "nan" not in film(found).narration[-1]


def test_the_table_shows_the_record(adam: InitAB) -> None:
    np.testing.assert_array_equal(table(adam)["loss_B_zero_high"], adam.at_best[2, -1, :, A])
    np.testing.assert_array_equal(table(adam)["best_lr_A_zero"], adam.rates[adam.best[-1, :, B]])


@pytest.mark.parametrize(
    "change",
    [{}, {"optimizer": "sgd", "alpha": 1024.0, "condition": 1000.0, "spectrum": "power"}, {"steps": 0}],
    ids=["normal", "diverged", "no_step"],
)
def test_the_figure_draws_the_record(change: dict[str, object]) -> None:
    found = record((17, 29), **change)
    assert np.isfinite(found.at_best[1]).all() == ("alpha" not in change)
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data
    assert [curve.name for curve in drawn] == ["A random", "B random", "B random, A's scale"]
    for curve, expected in zip(drawn, found.at_best[1, -1].T, strict=True):
        np.testing.assert_array_equal(curve.x, [17, 29])
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(expected), expected, np.nan))
