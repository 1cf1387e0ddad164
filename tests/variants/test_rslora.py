"""rsLoRA against PEFT's use_rslora."""

from dataclasses import replace

import torch
from peft import LoraConfig

from lora_viz.core.experiment import Experiment
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS
from tests.variants.oracle import fields_of, gradients_equal_autograd, peft_layer, step_for_step, trainable


def test_as_peft(small: Experiment) -> None:
    e = replace(small, variant="rslora")
    layer = peft_layer(
        e, make_task(e).base_weight, LoraConfig(r=3, lora_alpha=6, target_modules=["fc"], use_rslora=True)
    )
    assert layer.scaling["default"] == fields_of(e).scaling == 6 / 3**0.5
    assert trainable(layer) == VARIANTS["rslora"].parameters(e)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    a.data, b.data = (torch.tensor(x) for x in initial_factors(e))
    step_for_step(e, layer, torch.optim.Adam([a, b], lr=e.lr), delta=lambda: layer.get_delta_weight("default"))


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="rslora"))
