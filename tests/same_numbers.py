"""The numbers of one experiment, written by a process of its own: ``python -m tests.same_numbers OUT``.

Its environment says which instructions its libraries may use and how many threads.
"""

import sys

import numpy as np
import torch

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.spectra import least_squares
from lora_viz.engine.training import train

__all__ = ["SWEEP", "numbers"]

# Prime sizes, float64, SGD below its stability limit, inputs of condition 10.
SWEEP = Sweep.over(
    Experiment(
        d_in=23, d_out=29, target_rank=3, samples=101, condition=10.0, noise=0.1, optimizer="sgd", lr=0.001, alpha=4.0,
        init="both_random", steps=40,
    ),
    rank=(2, 5),
)  # fmt: skip


def numbers() -> dict[str, np.ndarray]:
    """Factors at every step, the losses, the exact answer, and an Adam run in float32."""
    run = train(SWEEP)
    adam = train(Sweep.over(Experiment(d_in=23, d_out=29, target_rank=3, steps=60, dtype="float32"), rank=(1, 4)))
    factors = {f"{name}{i}": getattr(run, name)[i] for name in ("A", "B") for i in range(len(SWEEP))}
    return {**factors, "loss": run.loss, "best": least_squares(run.task)[0], "adam": adam.loss}


if __name__ == "__main__":
    np.savez(sys.argv[1], capability=torch.backends.cpu.get_cpu_capability(), **numbers())
