"""The rule against plain sums, and the rank that is needed against exact fits."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.lessons.rank.energy_rule import EnergyRule, detail, energy_rank, energy_rule, film, takeaway, verdict

E = Experiment(
    d_in=13, d_out=11, target_rank=4, spectrum="exponential", rank=1, alpha=8.0, lr=0.03, schedule="linear",
    steps=300, samples=41,
)  # fmt: skip


def record(**change: object) -> EnergyRule:
    e = replace(E, **change)  # type: ignore[arg-type]
    others = [Sweep((replace(e, steps=0, seed=s),)) for s in range(1, 9)]
    return energy_rule(train(sweep, records=2) for sweep in (Sweep.over(e, rank=(1, 2, 3, 4, 5, 8, 11)), *others))


@pytest.mark.parametrize(
    ("sigma", "rank"),
    [
        ([1.0] * 8, 8),
        ([1.0, 1e-3, 1e-3], 1),
        (list(1 / np.arange(1, 65.0)), 10),
        (list(0.7 ** np.arange(64)), 5),
        ([0.0], 0),
    ],
)
def test_the_rule(sigma: list[float], rank: int) -> None:
    assert energy_rank(np.array(sigma)) == rank


def test_round_and_clean_the_rule_is_right() -> None:
    found = record()
    assert found.over == found.under == 0
    assert found.own_rule == found.own_needed[1]
    np.testing.assert_allclose(found.skill[1:4], found.energy[1:4], atol=1e-4)
    assert verdict(found).holds is False and "rule and need agree" in detail(found)


def test_noise_has_energy_everywhere() -> None:
    found = record(noise=2.0)
    assert found.over == found.tasks == 9
    assert found.rule[0] > found.needed[2, 1]
    assert found.own_rule > found.own_needed[1]
    assert found.raised == 9 and verdict(found).holds and "fitted noise" in detail(found)


def test_a_median_between_two_ranks_is_the_mean_of_both() -> None:
    """With an even number of tasks 12.5 is no 12, in the record and in words."""
    found = record(noise=2.0)._replace(tasks=10, rule=np.array([9.0, 12.5, 14.0]))
    assert "rank 12.5." in takeaway(found)


def test_too_high_for_another_reason_is_not_the_noise() -> None:
    found = record(noise=2.0)._replace(over=8, raised=3)
    assert verdict(found).holds is False and verdict(found).evidence["raised"] == 3


def test_no_update_has_no_effective_rank() -> None:
    found = record()
    assert np.isnan(found.kinds[0].effective) and np.isnan(found.kinds[0].stable)
    assert found.energy_ranks[0] == found.kinds[0].numerical == 0
    assert found.skill[0] == 0


def test_the_still_figure_of_normal_wild_and_untrained_adapters() -> None:
    for found in (record(), record(optimizer="sgd", lr=1e4), record(steps=0)):
        energy, skill, full, share = printed(film(found), "rule").data
        assert (energy.name, skill.name, share.name) == ("energy of full update", "LoRA's skill", "95 %")
        seen = np.where(found.skill > -1, found.skill, np.nan)
        np.testing.assert_array_equal(full.y, max(found.skill_full, -1.0))
        for trace, y in ((energy, found.energy[found.rank]), (skill, seen), (share, np.full(8, 0.95))):
            np.testing.assert_array_equal(trace.x, found.rank)
            np.testing.assert_array_equal(trace.y, y)


def test_five_kinds_of_rank_are_read() -> None:
    found = record(noise=2.0)
    rows = film(found).panel("kinds_of_rank").rows  # type: ignore[union-attr]
    assert [row.id for row in rows] == ["bound", "numerical", "effective", "stable", "energy"]
    assert rows[0].text[:2] == ("full 11 · LoRA 0", "full 11 · LoRA 1")
    assert rows[2].text[0].endswith("LoRA —") and rows[4].text[0] == f"full {found.own_rule} · LoRA —"
