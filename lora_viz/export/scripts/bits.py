"""The script that learns random labels by heart again: one adapter on a frozen random network, in plain PyTorch."""

from __future__ import annotations

from lora_viz.export.scripts.script import Script, filled
from lora_viz.networks.bits import BitsRun
from lora_viz.networks.memorise import Memoriser

__all__ = ["bits_script"]


def bits_script(run: BitsRun, n: int) -> Script:
    """The training on n labels: the share that is read right, beside the share measured here."""
    e = run.experiment
    net = Memoriser(e, n)
    tensors = {
        "first": net.first, "middle": net.middle, "last": net.last, "x": net.inputs, "y": net.labels, "A": net.A
    }  # fmt: skip
    text = filled(
        _FRAME,
        what=f"rank={e.rank}, width={e.width}, inputs={e.inputs}, samples={n}, lr={e.lr!r}, steps={e.steps}, "
        f"seed={e.seed}",
        rank=str(e.rank),
        lr=repr(e.lr),
        steps=str(e.steps),
    )
    measured = {"steps": run.steps, "accuracy": run.accuracy[:, e.samples.index(n)]}
    return Script(text, {**{name: x.numpy().copy() for name, x in tensors.items()}, **measured})


_FRAME = '''"""Random labels learnt by heart by LoRA on a frozen random network. python train.py, beside its data.npz.

«what»
"""

import math

import numpy as np
import torch

torch.set_num_threads(1)
with np.load("data.npz") as file:
    data = dict(file)
first, middle, last, x, y, A = (torch.tensor(data[name]) for name in ("first", "middle", "last", "x", "y", "A"))
B = torch.zeros(len(middle), «rank»)
hidden = (first @ x.T).relu()  # a column for every sample
before = middle @ hidden


def answers():
    return (last.T @ (before + B @ (A @ hidden)).relu())[0]


def gradients():
    """Of the mean of ln(1 + exp(-y z)), by the chain rule. In float32 rounding grows over hundreds of steps:
    for the same numbers every sum is taken in the playground's order, which autograd's is not."""
    down = A @ hidden
    z = before + B @ down
    slope = -y * torch.sigmoid(-y * (last.T @ z.relu())[0]) / len(y)
    dz = last * slope * (z > 0)
    return (B.T @ dz) @ hidden.T, dz @ down.T


optimizer = torch.optim.AdamW([A, B], lr=«lr», weight_decay=0.0, fused=True)
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 0.5 * (1 + math.cos(math.pi * k / «steps»)))
measured = dict(zip(data["steps"].tolist(), data["accuracy"].tolist()))
print("step      right here             right in the playground")
for k in range(«steps» + 1):
    if k in measured:
        print(f"{k:<9d} {(answers().sign() == y).double().mean().item():<22.12g} {measured[k]:.12g}")
    A.grad, B.grad = gradients()
    optimizer.step()
    schedule.step()
'''
