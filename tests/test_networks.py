"""Real digits and the networks that learn them: data as it says, a run that is whole, exact answers."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.progress import Progress
from lora_viz.networks.adapting import HIDDEN, adapt_digits, first_factors, first_networks, pretrained
from lora_viz.networks.digits import CHANGES, RANKS, TEST, DigitsExperiment, DigitsRun, changed, digit_images, split
from lora_viz.networks.mlp import Dense

FEW = DigitsExperiment(members=2, steps=20, seed=3)


def last(work: Iterator[Any]) -> Any:
    return list(work)[-1]


@pytest.fixture(scope="module")
def run() -> DigitsRun:
    found = last(adapt_digits(FEW))
    assert isinstance(found, DigitsRun)
    return found


def test_the_images_are_the_uci_digits() -> None:
    images, labels = digit_images()
    assert images.shape == (1797, 64)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (images * 16).sum() == 561718  # the sum of all pixels, as scikit-learn 1.x has it
    assert images.min() == 0 and images.max() == 1


def test_each_change_does_what_it_says() -> None:
    images, labels = digit_images()
    for name in CHANGES:
        x, y = changed(images, labels, name, seed=4)
        assert (y == ((labels + 1) % 10 if name == "relabelled" else labels)).all()
        if name in ("rotated", "permuted"):
            assert (np.sort(x, axis=1) == np.sort(images, axis=1)).all() and (x != images).any()
    turned = changed(images, labels, "rotated")[0].reshape(-1, 8, 8)
    upright = images.reshape(-1, 8, 8)
    for row, column in ((0, 0), (2, 5), (7, 3)):
        assert (turned[:, 7 - column, row] == upright[:, row, column]).all(), "counter-clockwise by 90°"
    again = changed(*changed(images, labels, "inverted"), "inverted")[0]
    assert np.allclose(again, images, atol=1e-13)
    assert (changed(images, labels, "permuted", 4)[0] != changed(images, labels, "permuted", 5)[0]).any()


def test_test_images_are_not_trained_on() -> None:
    for member in range(3):
        train, test = split(7, member)
        assert len(test) == TEST
        assert sorted([*train, *test]) == list(range(1797))
    assert (split(7, 0)[1] != split(7, 1)[1]).any()


def test_a_run_says_how_far_it_is_and_repeats_to_the_bit(run: DigitsRun) -> None:
    items = list(adapt_digits(FEW))
    shares = [item.share for item in items[:-1] if isinstance(item, Progress)]
    assert len(shares) == len(items) - 1 and shares == sorted(shares)
    assert shares[0] > 0 and shares[-1] == 1
    again = items[-1]
    assert isinstance(again, DigitsRun)
    for name in ("new", "old", "sigma", "last_sigma", "predicted", "base_new"):
        assert (getattr(run, name) == getattr(again, name)).all(), name


def test_a_run_begins_where_the_pretrained_network_stands(run: DigitsRun) -> None:
    assert run.steps[0] == 0 and run.steps[-1] == FEW.steps
    assert (run.new[0] == run.base_new).all() and (run.old[0] == run.base_old).all()
    assert (run.predicted[0] == run.before).all()
    assert (run.sigma[0] == 0).all()
    assert (run.base_old > 0.85).all(), "it reads upright digits"


def test_ranks_are_bounded_and_the_head_moves_no_hidden_weight(run: DigitsRun) -> None:
    assert (run.last_sigma[:, 0] == 0).all()
    for m, rank in enumerate(RANKS, start=1):
        assert (run.last_sigma[:, m, :, rank:] == 0).all()
        assert (run.last_sigma[:, m, :, :rank] > 0).all()
    assert (run.last_sigma[:, -1, :, 20] > 0).all()


def test_parameters_are_counted(run: DigitsRun) -> None:
    hidden = [64 * HIDDEN, HIDDEN * HIDDEN]
    by_hand = [10 * HIDDEN + 10, *(r * (64 + HIDDEN) + r * 2 * HIDDEN for r in RANKS)]
    assert run.trainable.tolist() == [*by_hand, sum(hidden) + 2 * HIDDEN + 10 * HIDDEN + 10]


def test_a_higher_rank_re_rolls_nothing() -> None:
    A1, A2 = first_factors(FEW, RANKS)
    for A in (A1, A2):
        for m, rank in enumerate(RANKS):
            assert (A[:, m, :rank] == A[:, -1, :rank]).all() and (A[:, m, rank:] == 0).all()
    assert (first_networks(FEW)[0] == first_networks(DigitsExperiment(members=2, seed=3, lr=0.5))[0]).all()


def test_moved_pixels_have_an_exact_answer_of_rank_48() -> None:
    base = last(pretrained(FEW))
    images, labels = digit_images()
    eye, none = np.eye(64), np.zeros(64, dtype=np.int64)
    moved = changed(eye, none, "rotated")[0]
    w1 = base[0] @ torch.tensor(moved, dtype=torch.float32)
    delta = (base[0] @ torch.tensor(moved - eye, dtype=torch.float32)).double()
    assert torch.linalg.matrix_rank(delta, rtol=1e-5).tolist() == [48, 48]
    x = torch.tensor(images, dtype=torch.float32).expand(2, -1, -1)
    turned = torch.tensor(changed(images, labels, "rotated")[0], dtype=torch.float32).expand(2, -1, -1)
    torch.testing.assert_close(Dense((w1, *base[1:])).logits(turned), Dense(base).logits(x), rtol=1e-4, atol=1e-4)


def test_who_stops_asking_stops_the_training() -> None:
    work = adapt_digits(FEW)
    next(work)
    work.close()  # type: ignore[attr-defined]
    assert not torch.is_inference_mode_enabled()
    assert list(work) == []


def test_a_rate_too_high_is_no_accuracy() -> None:
    wild = last(adapt_digits(DigitsExperiment(members=2, steps=20, lr=100.0)))
    assert np.isnan(wild.new[-1]).any() or (wild.new[-1] < 0.6).all()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"change": "mirrored"}, "change=mirrored is unknown. Valid values: rotated, relabelled, permuted, inverted."),
        ({"lr": float("nan")}, "lr=nan is out of range. Valid values: 1e-05 to 100."),
        ({"steps": 2001}, "steps=2001 is out of range. Valid values: 0 to 2000."),
        ({"alpha": 0.0}, "alpha=0 is out of range. Valid values: 1 to 256."),
    ],
)
def test_impossible_experiments_are_refused_in_one_sentence(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ExperimentError, match="^" + sentence.replace(".", r"\.") + "$"):
        DigitsExperiment(**change)
