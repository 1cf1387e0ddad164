"""The map of errors against exact fits, and the two directions of its claim."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.engine.regression import draw_samples, fit_all_ranks, teacher
from lora_viz.film.paper import printed
from lora_viz.lessons.rank.overfit import SHOWN, Overfit, detail, film, overfit, takeaway, verdict

E = Experiment(d_in=32, d_out=32, target_rank=2, spectrum="flat", noise=0.5, rank=1)


@pytest.fixture(scope="module")
def found() -> Overfit:
    return overfit(E)


def test_the_map_holds_exact_fits(found: Overfit) -> None:
    target = teacher(np.full(2, 4.0), 32, 32, 10, 0)  # 2 · 4² = 32: mean square 1 an output
    excess = fit_all_ranks(draw_samples(target, 64, 0.5, 0), target).excess / 32
    column = list(found.samples).index(64)
    np.testing.assert_allclose(found.error[0, 1, :, column], excess[:, found.ranks].min(axis=0))
    np.testing.assert_allclose(found.error[2, 1, :, column], excess[:, found.ranks].max(axis=0))


def test_a_low_rank_helps_where_the_truth_is_low_or_data_are_few(found: Overfit) -> None:
    many, some = list(found.samples).index(400), list(found.samples).index(64)
    assert (found.wins[1] == 10).all(), "a truth of rank 2: full rank loses in every seed"
    assert (found.best[:, 1] == 2)[:, some:].all()
    full = found.error[:, -1]
    assert full[0, 1, many] > full[2, -1, many], "a truth of full rank and many samples: rank 2 loses in every seed"
    assert found.best[1, -1, list(found.samples).index(24)] < 32
    assert found.best[1, -1, many] == 32
    assert found.wins[1, some] == 10 and "in 10 of 10 seeds" in takeaway(found)
    assert verdict(found).holds and verdict(found).evidence["low"] > verdict(found).evidence["full"]


def test_least_squares_costs_what_the_formula_says(found: Overfit) -> None:
    for n in (64, 128, 400):
        measured = found.error[1, :, -1, list(found.samples).index(n)]
        np.testing.assert_allclose(measured, 0.25 * 32 / (n - 33), rtol=0.2)


def test_without_noise_there_is_nothing_to_overfit() -> None:
    clean = overfit(replace(E, noise=0.0), seeds=3)
    assert (clean.error[:, 1, 1:, 3:] == 0).all()
    assert verdict(clean).holds is False and "nothing to overfit" in detail(clean)


def test_the_still_figure_holds_three_columns_of_the_map(found: Overfit) -> None:
    for record in (found, overfit(replace(E, noise=0.0), seeds=3)):
        drawn = printed(film(record), "along_rank")
        assert [trace.name for trace in drawn.data[:3]] == [f"n = {n}" for n in SHOWN]
        assert all(trace.name.endswith(" exactly 0") for trace in drawn.data[3:])
        for trace, n in zip(drawn.data[:3], SHOWN, strict=True):
            low, median, high = record.error[:, 1, :, list(record.samples).index(n)]
            np.testing.assert_array_equal(trace.x, record.ranks)
            np.testing.assert_array_equal(trace.y, np.where(median > 0, median, np.nan))
            np.testing.assert_array_equal(trace.error_y.array, high - median)
            np.testing.assert_array_equal(trace.error_y.arrayminus, median - low)
