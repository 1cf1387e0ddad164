"""The race of the starts: exact zeros, what jumps, and a random start's damage, in eight seeds of eight."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.lessons.training.init_race import PART as LESSON
from lora_viz.lessons.training.init_race import (
    STARTS,
    InitRace,
    detail,
    film,
    init_race,
    race_sweep,
    table,
    takeaway,
    verdict,
)  # fmt: skip

ODD = Experiment(
    d_in=31, d_out=23, target_rank=4, spectrum="flat", samples=127, noise=0.1, rank=8, alpha=16.0,
    optimizer="sgd", lr=0.02, steps=120, init="both_random",
)  # fmt: skip


def record(**change: object) -> InitRace:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    return init_race(train(race_sweep(e), records=200), e.init)


@pytest.fixture(scope="module")
def race() -> InitRace:
    return record()


def test_who_has_a_gradient_at_step_0(race: InitRace) -> None:
    at = dict(zip(race.inits, zip(race.grad_A[0], race.grad_B[0], strict=True), strict=True))
    assert set(race.inits) == set(STARTS) - {"both_random_small"}
    assert at["B_zero"][0] == at["A_zero"][1] == at["both_zero"][0] == at["both_zero"][1] == 0.0
    for name in ("both_random", "orthogonal", "pissa"):
        assert min(at[name]) > 0.1, name
    assert at["B_zero"][1] > 0.1
    assert at["A_zero"][0] > 0.1


def test_what_is_disturbed_at_step_0(race: InitRace) -> None:
    size = dict(zip(race.inits, race.size[0], strict=True))
    assert size["B_zero"] == size["A_zero"] == size["both_zero"] == 0.0
    assert max(size["orthogonal"], size["pissa"], size["lora_ga"]) < 1e-13
    assert min(size["both_random"], size["svd_of_answer"]) > 1
    loss = dict(zip(race.inits, race.loss[1, 0], strict=True))
    assert loss["both_random"] > 1.1 * race.base_loss
    assert loss["svd_of_answer"] < 0.01 * race.base_loss
    assert loss["pissa"] == pytest.approx(race.base_loss, rel=1e-12)
    told = film(race).narration[0]
    assert told == ("Step 0: initialisations that change the layer: 2; without any gradient: 1.")


def test_both_zero_never_moves(race: InitRace) -> None:
    still = race.inits.index("both_zero")
    assert not race.size[:, still].any()
    assert (race.loss[:, :, still] == race.loss[0, 0, still]).all()
    assert "neither has a gradient" in detail(race)


def test_the_damage_of_a_random_start_is_real_and_short_with_sgd(race: InitRace) -> None:
    assert race.behind[:2].tolist() == [8, 8]
    assert race.behind[10] == 0
    assert "Both random: the initial loss changes from " in takeaway(race)
    assert "It is behind LoRA's default until step " in takeaway(race)
    assert "It is never behind LoRA's default." in takeaway(record(init="lora_ga"))
    caught = np.flatnonzero(race.loss[1, :, race.inits.index("both_random")] <= 1.005 * race.loss[1, :, 0])[0]
    found = verdict(race, LESSON.settings())
    assert found.holds and found.evidence["caught_up"] == race.steps[caught] > 0


def test_with_adam_it_lasts() -> None:
    found = record(optimizer="adam", lr=0.005)
    assert found.behind[:21].min() >= 7
    assert verdict(found, LESSON.settings(optimizer="adam")).holds is False


def test_who_diverged_is_behind() -> None:
    """A loss that is no number is not ahead, as long as LoRA's own is one."""
    run = train(race_sweep(replace(ODD, steps=3)), records=4)
    loss = run.loss.copy()
    at = [i for i, e in enumerate(run.sweep.experiments) if e.init == "lora_ga"]
    own = [i for i, e in enumerate(run.sweep.experiments) if e.init == "B_zero"]
    before = init_race(run, "lora_ga")
    assert before.behind[-1] == 0
    loss[-1, at[:3]] = np.nan
    loss[-1, own[2]] = np.nan
    assert init_race(replace(run, loss=loss), "lora_ga").behind[-1] == 2, "the third has nobody ahead"


def test_the_medians_are_those_of_the_runs(race: InitRace) -> None:
    run = train(Sweep.over(replace(ODD, init="orthogonal"), init_seed=range(8)), records=200)
    at = race.inits.index("orthogonal")
    np.testing.assert_allclose(race.loss[1, :, at], np.median(run.loss, axis=1), rtol=1e-9)
    np.testing.assert_allclose(race.loss[0, :, at], run.loss.min(axis=1), rtol=1e-9)
    np.testing.assert_allclose(race.grad_A[:, at], np.median(run.grad_A_norm, axis=1), rtol=1e-9)


def test_the_rival_is_who_was_asked_for() -> None:
    found = record(init="lora_ga", steps=20)
    assert found.rival == "lora_ga"
    assert "LoRA-GA leaves the initial loss at" in takeaway(found)
    small = record(init="both_random_small", steps=20)
    assert (small.rival, set(STARTS) - set(small.inits)) == ("both_random_small", {"both_random"})
    assert 0 < small.size[0, small.inits.index("both_random_small")] < 0.01
    assert record(init="B_zero", steps=0).rival == "both_random"


def test_divergence_is_told() -> None:
    found = record(lr=5.0)
    assert "diverged" in takeaway(found)
    assert "diverged" in film(found).narration[-1]


def test_the_table_shows_the_record(race: InitRace) -> None:
    np.testing.assert_array_equal(table(race)["grad_A_pissa"], race.grad_A[:, race.inits.index("pissa")])


@pytest.mark.parametrize("change", [{}, {"lr": 5.0}, {"steps": 0}], ids=["normal", "diverged", "no_step"])
def test_the_figure_draws_the_record(change: dict[str, object]) -> None:
    found = record(**change)
    assert np.isfinite(found.loss[1]).all() == ("lr" not in change)
    drawn = printed(film(found), LESSON.on_paper, theme="dark").data
    assert [curve.name for curve in drawn] == [STARTS[name][1] for name in found.inits]
    for curve, expected in zip(drawn, found.loss[1].T, strict=True):
        np.testing.assert_array_equal(curve.x, found.steps)
        np.testing.assert_array_equal(curve.y, np.where(np.isfinite(expected), expected, np.nan))
