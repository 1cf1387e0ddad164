"""Learning and forgetting: exact laws without noise, the U with it."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.film.paper import printed
from lora_viz.lessons.training.learns_forgets import LearnsForgets, film, learns_forgets, table, verdict

E = Experiment(d_in=64, d_out=64, rank=1, noise=0.5, samples=128)


@pytest.fixture(scope="module")
def found() -> LearnsForgets:
    return learns_forgets(E)


def test_a_u_in_what_is_learnt_and_no_end_to_what_is_forgotten(found: LearnsForgets) -> None:
    excess = found.excess[1]
    assert found.rank[excess.argmin()] == 4
    assert np.isin(found.best, (3, 4, 6)).all(), "in every seed"
    assert found.excess[2, excess.argmin()] < found.excess[0, -1], "far below full rank in every seed"
    assert (np.diff(found.forgets[1]) > 0).all()
    assert (np.diff(found.train[1]) < 0).all()


def test_the_numbers_are_those_of_the_fact_sheet(found: LearnsForgets) -> None:
    at = [list(found.rank).index(r) for r in (1, 2, 4, 8, 16, 32)]
    np.testing.assert_allclose(found.excess[1, at], [0.552, 0.314, 0.249, 0.617, 1.18, 1.79], rtol=0.12)
    np.testing.assert_allclose(found.forgets[1, at], [0.56, 0.90, 1.21, 1.59, 2.17, 2.80], rtol=0.06)


def test_without_noise_and_round_the_law_is_exact() -> None:
    clean = learns_forgets(replace(E, d_in=16, d_out=16, noise=0.0, samples=20_000), seeds=3)
    left = clean.excess[1, :3]
    np.testing.assert_allclose(clean.forgets[1, :3], 1 - left, atol=0.01)
    np.testing.assert_allclose(clean.matched[:3], (1 - np.sqrt(left)) ** 2, atol=0.01)
    assert (clean.less[:3] == 0).all()
    assert verdict(clean).holds is False and verdict(clean).evidence["noise"] == 0


def test_the_still_figure_and_the_table(found: LearnsForgets) -> None:
    lora, full, _ = printed(film(found), "trade").data
    assert (lora.name, full.name) == ("LoRA, r = 1 to full", "full fine-tuning, stopped early")
    for trace, x, y in ((lora, found.forgets[1], found.excess[1]), (full, found.path[1], found.path[0])):
        at = np.abs(trace.x - x[:, None]).argmin(axis=1)
        np.testing.assert_allclose(trace.x[at], x, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(trace.y[at], y, rtol=1e-6)
    columns = table(found)
    assert {len(column) for column in columns.values()} == {len(found.rank)}
    np.testing.assert_array_equal(columns["forgets_high"], found.forgets[2])
