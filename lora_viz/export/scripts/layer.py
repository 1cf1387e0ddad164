"""The script that repeats a run of the engine: one layer, its variant's own lines, its optimiser, in plain PyTorch."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Run
from lora_viz.engine.optim import DAMPING
from lora_viz.export.scripts.script import Script, filled, stated
from lora_viz.layer.tasks import batches
from lora_viz.layer.variants import VARIANTS

__all__ = ["ends_in_rounding", "layer_script"]

PRINTED = 11  # losses, at most
ROUNDING = 1e-12  # a loss below this share of the first is 0 but for rounding: two ways to sum it up agree no more
_LOW = f"# Below {ROUNDING:g} of the first loss, what is printed is rounding, here as there."


def layer_script(run: Run, adapter: int = 0) -> Script:
    """Plain PyTorch that trains this adapter again and prints its losses beside those measured here.

    It goes on to the last recorded step at which the loss was finite.
    """
    e = run.sweep[adapter]
    form = VARIANTS[e.variant].form
    p, fixed = form.start(e, run.task)
    lines = form.in_torch(e, fixed)
    known = {name: x for name, x in fixed.items() if re.search(rf"\b{name}\b", "\n".join(lines))}
    alive = np.flatnonzero(np.isfinite(run.loss[:, adapter]))
    shown = np.unique(alive[np.linspace(0, len(alive) - 1, PRINTED).round().astype(int)]) if len(alive) else alive
    tensors = {"W": run.task.base_weight, "X": run.task.inputs, "residual": run.task.residuals, **p, **known}
    order = {"order": batches(e)} if e.batch else {}
    text = filled(
        _FRAME,
        title=VARIANTS[e.variant].title,
        what=stated(e),
        names=", ".join(tensors),
        quoted=", ".join(f'"{name}"' for name in tensors),
        dtype=e.dtype,
        s=repr(e.scaling),
        trained=", ".join(f"{name}.requires_grad_()" for name in p),
        order='order = torch.tensor(data["order"])  # which samples each step sees' * bool(e.batch),
        seen="X[order[k]], T[order[k]]" if e.batch else "X, T",
        optimizer=_optimizer(e, form.sides),
        factor=_factor(e),
        layer=lines.layer,
        before=lines.before,
        refresh=lines.refresh,
        trains=f"(loss(x, t) + {lines.penalty})" if lines.penalty else "loss(x, t)",
        scaled=_SCALED * (e.optimizer == "scaled_gd"),
        after=lines.after,
    )
    losses = run.loss[shown, adapter]
    if ends_in_rounding(losses):
        text = text.replace('print("step ', f'{_LOW}\nprint("step ')
    measured = {"steps": run.steps[shown], "loss": losses}
    return Script(text, {**tensors, **order, **measured})


def ends_in_rounding(losses: Float[np.ndarray, "T"]) -> bool:
    """Whether one of these losses is 0 but for rounding, so that another way to sum it up prints another number."""
    fine = losses[np.isfinite(losses)]
    return len(fine) > 0 and bool(fine.min() < ROUNDING * fine.max())


def _factor(e: Experiment) -> str:
    """By what the learning rate is multiplied at update k."""
    then = f"max(0, {e.steps} - k) / {max(1, e.steps - e.warmup)}" if e.schedule == "linear" else "1.0"
    return f"k / {e.warmup} if k < {e.warmup} else {then}" if e.warmup else then


def _optimizer(e: Experiment, sides: Mapping[str, str]) -> str:
    """One group where all parameters have one learning rate, else one each; what is frozen has the rate 0."""
    rates = {"A": e.lr, "B": e.lr * e.lr_ratio} | ({e.frozen: 0.0} if e.frozen != "none" else {})
    own = {name: rates[side] for name, side in sides.items()}
    if len(set(own.values())) == 1:
        rest = f"[{', '.join(own)}], lr={next(iter(own.values()))!r}"
    else:
        rest = f"[{', '.join(f'dict(params=[{name}], lr={lr!r})' for name, lr in own.items())}]"
    kind = {"sgd": "SGD", "scaled_gd": "SGD", "adam": "Adam", "adamw": "AdamW"}[e.optimizer]
    return f"torch.optim.{kind}({rest}{f', weight_decay={e.weight_decay!r}' * (e.optimizer == 'adamw')})"


_SCALED = f"""
with torch.no_grad():  # scaled GD: each gradient over the other factor's Gram matrix
    I = {DAMPING!r} * torch.eye(len(A), dtype=A.dtype)
    A.grad, B.grad = torch.linalg.solve(B.T @ B + I, A.grad), torch.linalg.solve(A @ A.T + I, B.grad.T).T
"""

_FRAME = '''"""«title»: one layer trained in plain PyTorch. python train.py, beside its data.npz.

«what»
"""

import numpy as np
import torch

torch.set_num_threads(1)
with np.load("data.npz") as file:
    data = dict(file)
«names» = (
    torch.tensor(data[name], dtype=torch.«dtype») for name in («quoted»)
)
«order»
T = X @ W.T + residual  # what the layer shall answer
s = «s»  # the scale of B A
«trained»
«before»


def layer(x):
    «layer»


def loss(x, t):
    return 0.5 * ((layer(x) - t) ** 2).sum() / len(x)


optimizer = «optimizer»
schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: «factor»)
measured = dict(zip(data["steps"].tolist(), data["loss"].tolist()))
print("step      loss here              loss in the playground")
for k in range(max(measured) + 1):
    if k in measured:
        print(f"{k:<9d} {loss(X, T).item():<22.12g} {measured[k]:.12g}")
    x, t = «seen»
    «refresh»
    optimizer.zero_grad()
    «trains».backward()
    «scaled»
    optimizer.step()
    schedule.step()
    «after»
'''
