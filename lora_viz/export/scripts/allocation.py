"""The script that prunes four layers under one budget again: AdaLoRA in plain PyTorch, the layers as one batch."""

from __future__ import annotations

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Allocation
from lora_viz.engine.allocation import INITIAL, members_of
from lora_viz.export.scripts.script import Script, filled, stated
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants.adalora import PrunedTriplets

__all__ = ["allocation_script"]


def allocation_script(run: Allocation, experiment: Experiment, budget: int, model: int) -> Script:
    """One set of layers: each layer's error, and in the end its triplets, beside those measured here."""
    own = members_of(experiment, model)
    tasks = [make_task(e) for e in own]
    form = PrunedTriplets(layers=len(own), initial=INITIAL, total=budget)
    starts = [form.start(e, task) for e, task in zip(own, tasks, strict=True)]
    lines = form.in_torch(own[0], starts[0][1])
    every = max(1, len(run.steps) // 10)
    shown = sorted({*range(0, len(run.steps), every), len(run.steps) - 1})
    arrays = {
        "W": np.stack([task.base_weight for task in tasks]),
        "M": np.stack([task.target_delta for task in tasks]),
        "X": np.stack([task.inputs for task in tasks]),
        "residual": np.stack([task.residuals for task in tasks]),
        **{name: np.stack([p[name] for p, _ in starts]) for name in ("A", "E", "B")},
    }
    text = filled(
        _FRAME,
        what=stated(own[0]),
        budget=str(budget),
        ranks=", ".join(map(str, run.true_ranks)),
        lr=repr(experiment.lr),
        steps=str(experiment.steps),
        layer=lines.layer,
        before=lines.before,
        penalty=lines.penalty,
        after=lines.after,
    )
    return Script(text, {**arrays, "steps": run.steps[shown], "left": run.left[model, shown]})


_FRAME = '''"""AdaLoRA: four layers under one budget of «budget» triplets. python train.py, beside its data.npz.

Their targets have ranks «ranks». Of the first layer:
«what»
"""

import numpy as np
import torch

torch.set_num_threads(1)
with np.load("data.npz") as file:
    data = dict(file)
W, M, X, residual, A, E, B = (  # the first axis of each runs over the layers
    torch.tensor(data[name]) for name in ("W", "M", "X", "residual", "A", "E", "B")
)
T = X @ W.mT + residual  # what the layers shall answer
A.requires_grad_(), E.requires_grad_(), B.requires_grad_()
«before»


def layer(x):
    «layer»


def left():  # of each layer's answer, relative
    wanted = X @ M.mT
    return (((layer(X) - X @ W.mT - wanted) ** 2).sum((1, 2)) / (wanted**2).sum((1, 2))).tolist()


optimizer = torch.optim.Adam([A, E, B], lr=«lr»)
measured = dict(zip(data["steps"].tolist(), data["left"].tolist()))
print("step    error left, layer by layer, each here and in the playground")
for k in range(«steps» + 1):
    if k in measured:
        print(f"{k:<7d}", *(f"{here:<10.6g} {there:<12.6g}" for here, there in zip(left(), measured[k])))
    if k == «steps»:
        break
    optimizer.zero_grad()
    loss = 0.5 * ((layer(X) - T) ** 2).sum() / X.shape[1]
    (loss + «penalty»).backward()
    optimizer.step()
    «after»
'''
