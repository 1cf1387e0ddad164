"""What a GPU knows of a run beforehand: everything that the number of a step or the owner of a row decides."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from lora_viz.core.experiment import Sweep
from lora_viz.engine.optim import BETA1, BETA2, EPS, schedule_factor
from lora_viz.engine.stack import Stack, family

__all__ = ["on", "row_values", "slots", "step_table"]


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
    """(steps + 1): the place where step k is recorded, −1 for none."""
    slot = np.full(steps + 1, -1, dtype=np.int32)
    slot[kept] = np.arange(len(kept))
    return slot


def row_values(sweep: Sweep, stack: Stack, like: Tensor) -> tuple[Tensor, Tensor]:
    """(5, total) numbers and (2, total) whole numbers about each row; zeros where nobody owns it.

    Scaling, lr of A, lr of B, weight decay, and what a gradient's length is multiplied with before it counts as a step;
    owner (−1: nobody) and whether Adam's family moves it.
    """
    members = sweep.experiments
    lr, ratio = np.array([e.lr for e in members]), np.array([e.lr_ratio for e in members])
    still = np.array([e.frozen for e in members])
    of = np.zeros((6, len(members) + 1))  # the last column is nobody's, whose number is −1
    of[:, :-1] = (
        [e.scaling for e in members],
        np.where(still == "A", 0.0, lr),
        np.where(still == "B", 0.0, lr * ratio),
        [e.weight_decay if e.optimizer == "adamw" else 0.0 for e in members],
        np.maximum(1.0, lr * np.maximum(1.0, ratio)),
        [family(e) == "adam" for e in members],
    )
    owner = on(stack.owner, like)
    by_row = on(of, like)[:, owner]
    return by_row[:5], torch.stack([owner, by_row[5].to(torch.int32)])


def on(array: np.ndarray, like: Tensor) -> Tensor:
    """The array as a tensor beside another one, in its precision unless it holds whole numbers."""
    whole = np.issubdtype(array.dtype, np.integer)
    return torch.as_tensor(array).to(like.device, torch.int32 if whole else like.dtype, non_blocking=True)
