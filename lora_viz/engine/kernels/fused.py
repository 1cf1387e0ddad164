"""A whole run on the chip: one GPU program a bin of adapters, from the first step to the last.

A program holds A, B, both moments and the task in registers; memory sees the start and what is recorded, nothing else.
Its bins are the CPU stack's: small adapters share one, kept apart by the same mask.
"""

from __future__ import annotations

import importlib.util
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lora_viz.core.experiment import Sweep
from lora_viz.engine.history import LONGEST_STEP, History
from lora_viz.engine.kernels.steps import on, row_values, slots, step_table
from lora_viz.engine.stack import Stack, Statistics, family
from lora_viz.i18n.language import say

__all__ = ["allows_tf32", "bin_width", "plan", "prepare", "run_fused", "why_not_fused"]

# (rows of a bin, columns) -> how products are formed and how many warps share a bin: the fastest that was measured.
# Shapes that are missing do not fit into the registers, or are faster by graph.
PLANS = {
    "float32": {
        (16, 16): ("tf32x3", 1), (16, 32): ("tf32x3", 1), (16, 64): ("tf32x3", 4),
        (32, 32): ("tf32x3", 2), (32, 64): ("tf32x3", 4),
    },
    "TF32": {
        (16, 16): ("tf32", 1), (16, 32): ("tf32", 1), (16, 64): ("tf32", 2), (16, 128): ("tf32", 4),
        (32, 32): ("tf32", 2), (32, 64): ("tf32", 4), (32, 128): ("tf32", 8), (64, 64): ("tf32", 8),
    },
}  # fmt: skip


def allows_tf32() -> bool:
    """Whether a product may round its factors to TF32: as torch is told, by its own switch."""
    return torch.get_float32_matmul_precision() != "highest"


def _power(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())


def bin_width(sweep: Sweep) -> int:
    """The rows of a program's bin: the next power of two: the tensor cores take no fewer than 16."""
    return _power(max(e.rank for e in sweep.experiments))


def plan(sweep: Sweep) -> tuple[str, int] | None:
    """How products are formed, and by how many warps. "tf32x3" is exact to float32 rounding. None: no plan."""
    columns = _power(max(sweep[0].d_in, sweep[0].d_out))
    return PLANS["TF32" if allows_tf32() else "float32"].get((bin_width(sweep), columns))


def why_not_fused(sweep: Sweep, device: str) -> str:
    """Why the fused kernel does not take this sweep; an empty text where it does."""
    e = sweep[0]
    if not device.startswith("cuda"):
        return say("device {device} is not a GPU", device=device)
    if importlib.util.find_spec("triton") is None:
        return say("Triton is not installed")
    if torch.cuda.get_device_capability(device) < (8, 0):
        return say("the GPU has no TF32 tensor cores")
    if e.dtype != "float32":
        return say("{dtype} is not float32", dtype=e.dtype)
    if e.batch:
        return say("minibatches change the task at every step")
    if any(x.optimizer == "scaled_gd" for x in sweep.experiments):
        return say("scaled GD solves an equation at every step")
    if plan(sweep) is None:
        return say(
            "rank {rank} at {d_out}×{d_in} does not fit on the chip",
            rank=max(e.rank for e in sweep.experiments),
            d_out=e.d_out,
            d_in=e.d_in,
        )
    return ""


class Launch(NamedTuple):
    """All that one launch of the kernel needs: how many programs, its arguments, and its compile-time constants."""

    programs: int
    arguments: tuple[Any, ...]
    constants: dict[str, Any]


def prepare(
    sweep: Sweep, stack: Stack, start: Tensor, statistics: Statistics, kept: list[int]
) -> tuple[Launch, Tensor, Tensor, Tensor]:
    """The launch, and where it will write: states, row norms, and the step at which each row was frozen."""
    e = sweep[0]
    precision, warps = plan(sweep) or ("tf32x3", 4)  # whoever calls has asked why_not_fused
    values, kinds = row_values(sweep, stack, start)
    adam = {family(e) == "adam" for e in sweep.experiments}
    states = start.new_empty(len(kept), start.numel())
    norms = start.new_empty(2, len(kept), stack.total)
    stopped = torch.full((stack.total,), -1, dtype=torch.int32, device=start.device)
    covariance, cross, _ = statistics.all
    arguments = (
        start, states, norms, stopped, cross, cross if covariance is None else covariance,
        values, kinds, on(step_table(sweep), start), on(slots(e.steps, kept), start),
        stack.total, len(kept), e.steps, e.d_in, e.d_out, LONGEST_STEP,
    )  # fmt: skip
    constants = {
        "W": bin_width(sweep), "DI": _power(e.d_in), "DO": _power(e.d_out), "HAS_C": covariance is not None, 
        "DECAY": any(e.optimizer == "adamw" and e.weight_decay for e in sweep.experiments),
        "ADAM": int(adam.pop()) if len(adam) == 1 else 2, "PRECISION": precision, "QUICK": start.is_cuda,
        "num_warps": warps, "num_stages": 1,
    }  # fmt: skip
    return Launch(stack.total // bin_width(sweep), arguments, constants), states, norms, stopped


def run_fused(sweep: Sweep, stack: Stack, start: Tensor, statistics: Statistics, kept: list[int]) -> History:
    """Train a stack whose bins are all ``bin_width`` wide in one launch.

    Products are exact to float32 rounding, each as three TF32 products; plain TF32 where torch is told that it may
    (``torch.set_float32_matmul_precision("high")``).
    """
    from lora_viz.engine.kernels.fused_kernel import train_bin

    launch, states, norms, stopped = prepare(sweep, stack, start, statistics, kept)
    train_bin[(launch.programs,)](*launch.arguments, **launch.constants)
    return History(states, norms, stopped.cpu().numpy()[[own.start for own in stack.rows]])
