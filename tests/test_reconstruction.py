"""The autoencoder's task: samples as their own labels, trained by the same engine."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.factored import FactoredMatrix
from lora_viz.engine.training import losses, train
from lora_viz.layer.reconstruction import principal_axes, reconstruction_task
from lora_viz.layer.tasks import make_task

E = Experiment(
    d_in=7,
    d_out=7,
    rank=2,
    target_rank=2,
    alpha=1.0,
    scaling_rule="constant",
    init="both_random",
    optimizer="sgd",
    lr=0.05,
    steps=23,
    samples=53,
)


@pytest.mark.parametrize("offset", [0.0, 2.0])
def test_the_engine_trains_an_autoencoder(offset: float) -> None:
    """Step for step what autograd and torch's SGD make of decoder, encoder and ½ mean squared reconstruction error."""
    task = reconstruction_task(E, offset)
    run = train(Sweep((E,)), task=task)
    x = torch.tensor(task.inputs)
    encoder, decoder = (torch.tensor(f[0][0], requires_grad=True) for f in (run.A, run.B))
    optimizer = torch.optim.SGD([encoder, decoder], lr=E.lr)
    for t in range(E.steps + 1):
        loss = 0.5 * ((x @ encoder.T @ decoder.T - x) ** 2).sum() / len(x)
        assert run.loss[t, 0] == pytest.approx(loss.item(), rel=1e-10)
        np.testing.assert_allclose(run.A[0][t], encoder.detach().numpy(), atol=1e-12)
        np.testing.assert_allclose(run.B[0][t], decoder.detach().numpy(), atol=1e-12)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_the_least_loss_is_the_tail_of_the_second_moments() -> None:
    task = reconstruction_task(E, 2.0)
    values, vectors = np.linalg.eigh(task.inputs.T @ task.inputs / 53)
    best = vectors[:, -2:]
    (least,) = losses(task, FactoredMatrix(best.T[None], best[None], 1.0))
    assert least == pytest.approx(0.5 * values[:-2].sum(), rel=1e-12)


def test_the_mean_is_the_offset() -> None:
    centred, off = reconstruction_task(E, 0.0), reconstruction_task(E, 2.0)
    assert np.abs(centred.inputs.mean(axis=0)).max() < 1e-13
    assert np.linalg.norm(off.inputs.mean(axis=0)) == pytest.approx(2)
    np.testing.assert_allclose(np.ptp(off.inputs - centred.inputs, axis=0), 0, atol=1e-13)


def test_principal_axes_agree_with_the_covariance() -> None:
    x = reconstruction_task(E, 2.0).inputs
    axes, deviations = principal_axes(x)
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False, bias=True))
    np.testing.assert_allclose(deviations**2, values[::-1], atol=1e-12)
    np.testing.assert_allclose(np.abs(np.sum(axes * vectors[:, ::-1], axis=0)), 1, atol=1e-10)


def test_without_another_task_a_sweep_learns_its_own() -> None:
    e = replace(E, steps=5)
    own, given = train(Sweep((e,))), train(Sweep((e,)), task=make_task(e))
    np.testing.assert_array_equal(own.loss, given.loss)
    assert train(Sweep((e,)), task=reconstruction_task(e, 0.0)).loss[0] != own.loss[0]
