"""Steps to a hundredth of the loss, counted on every step, and full fine-tuning as itself."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.lessons.training.race import LESSON, Race, film, race, takeaway

E = Experiment(
    d_in=7, d_out=11, target_rank=2, spectrum="flat", rank=3, alpha=2.0, scaling_rule="constant", optimizer="sgd",
    samples=29, steps=150,
)  # fmt: skip
LR = (0.01, 0.04, 0.64)


def sweep(seed: int, rank: int = 3, lrs: tuple[float, ...] = LR, **change: object) -> Sweep:
    e = replace(E, **change)  # type: ignore[arg-type]
    full = replace(e, init="identity", frozen="A", rank=7, alpha=1.0)
    return Sweep(tuple(replace(x, lr=lr, seed=seed) for x in (full, replace(e, rank=rank)) for lr in lrs))


def record(rank: int = 3, lrs: tuple[float, ...] = LR, **change: object) -> Race:
    return race(train(sweep(seed, rank, lrs, **change), records=1000) for seed in range(3))


def test_steps_are_counted() -> None:
    found = record()
    assert found.racers == ("full", "LoRA r = 3")
    for i in range(2):
        for j in range(3):
            counts = []
            for seed in range(3):
                loss = train(sweep(seed), records=1000).loss[:, 3 * i + j]
                below = np.flatnonzero(loss <= 0.01 * loss[0])
                counts.append(float(below[0]) if len(below) else np.inf)
            low, _, high = found.needed[:, i, j]
            for ours, counted in ((low, min(counts)), (high, max(counts))):
                assert (np.isinf(ours) and np.isinf(counted)) or counted - 1 <= ours <= counted


def test_full_fine_tuning_contracts_by_one_minus_eta() -> None:
    found = record()
    steps = np.arange(151)
    np.testing.assert_allclose(found.loss[0, 1], (1 - 0.04) ** (2 * steps), rtol=1e-9)
    np.testing.assert_allclose(found.needed[:, 0, 1], np.log(0.1) / np.log(0.96), rtol=1e-6)
    assert (found.best[0] == 0.64).all()


def test_the_claim_and_its_failure() -> None:
    found = record()
    assert (found.needed[2, 1, 1] < found.needed[0, 0, 1]).all(), "at the same small η LoRA is faster in every task"
    assert found.best_needed[0, 1] > found.best_needed[2, 0], "at each one's best it is slower in every task"
    assert "the same learning rate is not the same speed" in takeaway(found)
    assert "LoRA r = 1 never arrives: the target has rank 2" in takeaway(record(rank=1))


def test_steps_are_said_alike_and_never_is_said_once() -> None:
    found = record()
    assert film(found).panels[0].series[0].y[1] == 56, "56.4 lies between two steps"
    assert "full: 56 (56 to 56)" in " ".join((*film(found).narration, takeaway(found)))
    never = takeaway(record(rank=1))
    assert "LoRA r = 1: never." in never
    assert "(never to never)" not in never


@pytest.mark.parametrize(
    ("lrs", "steps", "arrives"),
    [(LR, 150, True), ((50.0, 100.0), 150, False), (LR, 0, False)],
    ids=["normal", "diverged", "no_step"],
)
def test_the_figure_draws_whole_steps_with_their_range(lrs: tuple[float, ...], steps: int, arrives: bool) -> None:
    found = record(lrs=lrs, steps=steps)
    assert np.isfinite(found.needed).any() == arrives
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data
    assert [curve.name for curve in drawn] == ["full", "LoRA r = 3"]
    low, median, high = np.floor(found.needed + 0.5)
    for i, curve in enumerate(drawn):
        np.testing.assert_array_equal(curve.x, lrs)
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(median[i]), median[i], np.nan))
        there = np.isfinite(high[i])
        np.testing.assert_array_equal((curve.y + curve.error_y.array)[there], high[i][there])
        np.testing.assert_array_equal((curve.y - curve.error_y.arrayminus)[there], low[i][there])
