"""φ against the paper's formula, chance, and three targets."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.spectra import principal_angles
from lora_viz.engine.training import train
from lora_viz.film.paper import printed
from lora_viz.lessons.rank.overlap import Overlap, detail, film, overlap, overlaps, takeaway, verdict

E = Experiment(d_in=37, d_out=29, rank=5, alpha=8.0, lr=0.02, steps=200, samples=97)


def record(**change: object) -> Overlap:
    e = replace(E, **change)  # type: ignore[arg-type]
    return overlap(train(Sweep.over(e, rank=(5, 17), init_seed=range(8)), records=7))


def test_phi_is_the_mean_squared_cosine() -> None:
    rng = np.random.default_rng(4)
    left, right = (np.linalg.qr(rng.standard_normal((13, k)))[0].T for k in (4, 7))
    found = overlaps(left, right)
    for i in range(4):
        for j in range(7):
            angles = principal_angles(left[: i + 1].T, right[: j + 1].T)
            assert found[i, j] == pytest.approx(np.mean(np.cos(np.radians(angles)) ** 2))


def test_the_directions_are_a_dense_svds() -> None:
    run = train(Sweep.over(E, rank=(5, 17), init_seed=range(8)), records=7)
    i = next(i for i, e in enumerate(run.sweep.experiments) if (e.rank, e.init_seed) == (5, 0))
    j = next(i for i, e in enumerate(run.sweep.experiments) if (e.rank, e.init_seed) == (17, 1))
    v, w = (np.linalg.svd(run.A[k][-1], full_matrices=False)[2] for k in (i, j))
    np.testing.assert_allclose(record().phi[-1], overlaps(v, w), atol=1e-9)


def test_before_training_it_is_chance() -> None:
    found = record()
    np.testing.assert_allclose(found.across[1, 0], np.arange(1, 6) / 37, atol=0.1)


def test_the_target_decides() -> None:
    spike = record(spectrum="spike", target_rank=17)
    assert spike.across[0, -1, 0] > 0.9, "one strong direction: found in every pair"
    assert spike.across[2, -1, -1] < 0.9
    tied = record(spectrum="flat", target_rank=3)
    assert tied.across[0, -1, 2] > 0.95, "three equal ones: the block is found in every pair"
    assert np.ptp(tied.across[:, -1, 0]) > 0.3, "which comes first is arbitrary"
    assert verdict(tied).holds and verdict(tied).evidence["tied"] == 3 and "only φ(3, 3)" in detail(tied)


def test_no_directions_in_zero() -> None:
    assert "An A was 0" in takeaway(record(init="both_zero"))


def test_the_still_figure_of_a_normal_a_wild_and_an_untrained_run() -> None:
    for found in (record(), record(optimizer="sgd", lr=1e4), record(steps=0)):
        across, seeds, chance = printed(film(found), "diagonal").data
        assert (across.name, seeds.name, chance.name) == ("rank 5 against 17", "rank 17, two seeds", "chance, i/37")
        for trace, y in ((across, found.across[1, -1]), (seeds, found.seeds[1, -1]), (chance, np.arange(1, 6) / 37)):
            np.testing.assert_array_equal(trace.x, np.arange(1, 6))
            np.testing.assert_array_equal(trace.y, y)


def test_a_reading_stands_once() -> None:
    run = train(Sweep.over(E, rank=(4, 17), init_seed=range(2)), records=3)
    rows = film(overlap(run)).panel("now").rows  # type: ignore[union-attr]
    assert [row.id for row in rows] == ["phi_1", "phi_2", "phi_4"]
