"""The picture of an allocation: exact floors of equal ranks, and words for every budget."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.engine.allocation import TRUE_RANKS, allocate
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.panels import Bars, Lines
from lora_viz.film.paper import printed
from lora_viz.lessons.variants.adalora import (
    LESSON,
    RankAllocation,
    detail,
    film,
    rank_allocation,
    table,
    takeaway,
    verdict,
)

ODD = Experiment(d_in=13, d_out=11, spectrum="power", alpha=10.0, lr=0.02, steps=140, samples=53, target_rank=1)


def read(budget: int, **change: object) -> RankAllocation:
    return rank_allocation(allocate(replace(ODD, **change), budget, models=3, records=9))  # type: ignore[arg-type]


def test_equal_ranks_have_eckart_youngs_floor() -> None:
    record = read(15)
    assert record.equal_rank == 4  # 16 in all: one more than the budget
    sigma = 1 / np.arange(1, 9)
    np.testing.assert_allclose(record.equal_floor[3], np.sum(sigma[4:] ** 2) / np.sum(sigma**2), rtol=1e-9)
    assert record.equal_floor[:3].max() < 1e-24
    assert record.sets == 3 and record.ends.shape == (3, 4)
    found = (record.ends == np.array(TRUE_RANKS)).all(axis=1).sum()
    assert record.found[-1] == found


@pytest.mark.parametrize(
    ("budget", "words"), [(15, "sets kept the true ranks"), (8, "7 too few"), (30, "15 more than there is to learn")]
)
def test_takeaways(budget: int, words: str) -> None:
    said = takeaway(read(budget))
    assert words in said and "nan" not in said
    assert ("With rank 4 everywhere, at least" in said) == (budget == 15)
    judged = verdict(read(budget))
    assert judged.evidence["needed"] == 15 and judged.evidence["budget"] == budget
    if budget != 15:
        assert judged.holds is False


def test_the_claim_holds_where_most_sets_keep_the_true_ranks() -> None:
    record = read(15)
    for found, holds in ((record.sets, True), (0, False)):
        assert verdict(record._replace(found=np.full_like(record.found, found))).holds is holds


def test_film_and_table() -> None:
    record = read(15)
    bars, together = film(record).panels[:2]
    assert isinstance(bars, Bars) and isinstance(together, Lines)
    np.testing.assert_array_equal(bars.groups[0].values, record.kept)
    np.testing.assert_array_equal(bars.groups[1].values, TRUE_RANKS)
    np.testing.assert_array_equal(together.series[0].y, record.kept.sum(axis=1))
    assert table(record)["kept_layer_4"].tolist() == record.kept[:, 3].tolist()


@pytest.mark.parametrize("change", [{}, {"lr": 1e6}, {"steps": 0}], ids=["normal", "diverged", "no step"])
def test_the_still_figure_shows_what_was_kept(change: dict[str, Any]) -> None:
    record = read(15, **change)
    assert record.diverged == (3 if "lr" in change else 0)
    kept, truth, equal = printed(film(record), "kept", theme="dark").data
    assert set(equal.y) == {record.equal_rank}
    assert kept.x == truth.x == tuple(f"layer {i + 1}" for i in range(4))
    np.testing.assert_array_equal(kept.y, record.kept[-1])
    np.testing.assert_array_equal(truth.y, TRUE_RANKS)
    assert "nan" not in takeaway(record)
    assert len(film(record).narration) == len(record.steps)


def test_a_diverged_set_is_the_worst_of_its_layer() -> None:
    run = allocate(ODD, 15, models=3, records=9)
    left = run.left.copy()
    left[1, -1] = np.nan
    record = rank_allocation(replace(run, left=left))
    fine = np.sort(run.left[[0, 2], -1], axis=0)
    np.testing.assert_array_equal(record.left_ends, [fine[0], fine[1], fine[1]])
    assert record.diverged == 1 and "1 of 3 sets diverged" in detail(record)


def test_every_set_has_its_script() -> None:
    scripts = LESSON.play(steps=50, budget=8).exports()
    assert isinstance(scripts, Scripts) and scripts.choices == {"Set of layers": tuple(range(8))}
    assert "import torch" in scripts.make(7).text
