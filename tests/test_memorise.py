"""Random bits learnt by heart: the gradient against autograd, prefixes, the edge, and the measured file."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.progress import Progress
from lora_viz.networks.bits import RANKS, BitsExperiment, BitsRun, bits_evidence, stored_bits
from lora_viz.networks.memorise import Memoriser, memorise_bits

ODD = BitsExperiment(rank=3, width=17, inputs=11, seed=2, steps=20, samples=(5, 23))


def test_the_gradient_is_autograds() -> None:
    net = Memoriser(ODD, 23, torch.float64)
    net.B.copy_(torch.from_numpy(np.random.default_rng(0).standard_normal((17, 3))))
    A, B = net.A.clone().requires_grad_(), net.B.clone().requires_grad_()
    logits = (net.last.T @ (net.before + B @ (A @ net.hidden)).relu())[0]
    torch.nn.functional.softplus(-net.labels * logits).mean().backward()
    net.backward()
    assert A.grad is not None and B.grad is not None
    torch.testing.assert_close(net.gradient, torch.cat([A.grad.flatten(), B.grad.flatten()]), rtol=1e-10, atol=1e-13)


def test_training_is_torchs_adam_with_a_cosine() -> None:
    net = Memoriser(ODD, 23, torch.float64)
    A, B = net.A.clone().requires_grad_(), net.B.clone().requires_grad_()
    adam = torch.optim.Adam([A, B], lr=ODD.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 9)
    for k in range(9):
        net.step(k, 0.5 * (1 + np.cos(np.pi * k / 9)))
        adam.zero_grad()
        logits = (net.last.T @ (net.before + B @ (A @ net.hidden)).relu())[0]
        torch.nn.functional.softplus(-net.labels * logits).mean().backward()
        adam.step()
        schedule.step()
    torch.testing.assert_close(net.B, B.detach(), rtol=1e-7, atol=1e-10)


def test_fewer_samples_and_a_lower_rank_are_the_first_of_more() -> None:
    few, many = Memoriser(ODD, 5), Memoriser(ODD, 23)
    torch.testing.assert_close(few.hidden, many.hidden[:, :5])
    torch.testing.assert_close(few.labels, many.labels[:5])
    torch.testing.assert_close(Memoriser(replace(ODD, rank=1), 5).A, few.A[:1])
    assert set(many.labels.tolist()) == {-1.0, 1.0}


def test_progress_comes_first_and_the_run_last() -> None:
    *told, run = list(memorise_bits(ODD))
    assert isinstance(run, BitsRun)
    shares = [p.share for p in told if isinstance(p, Progress)]
    assert len(shares) == len(told) and shares[-1] == pytest.approx(1.0)
    assert all(a <= b for a, b in itertools.pairwise(shares))
    assert run.accuracy.shape == (len(run.steps), 2)
    np.testing.assert_array_equal(run.accuracy, list(memorise_bits(ODD))[-1].accuracy)  # type: ignore[union-attr]


def test_an_adapter_holds_what_it_has_numbers_for_and_not_eight_times_that() -> None:
    e = BitsExperiment(rank=1, width=32, inputs=16, samples=(32, 512))  # 64 numbers
    run = list(memorise_bits(e))[-1]
    assert isinstance(run, BitsRun)
    assert run.accuracy[-1, 0] == 1.0
    assert run.accuracy[-1, 1] < 0.8


def test_bits_known() -> None:
    found = stored_bits(np.array([0.5, 0.3, 1.0, 0.89]), np.array([8, 8, 8, 100]))
    np.testing.assert_allclose(found, [0, 0, 8, 50.0084], atol=1e-3)


def test_the_measured_file_shows_the_edge_at_one_bit_a_number() -> None:
    told = bits_evidence()
    assert tuple(told.ranks) == RANKS and len(told.accuracy) == 8
    load = told.samples[None, :] / (256 * told.ranks[:, None])
    median = np.median(told.accuracy, axis=0)
    assert (median[load <= 0.5] == 1).all()
    assert (median[load == 1] > 0.95).all()
    assert (told.accuracy[:, load == 2] < 0.95).all()
    assert (told.accuracy[:, load == 4] < 0.85).all()


def test_the_measured_file_is_what_training_gives() -> None:
    run = list(memorise_bits(BitsExperiment(rank=1, samples=(64, 512))))[-1]
    assert isinstance(run, BitsRun)
    told = bits_evidence().accuracy[0, 0]
    np.testing.assert_allclose(run.accuracy[-1], [told[0], told[3]], atol=0.03)  # other threads, other rounding


def test_an_impossible_rank_is_refused() -> None:
    with pytest.raises(ExperimentError, match=r"rank=0 is not possible\. Valid values: 1 to 64"):
        BitsExperiment(rank=0)
