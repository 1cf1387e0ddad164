"""One pass: errors against the runs they come from, the gap that grows, and the one that does not."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.engine.training import train
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.training.large_batch import PART as LESSON
from lora_viz.lessons.training.large_batch import LargeBatch, detail, film, large_batch, one_pass, verdict

E = Experiment(
    d_in=32, d_out=32, target_rank=4, spectrum="flat", alpha=32.0, schedule="linear", samples=1024, dtype="float32"
)
LR = (0.02, 0.04, 0.08, 0.16)


@pytest.fixture(scope="module")
def found() -> LargeBatch:
    return large_batch(train(sweep, records=2) for sweep in one_pass(E, (64, 256), (4, 32), LR))


def test_errors_are_those_of_the_runs() -> None:
    e = replace(E, d_in=13, d_out=13, samples=64, seed=3, dtype="float64")
    runs = [train(sweep, records=2) for sweep in one_pass(e, (16, 32), (2, 13), (0.02, 0.1), seeds=2)]
    record = large_batch(runs)
    assert record.raced.racers == ("full fine-tuning", "LoRA r = 2", "LoRA r = 13")
    np.testing.assert_array_equal(record.steps, [4, 2])
    left = np.empty((2, 3, 2, 2))  # seed, racer, batch, lr
    for run in runs:
        for i, x in enumerate(run.sweep.experiments):
            racer = 0 if x.init == "identity" else 1 + (2, 13).index(x.rank)
            gap = run.delta_weight(i)[-1] - run.task.target_delta
            share = np.sum(gap**2) / np.sum(run.task.target_delta**2)
            left[x.seed - 6, racer, (16, 32).index(x.batch), (0.02, 0.1).index(x.lr)] = share
    np.testing.assert_allclose(record.raced.by_lr[0], left.min(axis=0))
    np.testing.assert_allclose(record.left[2], left.min(axis=3).max(axis=0))
    best = left.min(axis=3)
    np.testing.assert_allclose(record.ratio[0], (best / best[:, :1]).min(axis=0))


def test_a_pass_shows_every_sample_once() -> None:
    for sweep in one_pass(E, (64, 256), (4,), LR, seeds=2):
        assert sweep[0].batch * sweep[0].steps == 1024
        assert len({x.seed for x in sweep.experiments}) == 1


def test_the_gap_grows_with_the_batch_at_a_small_rank_and_not_at_full_width(found: LargeBatch) -> None:
    small, whole = found.ratio[:, 1], found.ratio[:, 2]
    assert small[0, 1] > small[1, 0] > 1, "with the large batch every seed lies above the small batch's median"
    assert small[1, 1] > 1.5 * small[1, 0]
    assert (whole[1] < 1.2).all()
    assert verdict(found).holds and verdict(found).evidence["last"] > 1.2 * verdict(found).evidence["first"]
    assert "a higher rank removes the gap" in detail(found)


def test_full_fine_tuning_is_the_unit(found: LargeBatch) -> None:
    np.testing.assert_array_equal(found.ratio[:, 0], 1.0)


def played(record: LargeBatch) -> Played[LargeBatch]:
    return Played(LESSON, LESSON.settings(), Lab(), record)


def test_the_still_figure_the_table_and_who_diverged(found: LargeBatch) -> None:
    e = replace(E, d_in=13, d_out=13, samples=64, optimizer="sgd", lr=1.0)
    runs = [train(sweep, records=2) for sweep in one_pass(e, (2, 4), (2,), (1e-4, 1e6), seeds=2)]
    wild = large_batch(runs)
    assert np.isinf(wild.raced.by_lr[:, 1:, :, 1]).all() and np.isfinite(wild.left).all()
    rates = film(wild).panel("by_rate").part("rank_2")
    assert np.isnan(rates.y[:, 1]).all() and np.isfinite(rates.y[:, 0]).all()  # type: ignore[union-attr]
    for record in (found, wild):
        *ranks, full = played(record).figure().data  # type: ignore[union-attr]
        assert [trace.name for trace in (full, *ranks)] == list(record.raced.racers)
        for i, trace in enumerate((full, *ranks)):
            np.testing.assert_array_equal(trace.x, record.raced.places)
            np.testing.assert_array_equal(trace.y, record.ratio[1, i])
    columns = played(found).table
    np.testing.assert_array_equal(columns["batch"], [64, 256])
    for i, racer in enumerate(("full", "rank_4", "rank_32")):
        np.testing.assert_array_equal(columns[f"errors_{racer}"], found.left[1, i])
