"""What every variant is held against: autograd, and PEFT's layer under torch.optim."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from peft import PeftConfig, get_peft_model
from torch import Tensor, nn

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.layer.parametrisation import State
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS, resolved

Delta = Callable[[State, State, Tensor], Tensor]


def trained(e: Experiment) -> Run:
    return train(Sweep((e,)), records=1000)


def fields_of(e: Experiment) -> Experiment:
    """The experiment with its variant's own fields set."""
    return resolved(Sweep((e,)))[0]


def stack_of_three(e: Experiment) -> tuple[State, State, Tensor]:
    """Parameters away from the start, fixed tensors and s of three adapters."""
    form, own = VARIANTS[e.variant].form, fields_of(e)
    p, fixed = form.start(own, make_task(own))
    rng = np.random.default_rng(7)
    moved = {name: torch.tensor(x + 0.3 * rng.standard_normal((3, *x.shape))) for name, x in p.items()}
    fixed3 = {name: torch.tensor(np.stack([x] * 3)) for name, x in fixed.items()}
    for name in form.moving:
        fixed3[name] += torch.tensor(rng.standard_normal(fixed3[name].shape))
    return moved, fixed3, torch.full((3, 1, 1), own.scaling, dtype=torch.float64)


def gradients_equal_autograd(e: Experiment, delta: Delta | None = None) -> None:
    """The loss on the samples, through ``delta`` (or the variant's own), by autograd; the closed form to 1e-12."""
    form, task = VARIANTS[e.variant].form, make_task(e)
    p, fixed, s = stack_of_three(e)
    x, r = torch.tensor(task.inputs), torch.tensor(task.residuals)
    leaves = {name: value.clone().requires_grad_() for name, value in p.items()}
    wrong = x @ (delta or form.delta)(leaves, fixed, s).mT - r
    (0.5 * (wrong**2).sum() / len(x) + torch.as_tensor(form.penalty(leaves)).sum()).backward()
    G = form.delta(p, fixed, s) @ torch.tensor(task.input_covariance) - torch.tensor(task.cross_covariance)
    by_formula = form.gradients(p, fixed, s, G)
    assert set(by_formula) == set(form.sides) == set(p)
    for name, leaf in leaves.items():
        assert leaf.grad is not None
        size = leaf.grad.abs().max().item()
        assert size > 1e-3
        torch.testing.assert_close(by_formula[name], leaf.grad, rtol=0, atol=1e-12 * max(1.0, size))


def peft_layer(e: Experiment, weight: np.ndarray, config: PeftConfig) -> nn.Module:
    """PEFT's layer around this weight, in float64."""
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(e.d_in, e.d_out, bias=False, dtype=torch.float64))
    net.fc.weight.data = torch.tensor(weight)
    return get_peft_model(net, config).base_model.model.fc


def trainable(layer: nn.Module) -> int:
    return sum(p.numel() for p in layer.parameters() if p.requires_grad)


def step_for_step(
    e: Experiment,
    layer: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    delta: Callable[[], Tensor],
    penalty: Callable[[], Tensor | float] = lambda: 0.0,
    after_step: Callable[[int], None] = lambda k: None,
    steps: Sequence[int] | None = None,
) -> None:
    """Our run of ``e`` against this layer under this optimiser: loss and ΔW at every step, to 1e-9."""
    task, run = make_task(e), trained(e)
    x = torch.tensor(task.inputs)
    W = torch.tensor(task.base_weight)
    targets = x @ W.T + torch.tensor(task.residuals)
    for k in range(e.steps + 1):
        loss = 0.5 * ((layer(x) - targets) ** 2).sum() / e.samples
        assert abs(run.loss[k, 0] - loss.item()) < 1e-9, k
        if steps is None or k in steps:
            np.testing.assert_allclose(run.delta_weight()[k], delta().detach().numpy(), atol=1e-9, err_msg=f"step {k}")
        optimizer.zero_grad()
        (loss + penalty()).backward()
        optimizer.step()
        after_step(k)
    assert run.loss[-1, 0] < 0.9 * run.loss[0, 0], "something was learnt"
