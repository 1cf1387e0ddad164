"""Starts, one file each, found in this folder; and what a start makes of A, B and the base weight.

A file's PLACE orders the choices; without one it is last.
"""

from __future__ import annotations

import importlib

import numpy as np
from jaxtyping import Float

from lora_viz.core.experiment import CHOICES, Experiment
from lora_viz.core.run import Task
from lora_viz.layer.start import Start
from lora_viz.layer.tasks import make_task

__all__ = ["STARTS", "base_shift", "initial_factors"]

STARTS: dict[str, Start] = {name: importlib.import_module(f"{__name__}.{name}").START for name in CHOICES["init"]}


def initial_factors(
    experiment: Experiment, task: Task | None = None
) -> tuple[Float[np.ndarray, "r d_in"], Float[np.ndarray, "d_out r"]]:
    """A and B at step 0, float64, from streams that nothing else draws from.

    Raises ExperimentError where a start divides by s and s is 0.
    """
    a, b = STARTS[experiment.init].factors(experiment, make_task(experiment) if task is None else task)
    return a * experiment.init_scale, b * experiment.init_scale


def base_shift(experiment: Experiment, task: Task | None = None) -> Float[np.ndarray, "d_out d_in"] | None:
    """−s·B₀A₀ where this start moves the base weight by it, None where it leaves it alone."""
    if not STARTS[experiment.init].moves_base:
        return None
    a, b = initial_factors(experiment, task)
    return -experiment.scaling * (b @ a)
