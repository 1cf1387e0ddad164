"""DoRA against PEFT's use_dora, step for step, with the same detached norms; and against what the full gradient is."""

from dataclasses import replace

import numpy as np
import torch
from peft import LoraConfig
from torch import Tensor

from lora_viz.core.experiment import Experiment
from lora_viz.layer.parametrisation import State
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS
from tests.variants.oracle import (
    gradients_equal_autograd,
    peft_layer,
    stack_of_three,
    step_for_step,
    trainable,
    trained,
)


def with_detached_norm(p: State, fixed: State, s: Tensor) -> Tensor:
    V = fixed["base"] + s * (p["B"] @ p["A"])
    return p["magnitude"][..., None] * V / V.norm(dim=-1, keepdim=True).detach() - fixed["original"]


def test_gradients_with_the_norm_held_fixed(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="dora"), with_detached_norm)


def test_the_full_gradient_is_orthogonal_to_each_row(small: Experiment) -> None:
    """What holding the norm fixed leaves out is exactly the part along V."""
    p, fixed, s = stack_of_three(replace(small, variant="dora"))
    V = (fixed["base"] + s * (p["B"] @ p["A"])).requires_grad_()
    G = torch.randn(V.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (G * p["magnitude"][..., None] * V / V.norm(dim=-1, keepdim=True)).sum().backward()
    assert V.grad is not None
    n = V.detach().norm(dim=-1, keepdim=True)
    v = V.detach() / n
    closed = p["magnitude"][..., None] / n * (G - (G * v).sum(-1, keepdim=True) * v)
    torch.testing.assert_close(V.grad, closed, rtol=0, atol=1e-13)
    assert (V.grad * v).sum(-1).abs().max() < 1e-13


def test_as_peft(small: Experiment) -> None:
    e = replace(small, variant="dora")
    W = torch.tensor(make_task(e).base_weight)
    layer = peft_layer(e, W.numpy(), LoraConfig(r=3, lora_alpha=6, target_modules=["fc"], use_dora=True))
    assert trainable(layer) == VARIANTS["dora"].parameters(e)
    a, b, m = (
        layer.lora_A["default"].weight,
        layer.lora_B["default"].weight,
        layer.lora_magnitude_vector["default"].weight,
    )
    a.data, b.data = (torch.tensor(x) for x in initial_factors(e))
    np.testing.assert_allclose(m.detach().numpy(), np.linalg.norm(W, axis=1), rtol=1e-13)

    def delta() -> Tensor:
        V = W + 2.0 * b @ a
        return m[:, None] * V / V.norm(dim=1, keepdim=True) - W

    step_for_step(e, layer, torch.optim.Adam([a, b, m], lr=e.lr), delta=delta)


def test_the_magnitude_is_recorded_and_the_update_has_full_rank(small: Experiment) -> None:
    run = trained(replace(small, variant="dora", rank=1))
    weight = run.task.base_weight + run.delta_weight()
    np.testing.assert_allclose(np.linalg.norm(weight, axis=2), np.abs(run.parameters[0]["magnitude"]), rtol=1e-12)
    assert np.linalg.matrix_rank(run.delta_weight()[-1]) == 5
