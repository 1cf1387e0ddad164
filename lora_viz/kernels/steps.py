"""What does a GPU know of a run beforehand? Everything the number of a step or the owner of a row decides."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lora_viz.experiment import Sweep
from lora_viz.optim import BETA1, BETA2, EPS, schedule_factor
from lora_viz.stack import Stack, family

__all__ = ["LONGEST_STEP", "History", "row_values", "slots", "step_table"]

# A step longer than this is no step any more: a few more, each the cube of the last, and there are no numbers left.
LONGEST_STEP = 1e8


class History(NamedTuple):
    """What is left of a run: states (T, flat), row norms of both gradients (2, T, total), who froze when (N)."""

    states: Tensor
    norms: Tensor
    diverged_at: np.ndarray


def step_table(sweep: Sweep) -> np.ndarray:
    """(steps + 1, 3): Adam's rate and ε once both moments are plain sums m ← β₁m + g, v ← β₂v + g², and the schedule.

    With M = (1 − β₁)m and V = (1 − β₂)v, Adam's M̂/(√V̂ + ε) is rate·m/(√v + eps): one number each a step.
    """
    e = sweep[0]
    table = np.tile([0.0, 1.0, 0.0], (e.steps + 1, 1))  # after the last step nothing moves
    for k in range(e.steps):
        factor = schedule_factor(k, schedule=e.schedule, warmup=e.warmup, steps=e.steps)
        root = math.sqrt((1 - BETA2 ** (k + 1)) / (1 - BETA2))
        table[k] = factor * (1 - BETA1) / (1 - BETA1 ** (k + 1)) * root, EPS * root, factor
    return table


def slots(steps: int, kept: list[int]) -> np.ndarray:
    """(steps + 1): where is step k recorded? −1: nowhere."""
    slot = np.full(steps + 1, -1, dtype=np.int32)
    slot[kept] = np.arange(len(kept))
    return slot


def row_values(sweep: Sweep, stack: Stack) -> tuple[np.ndarray, np.ndarray]:
    """(5, total) numbers and (2, total) kinds of each row; zeros where nobody owns it.

    Scaling, lr of A, lr of B, weight decay, and what a gradient's length is multiplied with before it counts as a step;
    owner (−1: nobody) and whether Adam's family moves it.
    """
    of = [
        (
            e.scaling,
            0.0 if e.frozen == "A" else e.lr,
            0.0 if e.frozen == "B" else e.lr * e.lr_ratio,
            e.weight_decay if e.optimizer == "adamw" else 0.0,
            max(1.0, e.lr * max(1.0, e.lr_ratio)),
            float(family(e) != "sgd"),
        )
        for e in sweep.experiments
    ]
    table = np.vstack([np.array(of), np.zeros(6)])[stack.owner]  # the last line is nobody's, whose number is −1
    return np.ascontiguousarray(table[:, :5].T), np.stack([stack.owner, table[:, 5]]).astype(np.int32)


def on(array: np.ndarray, like: Tensor) -> Tensor:
    """The array as a tensor beside another one, in its precision unless it holds whole numbers."""
    whole = np.issubdtype(array.dtype, np.integer)
    return torch.as_tensor(array).to(like.device, torch.int32 if whole else like.dtype, non_blocking=True)
