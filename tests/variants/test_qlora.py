"""QLoRA: NF4 is bitsandbytes', and training is PEFT's LoRA over that base."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig

from lora_viz.core.experiment import Experiment
from lora_viz.layer.quantise import BLOCK, NF4, nf4, quantised_pissa
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS
from tests.variants.oracle import gradients_equal_autograd, peft_layer, step_for_step, trainable, trained

REFERENCE = json.loads((Path(__file__).parent / "nf4_by_bitsandbytes.json").read_text())


def test_nf4_is_bitsandbytes() -> None:
    weight = np.array(REFERENCE["weight"])
    assert weight.size == 2 * BLOCK + 1, "two blocks and a short one"
    np.testing.assert_allclose(nf4(weight), np.array(REFERENCE["nf4"]), atol=1e-6)


def test_nf4_is_quantiles_of_a_normal_distribution() -> None:
    """The published rule: 8 steps below and 9 above, from the quantile 0.9677083 inward, scaled to 1."""
    normal = torch.distributions.Normal(0.0, torch.tensor(1.0, dtype=torch.float64))
    offset = 0.9677083
    up = normal.icdf(torch.linspace(offset, 0.5, 9, dtype=torch.float64)[:-1])
    down = -normal.icdf(torch.linspace(offset, 0.5, 8, dtype=torch.float64)[:-1])
    levels = torch.cat([up, down, torch.zeros(1, dtype=torch.float64)]).sort().values
    np.testing.assert_allclose(NF4, levels / levels.max(), atol=1e-7)
    assert (NF4 == 0).sum() == 1 and (NF4 > 0).sum() == 8


def test_nf4_snaps_each_block_to_its_own_sixteen_levels() -> None:
    weight = np.random.default_rng(1).standard_normal((13, 11))
    stored = nf4(weight)
    for start in range(0, weight.size, BLOCK):
        block, kept = weight.ravel()[start : start + BLOCK], stored.ravel()[start : start + BLOCK]
        scale = np.abs(block).max()
        distance = np.abs(block[:, None] / scale - NF4)
        np.testing.assert_allclose(kept, scale * NF4[distance.argmin(axis=1)], atol=1e-13)
    np.testing.assert_allclose(nf4(stored), stored, atol=1e-13)
    assert not nf4(np.zeros((2, 3))).any()


@pytest.mark.parametrize(("block", "error"), [(64, 0.0920), (1024, 0.1045)])
def test_nf4s_error_on_gaussian_weights(block: int, error: float) -> None:
    weight = np.random.default_rng(0).standard_normal((256, 256))
    assert np.linalg.norm(nf4(weight, block) - weight) / 256 == pytest.approx(error, rel=0.02)


def test_as_peft_over_the_stored_base(small: Experiment) -> None:
    e = replace(small, variant="qlora")
    W = make_task(e).base_weight
    layer = peft_layer(e, nf4(W), LoraConfig(r=3, lora_alpha=6, target_modules=["fc"]))
    assert trainable(layer) == VARIANTS["qlora"].parameters(e)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    a.data, b.data = (torch.tensor(x) for x in initial_factors(e))
    stored = torch.tensor(nf4(W) - W)
    step_for_step(e, layer, torch.optim.Adam([a, b], lr=e.lr), delta=lambda: stored + layer.get_delta_weight("default"))


def test_over_pissa_it_is_quantised_pissa(small: Experiment) -> None:
    run = trained(replace(small, variant="qlora", init="pissa", steps=0))
    quantised, A, B = quantised_pissa(run.task.base_weight, 3)
    np.testing.assert_allclose(run.task.base_weight + run.delta_weight()[0], quantised + B @ A, atol=1e-13)


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="qlora"))
