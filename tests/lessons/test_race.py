"""Steps to a hundredth of the loss, counted on every step, and full fine-tuning as itself."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.film.style import number
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.training.race import PART as LESSON
from lora_viz.lessons.training.race import Race, detail, film, race, takeaway, verdict

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
    assert found.racers == ("full fine-tuning", "LoRA r = 3")
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
    told, small, each = verdict(found, Settings(E)), found.needed[1, :, 1], found.best_needed[1]
    assert told.holds
    assert told.evidence["same_rate"] == small[1] / small[0] < 1 < each[1] / each[0] == told.evidence["best_rates"]
    for times in (small[1] / small[0], each[1] / each[0]):
        assert f"needed {number(times)} times" in takeaway(found)
    slow = found.needed.copy()
    slow[:, 1] *= 10
    assert verdict(found._replace(needed=slow), Settings(E)).holds is False, "slower at the same rate already"
    fast = found.best_needed.copy()
    fast[:, 1] /= 100
    assert verdict(found._replace(best_needed=fast), Settings(E)).holds is False, "faster at each one's best"
    assert verdict(found._replace(best_needed=fast), Settings(replace(E, optimizer="adam"))).holds
    too_low = record(rank=1)
    assert "Goal not reached by LoRA r = 1; the target has rank 2." in takeaway(too_low)
    assert verdict(too_low, Settings(E)).holds is None


def test_a_best_rate_at_the_end_of_the_grid_is_called_that() -> None:
    found = record()
    assert (found.best[0] == max(LR)).all()
    assert "a better one may lie outside, for: full fine-tuning" in detail(found)
    assert "may lie outside" not in detail(found._replace(best=np.full_like(found.best, LR[1])))


def test_steps_are_said_alike_and_never_is_said_once() -> None:
    found = record()
    assert film(found).panels[0].series[0].y[1] == 56, "56.4 lies between two steps"
    assert "full fine-tuning: 56;" in film(found).narration[1]
    never = detail(record(rank=1))
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
    assert [curve.name for curve in drawn] == ["full fine-tuning", "LoRA r = 3"]
    low, median, high = np.floor(found.needed + 0.5)
    for i, curve in enumerate(drawn):
        np.testing.assert_array_equal(curve.x, lrs)
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(median[i]), median[i], np.nan))
        there = np.isfinite(high[i])
        np.testing.assert_array_equal((curve.y + curve.error_y.array)[there], high[i][there])
        np.testing.assert_array_equal((curve.y - curve.error_y.arrayminus)[there], low[i][there])
