"""Two adapters on one base, and merging into few bits: against plain arithmetic, rounding by hand and PEFT."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.progress import Progress
from lora_viz.layer.quantise import NF4
from lora_viz.networks.adapter_pair import adapt_pair
from lora_viz.networks.digits import DigitsExperiment, PairExperiment, PairRun
from lora_viz.networks.requantise import FORMATS, RequantiseRun, level, merge_quantised, requantised, uniform

FEW = PairExperiment(members=2, rank=2, steps=30, seed=5)


@pytest.fixture(scope="module")
def pair() -> PairRun:
    items = list(adapt_pair(FEW))
    assert all(isinstance(item, Progress) for item in items[:-1])
    assert isinstance(items[-1], PairRun)
    return items[-1]


@pytest.fixture(scope="module")
def stored() -> RequantiseRun:
    found = list(merge_quantised(DigitsExperiment(members=2, steps=30, seed=5), 2))[-1]
    assert isinstance(found, RequantiseRun)
    return found


def test_the_ends_of_the_mixture_are_the_adapters_alone(pair: PairRun) -> None:
    assert pair.weight[0] == 0 and pair.weight[-1] == 1
    for end in (0, -1):
        assert (pair.mixed[end] == pair.averaged[end]).all(), "one factor pair alone is its own product"
        assert (pair.difference[end] < 1e-6).all()
    one, none = (int(np.argmin(np.abs(pair.grid_weight - v))) for v in (1, 0))
    assert (pair.grid[one, none] == pair.mixed[0]).all() and (pair.grid[none, one] == pair.mixed[-1]).all()
    assert (pair.grid[none, none] == pair.base).all(), "both off: the base, to the bit"


def test_averaged_factors_are_off_by_the_cross_terms(pair: PairRun) -> None:
    (a1, a2), (b1, b2) = pair.A, pair.B
    right = 0.5 * (b1 @ a1 + b2 @ a2)
    wrong = 0.25 * (b1 @ a1 + b2 @ a2 + b1 @ a2 + b2 @ a1)
    by_hand = np.linalg.norm(wrong - right) / np.linalg.norm(right)
    middle = list(pair.weight).index(0.5)
    assert pair.difference[middle, 0] == pytest.approx(by_hand, rel=1e-4)
    assert by_hand > 0.3


def test_ranks_add_up(pair: PairRun) -> None:
    delta = pair.scaling * pair.B @ pair.A
    assert [np.linalg.matrix_rank(d, rtol=1e-6) for d in (*delta, delta.sum(axis=0))] == [2, 2, 4]


def test_mixing_updates_is_pefts_cat_and_averaging_factors_its_linear(pair: PairRun) -> None:
    net = get_peft_model(
        nn.Sequential(nn.Linear(64, 64, bias=False)), LoraConfig(r=2, lora_alpha=2, target_modules=["0"]), "first"
    )
    net.add_adapter("second", LoraConfig(r=2, lora_alpha=2, target_modules=["0"]))
    layer = net.base_model.model[0]
    with torch.no_grad():
        for i, name in enumerate(("first", "second")):
            layer.lora_A[name].weight.copy_(torch.tensor(pair.A[i]))
            layer.lora_B[name].weight.copy_(torch.tensor(pair.B[i]))
    net.add_weighted_adapter(["first", "second"], [0.5, 0.5], "cat", combination_type="cat")
    net.add_weighted_adapter(["first", "second"], [0.5, 0.5], "linear", combination_type="linear")
    mixed = 0.5 * (pair.B[0] @ pair.A[0] + pair.B[1] @ pair.A[1])
    np.testing.assert_allclose(layer.get_delta_weight("cat").detach().numpy(), mixed, atol=1e-6)
    summed = 0.5 * (pair.B[0] + pair.B[1]) @ (pair.A[0] + pair.A[1])  # its weights enter by their roots
    np.testing.assert_allclose(layer.get_delta_weight("linear").detach().numpy(), summed, atol=1e-6)
    assert np.abs(mixed - summed).max() > 1e-3


def test_overlap_lies_between_apart_and_the_same(pair: PairRun) -> None:
    for i in range(2):
        q, _ = np.linalg.qr(np.swapaxes(pair.A, 1, 2)[i])
        np.testing.assert_allclose(q.T @ q, np.eye(2), atol=1e-12)
    u, v = (np.linalg.qr(a.T)[0] for a in pair.A)
    assert pair.inputs[0] == pytest.approx(np.sum((u.T @ v) ** 2) / 2, rel=1e-9)
    assert ((pair.inputs >= 0) & (pair.inputs <= 1) & (pair.outputs >= 0) & (pair.outputs <= 1)).all()
    assert (pair.reach > 0).all()


def test_impossible_pairs_are_refused() -> None:
    with pytest.raises(ExperimentError, match=r"^rank=17 is out of range. Valid values: 1 to 16\.$"):
        PairExperiment(rank=17)
    with pytest.raises(ExperimentError, match=r"^change=mirrored is unknown"):
        PairExperiment(second="mirrored")


def test_even_levels_are_rounded_by_hand() -> None:
    w = np.array([[7.0, 3.4, -0.4, -6.6], [0.0, 0.0, 0.0, 0.0], [14.0, 1.1, -13.2, 2.9]])
    np.testing.assert_allclose(uniform(w, levels=7), [[7, 3, 0, -7], [0, 0, 0, 0], [14, 2, -14, 2]])


def test_stored_weights_stand_on_the_formats_levels() -> None:
    w = np.random.default_rng(2).standard_normal((6, 64))
    for name, levels in (("int8", np.arange(-127, 128) / 127), ("int4", np.arange(-7, 8) / 7), ("NF4", NF4)):
        q = FORMATS[name](w)
        assert np.abs(level(q)[..., None] - levels).min(axis=-1).max() < 1e-12
        np.testing.assert_allclose(FORMATS[name](q), q, atol=1e-13)  # what is stored is stored again as it is
        nearest = levels[np.abs(level(w)[..., None] - levels).argmin(axis=-1)]
        np.testing.assert_allclose(level(q), nearest, atol=1e-12)


def test_an_update_below_half_a_level_is_lost_and_a_whole_one_arrives() -> None:
    w = np.zeros((1, 64))
    w[0, 0], w[0, 1:] = 7.0, np.tile([3.0, -2.0, 1.0], 21)
    small, whole = np.zeros((1, 64)), np.zeros((1, 64))
    small[0, 1:], whole[0, 1:] = 0.49, 1.0
    before, after = requantised(w, small, "int4")
    assert (before == w).all() and (after == before).all()
    before, after = requantised(w, whole, "int4")
    np.testing.assert_allclose(after - before, whole, atol=1e-12)


def test_the_smaller_the_update_the_more_is_lost(stored: RequantiseRun) -> None:
    lost = np.median(stored.lost, axis=-1)
    assert (lost[-1] < 0.3 * lost[0]).all()
    assert (np.diff(np.median(stored.base_error, axis=-1)[[0, 2]]) > 0).all()
    assert (lost[20, 0] < lost[20, 1:]).all(), "eight bits lose less than four"
    asked, came = stored.delta, stored.arrived[:, 0]
    by_hand = np.linalg.norm(came - asked, axis=(1, 2)) / np.linalg.norm(asked, axis=(1, 2))
    np.testing.assert_allclose(stored.lost[:, 0, 0], by_hand, rtol=1e-12)
    assert ((stored.kept_level >= 0) & (stored.kept_level <= 1)).all()
    assert (stored.kept_level[0] > stored.kept_level[-1]).all()


def test_a_block_has_a_scale_of_its_own() -> None:
    w = np.array([[7.0, 3.4, -0.5, -3.5]])
    np.testing.assert_allclose(uniform(w, levels=7, block=2), [[7.0, 3.0, -0.5, -3.5]])
