"""The LoRA layer: PEFT's semantics, and the initial factors."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_viz.core.experiment import Experiment, ExperimentError
from lora_viz.layer.lora import LoRALinear
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task


def layer(dtype: torch.dtype = torch.float64, **options: object) -> LoRALinear:
    torch.manual_seed(0)
    made = LoRALinear(nn.Linear(7, 5, dtype=dtype), rank=3, alpha=6.0, **options)  # type: ignore[arg-type]
    return made


def moved(made: LoRALinear) -> LoRALinear:
    with torch.no_grad():
        made.lora_B.normal_()
    return made


def test_step_0_is_the_base_layer_bit_for_bit() -> None:
    made, x = layer(), torch.randn(11, 7, dtype=torch.float64)
    assert torch.equal(made(x), made.base(x))
    assert torch.equal(made.delta_weight(), torch.zeros(5, 7, dtype=torch.float64))


def test_only_the_factors_train() -> None:
    assert {name for name, p in layer().named_parameters() if p.requires_grad} == {"lora_A", "lora_B"}


@pytest.mark.parametrize("use_rslora", [False, True])
def test_forward_equals_peft(use_rslora: bool) -> None:
    made = moved(layer(use_rslora=use_rslora))
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(7, 5, dtype=torch.float64))
    net.fc.load_state_dict(made.base.state_dict())
    peft = get_peft_model(net, LoraConfig(r=3, lora_alpha=6.0, target_modules=["fc"], use_rslora=use_rslora))
    theirs = peft.base_model.model.fc
    theirs.lora_A["default"].weight.data = made.lora_A.data.clone()
    theirs.lora_B["default"].weight.data = made.lora_B.data.clone()
    x = torch.randn(11, 7, dtype=torch.float64)
    torch.testing.assert_close(made(x), theirs(x), rtol=0, atol=1e-13)
    torch.testing.assert_close(made.delta_weight(), theirs.get_delta_weight("default"), rtol=0, atol=1e-13)
    made.merge()
    theirs.merge()
    torch.testing.assert_close(made.base.weight, theirs.base_layer.weight, rtol=0, atol=1e-13)


def test_inits_are_pefts() -> None:
    torch.manual_seed(0)
    big = LoRALinear(nn.Linear(512, 8), rank=8, alpha=8.0)
    assert big.lora_A.abs().max() <= 512**-0.5
    assert big.lora_A.var().item() == pytest.approx(1 / (3 * 512), rel=0.05)
    gaussian = LoRALinear(nn.Linear(512, 8), rank=8, alpha=8.0, init="gaussian")
    assert gaussian.lora_A.std().item() == pytest.approx(1 / 8, rel=0.05)


def test_merge_twice_is_once_and_unmerge_returns() -> None:
    made, x = moved(layer()), torch.randn(11, 7, dtype=torch.float64)
    before, y = made.base.weight.clone(), made(x)
    made.merge()
    once = made.base.weight.clone()
    made.merge()
    assert torch.equal(made.base.weight, once)
    torch.testing.assert_close(made(x), y, rtol=0, atol=1e-13)
    made.unmerge()
    torch.testing.assert_close(made.base.weight.data, before, rtol=0, atol=1e-13)
    assert not made.merged


def test_merge_refuses_what_is_not_finite() -> None:
    made = moved(layer())
    before = made.base.weight.clone()
    with torch.no_grad():
        made.lora_B[2, 1] = float("nan")
    with pytest.raises(ExperimentError, match="not finite"):
        made.merge()
    assert torch.equal(made.base.weight, before)


def test_dropout_acts_in_training_only() -> None:
    made, x = moved(layer(dropout=0.5)), torch.randn(11, 7, dtype=torch.float64)
    assert not torch.equal(made(x), made(x))
    made.eval()
    assert torch.equal(made(x), made(x))


def test_half_precision_product_is_formed_in_float32() -> None:
    made = moved(layer(torch.bfloat16))
    expected = (made.lora_B.float() @ made.lora_A.float() * made.scaling).bfloat16()
    assert torch.equal(made.delta_weight(), expected)


@pytest.mark.parametrize("rank", [0, 6])
def test_bad_rank(rank: int) -> None:
    with pytest.raises(ExperimentError, match=f"rank={rank} is not possible: a layer of 5×7 allows 1 to 5"):
        LoRALinear(nn.Linear(7, 5), rank=rank, alpha=1.0)


def test_from_experiment(small: Experiment) -> None:
    made = LoRALinear.from_experiment(replace(small, scaling_rule="constant"), make_task(small).base_weight)
    assert made.scaling == small.alpha
    np.testing.assert_array_equal(made.lora_A.detach().numpy(), initial_factors(small)[0])
