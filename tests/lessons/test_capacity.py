"""The live training beside what was measured: words, map and figure, learnt or not."""

import numpy as np
import pytest

from lora_viz.film.paper import printed
from lora_viz.lessons.rank.capacity import Capacity, capacity, detail, film, table, takeaway, verdict
from lora_viz.networks.bits import BitsExperiment, BitsRun, bits_evidence
from lora_viz.networks.memorise import memorise_bits


def trained(**change: int) -> Capacity:
    run = list(memorise_bits(BitsExperiment(rank=1, samples=(64, 512), **change)))[-1]  # type: ignore[arg-type]
    assert isinstance(run, BitsRun)
    return capacity(run, bits_evidence())


@pytest.fixture(scope="module")
def found() -> Capacity:
    return trained()


def test_what_was_seen_is_told(found: Capacity) -> None:
    said = takeaway(found)
    assert "256 trainable parameters, memorised up to 64 random bits without error" in said
    assert "8 seeds" in detail(found)


def test_without_steps_nothing_is_learnt() -> None:
    record = trained(steps=0)
    assert len(record.steps) == 1 and (record.live < 0.8).all()
    assert "memorised none of the tried N without error" in takeaway(record) and verdict(record).holds is False
    assert film(record).narration[0].startswith("Step 0: none memorised yet;")


def test_the_still_figure_is_the_measured_map(found: Capacity) -> None:
    drawn = printed(film(found), "load")
    assert [trace.name for trace in drawn.data] == ["r = 1", "r = 2", "r = 4", "r = 8"]
    for i, trace in enumerate(drawn.data):
        low, median, high = found.measured[:, i]
        there = np.isfinite(trace.y)
        np.testing.assert_allclose(trace.x[there], found.measured_samples / (256 * found.ranks[i]))
        np.testing.assert_array_equal(trace.y[there], median)
        np.testing.assert_array_equal(trace.error_y.array[there], high - median)
        np.testing.assert_array_equal(trace.error_y.arrayminus[there], median - low)
    np.testing.assert_array_equal(table(found)["accuracy"], found.measured[1].ravel())


def test_every_rank_lies_on_the_common_axis_of_loads(found: Capacity) -> None:
    panel = film(found).panel("load")
    for i, rank in enumerate(found.ranks):
        curve = panel.part(f"rank_{rank}")
        there = np.isfinite(curve.y)  # type: ignore[union-attr]
        np.testing.assert_allclose(panel.x[there], found.measured_samples / (256 * rank))  # type: ignore[union-attr]
        np.testing.assert_array_equal(curve.y[there], found.measured[1, i])  # type: ignore[union-attr]
