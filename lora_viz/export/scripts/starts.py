"""Scripts that measure starts again: sizes of A and of B A, and the first update, in NumPy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import FirstUpdates, StartSizes
from lora_viz.export.scripts.script import Script, filled, stated
from lora_viz.layer.start_sizes import both_random
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import make_task

__all__ = ["first_update_script", "start_sizes_script"]


def first_update_script(found: FirstUpdates, e: Experiment, init: str, rule: str) -> Script:
    """The first update at every rank, of the experiment's optimiser, from this start's first draw."""
    task, sgd = make_task(e), e.optimizer == "sgd"
    at = found.optimizers.index(e.optimizer), found.inits.index(init), found.rules.index(rule)
    own = [replace(e, init=init, rank=int(rank), scaling_rule=rule) for rank in found.ranks]
    arrays = {
        "X": task.inputs,
        "residual": task.residuals,
        "ranks": found.ranks,
        "s": np.array([x.scaling for x in own]),
        "A": np.concatenate([initial_factors(x, task)[0] for x in own]),
        "progress": found.progress[at][:, 0],
        "size": found.size[at][:, 0],
    }
    step = "G_B" if sgd else "np.sign(G_B)  # Adam, with ε = 0"
    text = filled(_FIRST, what=stated(own[0]), lr=repr(e.lr), step=step, rule=rule)
    return Script(text, arrays)


def start_sizes_script(sizes: StartSizes, e: Experiment, init: str) -> Script:
    """A's variance and what it passes on, and the entries of B A, at every rank, for the first draw."""
    task, i = make_task(e), sizes.inits.index(init)
    own = [replace(e, init=init, rank=int(rank)) for rank in sizes.ranks]
    both = [initial_factors(replace(both_random(e, sizes.sigma), rank=int(rank)), task) for rank in sizes.ranks]
    arrays = {
        "X": task.inputs,
        "ranks": sizes.ranks,
        "A": np.concatenate([initial_factors(x, task)[0] for x in own]),
        "both_A": np.concatenate([a for a, _ in both]),
        "both_B": np.concatenate([b.T for _, b in both]),
        "variance": sizes.variance[i, :, 0],
        "output": sizes.output[i, :, 0],
        "rms": sizes.rms[:, 0],
    }
    return Script(filled(_SIZES, what=stated(own[0]), init=init, sigma=f"{sizes.sigma:g}"), arrays)


_FIRST = '''"""The first update of a LoRA layer that starts at B = 0, by rank. python train.py, beside its data.npz.

«what»
"""

import numpy as np

with np.load("data.npz") as file:
    data = dict(file)
X, residual = data["X"], data["residual"]
G = -residual.T @ X / len(X)  # the gradient of the weight where ΔW = 0
starts = np.split(data["A"], np.cumsum(data["ranks"])[:-1])  # each rank's A
print("rank   progress here and in the playground   size here and in the playground")
for i, (A, s) in enumerate(zip(starts, data["s"])):
    G_B = s * G @ A.T
    B = -«lr» * «step»
    update = s * B @ A
    progress = -np.sum(update * G) / np.linalg.norm(G)  # the part that lowers the loss
    size = np.linalg.norm(update)
    print(f"{len(A):<6d} {progress:<16.10g} {data['progress'][i]:<20.10g} {size:<14.10g} {data['size'][i]:.10g}")
'''

_SIZES = '''"""How large LoRA's factors start, by rank. python train.py, beside its data.npz.

A as «init» draws it, and the product of two random factors with entries of standard deviation «sigma».
«what»
"""

import numpy as np

with np.load("data.npz") as file:
    data = dict(file)
X, cuts = data["X"], np.cumsum(data["ranks"])[:-1]
print("rank   Var(A)   E|Ax|²/E|x|²   root mean square of (BA)_ij, each here and in the playground")
for i, (A, C, D) in enumerate(zip(*(np.split(data[name], cuts) for name in ("A", "both_A", "both_B")))):
    found = {
        "variance": np.mean(A**2),
        "output": np.sum((X @ A.T) ** 2) / np.sum(X**2),
        "rms": np.sqrt(np.mean((D.T @ C) ** 2)),
    }
    print(f"{len(A):<6d}", *(f"{here:<12.8g} {data[name][i]:<14.8g}" for name, here in found.items()))
'''
