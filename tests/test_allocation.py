"""Several layers, one budget: the pruning's promises, and that it finds the ranks."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment, ExperimentError
from lora_viz.engine.allocation import INITIAL, TRUE_RANKS, allocate
from lora_viz.layer.tasks import make_task

ODD = Experiment(d_in=13, d_out=11, spectrum="flat", alpha=10.0, lr=0.02, steps=210, samples=53, target_rank=1)


def test_the_true_ranks_are_found_where_the_budget_is_their_sum() -> None:
    """Eight sets of four layers at the lesson's sizes: the ranks, and hardly any error."""
    e = Experiment(spectrum="flat", alpha=10.0, lr=0.02, steps=400, rank=4, target_rank=1)
    run = allocate(e, sum(TRUE_RANKS), records=3)
    assert run.kept.shape == (8, 3, 4)
    assert (run.kept[:, -1] == TRUE_RANKS).all(axis=1).sum() >= 7
    assert np.median(run.left[:, -1]) < 1e-3


@pytest.mark.parametrize("budget", [4, 8, 15, 30, 40])
def test_each_set_keeps_its_budget_and_no_more(budget: int) -> None:
    run = allocate(ODD, budget, models=3, records=211)
    assert (run.kept[:, 0] == INITIAL).all()
    np.testing.assert_array_equal(run.kept[:, -1].sum(axis=1), budget)
    settled = run.steps > run.prunes_to + 1
    assert ((run.values[:, settled] != 0).sum(axis=-1) <= run.kept[:, settled]).all(), "what is pruned stays pruned"
    assert (np.diff(run.budget) <= 0).all() and run.budget[0] == 40 and run.budget[-1] == budget
    totals = run.kept.sum(axis=2)
    assert (np.diff(totals, axis=1) <= 0).all()


def test_layers_have_their_own_targets_and_each_set_is_alone() -> None:
    run, other = allocate(ODD, 15, models=2, records=5), allocate(replace(ODD, seed=1000), 15, models=1, records=5)
    np.testing.assert_allclose(run.values[1], other.values[0], atol=1e-9)
    assert not np.allclose(run.values[0], run.values[1])
    for layer, rank in enumerate(TRUE_RANKS):
        target = make_task(replace(ODD, target_rank=rank, seed=layer)).target_delta
        np.testing.assert_allclose(run.sigma[layer], np.linalg.svd(target, compute_uv=False)[:INITIAL], atol=1e-12)


def test_the_error_left_is_the_samples() -> None:
    """Under too small a budget at least the missing singular values are left."""
    run = allocate(replace(ODD, steps=420), 8, models=2, records=3)
    missing = np.array([np.sum(s[k:] ** 2) for s, k in zip(run.sigma, run.kept[0, -1], strict=True)])
    floor = missing / np.sum(run.sigma**2, axis=1)
    assert (run.left[0, -1] >= floor - 1e-9).all()
    np.testing.assert_allclose(run.left[:, 0], 1.0, rtol=1e-12)


@pytest.mark.parametrize("budget", [3, 41])
def test_a_budget_that_is_none(budget: int) -> None:
    with pytest.raises(ExperimentError, match=rf"budget={budget} is out of range\. Valid values: 4 to 40"):
        allocate(ODD, budget)
