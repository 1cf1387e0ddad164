"""What would the same experiment cost in the usual way? PEFT, autograd, torch.optim.Adam, one adapter at a time."""

from __future__ import annotations

import warnings
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from lora_viz.core.experiment import Experiment
from lora_viz.core.factored import FactoredMatrix
from lora_viz.engine.training import losses
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from peft import LoraConfig, get_peft_model


class Trained(NamedTuple):
    """One adapter's end and its price: seconds with building the model, and seconds of the training steps alone."""

    loss: float
    seconds: float
    seconds_of_steps: float


def train_with_peft(e: Experiment) -> Trained:
    """Train one experiment: full batch, Adam, constant or linearly decaying learning rate, no warm-up, no history."""
    task, dtype = make_task(e), getattr(torch, e.dtype)
    x = torch.tensor(task.inputs, dtype=dtype)
    targets = torch.tensor(task.inputs @ task.base_weight.T + task.residuals, dtype=dtype)
    base = torch.tensor(task.base_weight, dtype=dtype)
    start = [torch.from_numpy(factor).to(dtype) for factor in initial_factors(e)]

    began = perf_counter()
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(e.d_in, e.d_out, bias=False, dtype=dtype))
    net.fc.weight.data = base
    model = get_peft_model(net, LoraConfig(r=e.rank, lora_alpha=e.alpha, target_modules=["fc"]))
    layer = model.base_model.model.fc
    factors = [layer.lora_A["default"].weight, layer.lora_B["default"].weight]
    for factor, value in zip(factors, start, strict=True):
        factor.data = value
    optimizer = torch.optim.Adam(factors, lr=e.lr)
    decay = (lambda k: max(0.0, 1 - k / e.steps)) if e.schedule == "linear" else (lambda k: 1.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, decay)
    built = perf_counter()
    for _ in range(e.steps):
        optimizer.zero_grad()
        loss = 0.5 * ((model(x) - targets) ** 2).sum() / e.samples
        loss.backward()
        optimizer.step()
        scheduler.step()
    ended = perf_counter()

    a, b = (factor.detach().numpy().astype(np.float64)[None] for factor in factors)
    return Trained(float(losses(task, FactoredMatrix(a, b, e.scaling))[0]), ended - began, ended - built)
