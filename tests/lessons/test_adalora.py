"""The picture of an allocation: exact floors of equal ranks, and words for every budget."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.engine.allocation import TRUE_RANKS, allocate
from lora_viz.film.panels import Bars, Lines
from lora_viz.lessons.variants.adalora import RankAllocation, film, rank_allocation, table, takeaway

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
    ("budget", "words"),
    [(15, "the true ranks were kept in"), (8, "7 too few"), (30, "15 more than there is to learn")],
)
def test_takeaways(budget: int, words: str) -> None:
    said = takeaway(read(budget))
    assert words in said and "nan" not in said
    assert ("4 ranks in every layer, 16 in all, leave at least" in said) == (budget == 15)


def test_film_and_table() -> None:
    record = read(15)
    bars, together = film(record).panels[:2]
    assert isinstance(bars, Bars) and isinstance(together, Lines)
    np.testing.assert_array_equal(bars.groups[0].values, record.kept)
    np.testing.assert_array_equal(bars.groups[1].values, TRUE_RANKS)
    np.testing.assert_array_equal(together.series[0].y, record.kept.sum(axis=1))
    assert table(record)["kept_layer_4"].tolist() == record.kept[:, 3].tolist()
