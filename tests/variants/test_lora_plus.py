"""LoRA+ against PEFT's create_loraplus_optimizer."""

from dataclasses import replace

import torch
from peft import LoraConfig, PeftModel
from peft.optimizers import create_loraplus_optimizer
from torch import nn

from lora_viz.core.experiment import Experiment
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS
from tests.variants.oracle import fields_of, gradients_equal_autograd, step_for_step, trainable


def test_as_peft(small: Experiment) -> None:
    e = replace(small, variant="lora_plus", lr=0.004)
    ratio = fields_of(e).lr_ratio
    assert ratio == 16
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(e.d_in, e.d_out, bias=False, dtype=torch.float64))
    net.fc.weight.data = torch.tensor(make_task(e).base_weight)
    model = PeftModel(net, LoraConfig(r=3, lora_alpha=6, target_modules=["fc"]))
    layer = model.base_model.model.fc
    assert trainable(layer) == VARIANTS["lora_plus"].parameters(e)
    layer.lora_A["default"].weight.data, layer.lora_B["default"].weight.data = (
        torch.tensor(x) for x in initial_factors(e)
    )
    optimizer = create_loraplus_optimizer(model, torch.optim.Adam, lr=e.lr, loraplus_lr_ratio=ratio)
    step_for_step(e, layer, optimizer, delta=lambda: layer.get_delta_weight("default"))


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="lora_plus"))
