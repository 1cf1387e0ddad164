"""LoRA-FA: PEFT with a frozen A; and what PEFT's own optimiser for it does otherwise."""

from dataclasses import replace

import numpy as np
import torch
from peft import LoraConfig, PeftModel
from peft.optimizers import create_lorafa_optimizer
from torch import nn

from lora_viz.core.experiment import Experiment
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS
from tests.variants.oracle import gradients_equal_autograd, peft_layer, step_for_step, trainable, trained


def test_as_peft_with_a_frozen_a(small: Experiment) -> None:
    e = replace(small, variant="lora_fa")
    layer = peft_layer(e, make_task(e).base_weight, LoraConfig(r=3, lora_alpha=6, target_modules=["fc"]))
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    a.data, b.data = (torch.tensor(x) for x in initial_factors(e))
    a.requires_grad_(False)
    assert trainable(layer) == VARIANTS["lora_fa"].parameters(e)
    step_for_step(e, layer, torch.optim.Adam([b], lr=e.lr), delta=lambda: layer.get_delta_weight("default"))


def test_the_update_stays_in_the_rows_of_a(small: Experiment) -> None:
    run = trained(replace(small, variant="lora_fa"))
    q = np.linalg.qr(run.A[0][0].T)[0]
    delta = run.delta_weight()[-1]
    np.testing.assert_allclose(delta @ q @ q.T, delta, atol=1e-13)


def test_pefts_optimiser_projects_the_gradient_of_b(small: Experiment) -> None:
    """It steps along ∇B (AAᵀ)⁻¹/s²: Adam's first step is the sign of that, where ours is the sign of ∇B."""
    e = replace(small, variant="lora_fa", steps=1)
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(e.d_in, e.d_out, bias=False))
    net.fc.weight.data = torch.tensor(make_task(e).base_weight, dtype=torch.float32)
    model = PeftModel(net, LoraConfig(r=3, lora_alpha=6, target_modules=["fc"]))
    layer = model.base_model.model.fc
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    a.data, b.data = (torch.tensor(x, dtype=torch.float32) for x in initial_factors(e))
    optimizer = create_lorafa_optimizer(model, r=3, lora_alpha=6, lr=e.lr)
    x, r = (torch.tensor(v, dtype=torch.float32) for v in (make_task(e).inputs, make_task(e).residuals))
    (0.5 * ((layer(x) - x @ net.fc.base_layer.weight.T - r) ** 2).sum() / len(x)).backward()
    assert b.grad is not None and a.grad is None
    plain = b.grad.clone().double()
    optimizer.step()
    projected = plain @ torch.linalg.inv(a.double() @ a.double().T) / 4
    run = trained(e)
    np.testing.assert_array_equal(np.sign(run.B[0][1]), -np.sign(plain.numpy()))
    np.testing.assert_array_equal(np.sign(b.detach().numpy()), -np.sign(projected.numpy()))
    assert (np.sign(plain.numpy()) != np.sign(projected.numpy())).any()


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="lora_fa"))
