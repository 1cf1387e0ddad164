"""GaLore, which PEFT does not have: its published step, written out; and a rank that no r bounds."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants.galore import REFRESH
from tests.variants.oracle import gradients_equal_autograd, trained


@pytest.mark.parametrize("shape", [(7, 5), (5, 7), (5, 5)])
def test_as_published(small: Experiment, shape: tuple[int, int]) -> None:
    """Adam on the projected gradient, projected back, its moments kept when the projection changes."""
    d_in, d_out = shape
    e = replace(small, variant="galore", rank=2, d_in=d_in, d_out=d_out, steps=2 * REFRESH + 7)
    run, task = trained(e), make_task(e)
    W = np.zeros((d_out, d_in))
    first: np.ndarray | float = 0.0
    second: np.ndarray | float = 0.0
    P = np.zeros(0)
    for k in range(e.steps + 1):
        np.testing.assert_allclose(run.delta_weight()[k], W, atol=1e-9, err_msg=f"step {k}")
        G = W @ task.input_covariance - task.cross_covariance
        right = d_out >= d_in
        if k % REFRESH == 0:
            u, _, vt = np.linalg.svd(G, full_matrices=False)
            P = vt[:2].T if right else u[:, :2]
            P = P * np.sign(P[np.abs(P).argmax(axis=0), [0, 1]])  # the SVD leaves signs open
        low = G @ P if right else P.T @ G
        first, second = 0.9 * first + 0.1 * low, 0.999 * second + 0.001 * low**2
        step = (first / (1 - 0.9 ** (k + 1))) / (np.sqrt(second / (1 - 0.999 ** (k + 1))) + 1e-8)
        W = W - e.lr * (step @ P.T if right else P @ step)


def test_its_rank_grows_with_every_refresh(small: Experiment) -> None:
    run = trained(replace(small, variant="galore", rank=1, target_rank=5, noise=0.0, steps=4 * REFRESH - 1))
    ranks = [np.linalg.matrix_rank(run.delta_weight()[k], tol=1e-9) for k in (0, REFRESH - 1, 2 * REFRESH - 1)]
    assert ranks == [0, 1, 2]
    assert np.linalg.matrix_rank(run.delta_weight()[-1], tol=1e-9) > 2
    assert run.A[0].shape[1] == 0, "there is no adapter"


@pytest.mark.parametrize("shape", [(7, 5), (5, 7)])
def test_gradients(small: Experiment, shape: tuple[int, int]) -> None:
    gradients_equal_autograd(replace(small, variant="galore", d_in=shape[0], d_out=shape[1]))
