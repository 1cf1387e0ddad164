"""LoftQ: Algorithm 1 over NF4, with PEFT's low-rank step; PEFT's own loop needs CUDA and bitsandbytes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import LoraConfig
from peft.utils.loftq_utils import _low_rank_decomposition

from lora_viz.core.experiment import Experiment, ExperimentError, Sweep
from lora_viz.engine.training import train
from lora_viz.layer.quantise import loftq, nf4, quantised_pissa
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS
from tests.variants.oracle import gradients_equal_autograd, peft_layer, step_for_step, trainable


def by_pefts_loop(weight: np.ndarray, rank: int, rounds: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """peft.utils.loftq_utils.loftq_init, line for line, but for where it quantises."""
    W = torch.tensor(weight)
    res = W.clone()
    for i in range(rounds):
        dequantized = torch.tensor(nf4(res.numpy()))
        res = W - dequantized
        output = _low_rank_decomposition(res, reduced_rank=rank)
        if i + 1 < rounds:
            res = W - output["L"] @ output["R"]
    return dequantized.numpy(), output["R"].numpy(), output["L"].numpy()


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_as_pefts_loop(rounds: int) -> None:
    weight = np.random.default_rng(2).standard_normal((23, 31))
    ours, theirs = loftq(weight, 4, rounds), by_pefts_loop(weight, 4, rounds)
    np.testing.assert_allclose(ours[0], theirs[0], atol=1e-12)
    np.testing.assert_allclose(ours[2] @ ours[1], theirs[2] @ theirs[1], atol=1e-12)


def test_what_it_makes_up_for() -> None:
    """Gaussian W: both help a little, and alike. A decaying spectrum: quantised PiSSA helps far more."""
    rng = np.random.default_rng(0)
    gaussian = rng.standard_normal((128, 128))
    u, v = (np.linalg.qr(rng.standard_normal((128, 128)))[0] for _ in range(2))
    decaying = (u / np.arange(1, 129)) @ v.T

    def left(weight: np.ndarray, parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> float:
        quantised, A, B = parts
        return float(np.linalg.norm(weight - quantised - B @ A) / np.linalg.norm(weight))

    for weight in (gaussian, decaying):
        plain = np.linalg.norm(weight - nf4(weight)) / np.linalg.norm(weight)
        once, often = left(weight, loftq(weight, 16, 1)), left(weight, loftq(weight, 16, 5))
        assert often < once < plain
    assert left(gaussian, quantised_pissa(gaussian, 16)) > 0.9 * left(gaussian, loftq(gaussian, 16, 1))
    assert left(decaying, quantised_pissa(decaying, 16)) < 0.6 * left(decaying, loftq(decaying, 16, 5))


def test_as_peft_over_its_base(small: Experiment) -> None:
    e = replace(small, variant="loftq", alpha=3.0)  # s = 1: PEFT leaves s out of the split
    W = make_task(e).base_weight
    quantised, A, B = by_pefts_loop(W, 3, 5)
    layer = peft_layer(e, quantised, LoraConfig(r=3, lora_alpha=3, target_modules=["fc"]))
    assert trainable(layer) == VARIANTS["loftq"].parameters(e)
    p, _ = VARIANTS["loftq"].form.start(e, make_task(e))
    np.testing.assert_allclose(p["B"] @ p["A"], B @ A, atol=1e-12)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    a.data, b.data = torch.tensor(p["A"]), torch.tensor(p["B"])
    stored = torch.tensor(quantised - W)
    step_for_step(e, layer, torch.optim.Adam([a, b], lr=e.lr), delta=lambda: stored + layer.get_delta_weight("default"))


def test_s_is_taken_out_of_the_factors(small: Experiment) -> None:
    one, four = (VARIANTS["loftq"].form.start(replace(small, alpha=x), make_task(small))[0] for x in (3.0, 12.0))
    np.testing.assert_allclose(one["B"] @ one["A"], 4 * four["B"] @ four["A"], atol=1e-13)
    with pytest.raises(ExperimentError, match="alpha=0 is not possible with variant=loftq"):
        train(Sweep((replace(small, variant="loftq", alpha=0.0),)))


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="loftq"))
