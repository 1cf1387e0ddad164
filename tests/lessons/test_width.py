"""Best learning rates by width: read from the runs, and the ratio that grows."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.engine.training import train
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.training.width import LESSON, WidthRate, detail, film, verdict, width_rate, width_sweeps

E = Experiment(target_rank=4, spectrum="flat", rank=4, alpha=32.0, steps=30, dtype="float32")
LR = tuple(float(f"{x:.3g}") for x in np.geomspace(0.016, 0.512, 11))


@pytest.fixture(scope="module")
def found() -> WidthRate:
    return width_rate(train(sweep, records=2) for sweep in width_sweeps(E, (16, 64), (4, 8), LR))


def test_rates_are_those_of_the_runs() -> None:
    runs = [train(sweep, records=2) for sweep in width_sweeps(E, (5, 7), (4,), (0.02, 0.1, 0.4), seeds=3)]
    record = width_rate(runs)
    assert record.raced.racers == ("full fine-tuning", "LoRA r = 4")
    best = np.empty((3, 2, 2))  # seed, racer, width
    for run in runs:
        assert run.sweep[0].rank == run.sweep[0].d_in == run.sweep[0].d_out
        for racer in (0, 1):
            own = [i for i, x in enumerate(run.sweep.experiments) if (x.init == "identity") == (racer == 0)]
            at = min(own, key=lambda i: run.loss[-1, i])
            best[run.sweep[0].seed, racer, (5, 7).index(run.sweep[0].d_in)] = run.sweep[at].lr
    np.testing.assert_array_equal(record.best[0], best.min(axis=0))
    np.testing.assert_array_equal(record.best[2], best.max(axis=0))
    np.testing.assert_allclose(record.ratio[1], np.median(best / best[:, :1], axis=0))
    np.testing.assert_array_equal(record.rank_ratio, np.ones((3, 2)))


def test_the_ratio_grows_with_the_width_and_ten_is_not_reached(found: WidthRate) -> None:
    assert (found.ratio[1, 1:, 1] > 1.4 * found.ratio[1, 1:, 0]).all(), "four times as wide, both ranks"
    np.testing.assert_allclose(found.slope, [-1, -0.5, -0.5], atol=0.15)
    assert found.ratio.max() < 5
    assert (found.grew[1:] >= 7).all() and found.grew[0] == 0, "of 8 seeds"
    assert verdict(found).holds and "is not reached" in detail(found)


def test_full_fine_tuning_is_the_unit(found: WidthRate) -> None:
    np.testing.assert_array_equal(found.ratio[:, 0], 1.0)


def played(record: WidthRate) -> Played[WidthRate]:
    return Played(LESSON, LESSON.settings(), Lab(), record)


def test_the_still_figure_the_table_and_who_diverged(found: WidthRate) -> None:
    wild_e = replace(E, optimizer="sgd")
    wild = width_rate(train(sweep, records=2) for sweep in width_sweeps(wild_e, (5, 7), (3,), (1e-4, 1e6), seeds=2))
    assert np.isinf(wild.raced.by_lr[:, :, :, 1]).all() and (wild.best == 1e-4).all()
    rates = film(wild).panel("by_rate").part("rank_3")
    assert np.isnan(rates.y[:, 1]).all() and np.isfinite(rates.y[:, 0]).all()  # type: ignore[union-attr]
    for record in (found, wild):
        *ranks, _ = played(record).figure().data  # type: ignore[union-attr]
        assert [trace.name for trace in ranks] == list(record.raced.racers[1:])
        for i, trace in enumerate(ranks, 1):
            np.testing.assert_array_equal(trace.x, record.raced.places)
            np.testing.assert_array_equal(trace.y, record.ratio[1, i])
    columns = played(found).table
    np.testing.assert_array_equal(columns["width_d"], [16, 64])
    for i, racer in enumerate(("full", "rank_4", "rank_8")):
        np.testing.assert_array_equal(columns[f"best_{racer}_high"], found.best[2, i])
