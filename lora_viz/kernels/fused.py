"""Can the whole run stay on the chip? One GPU program a bin of adapters, from the first step to the last.

A program holds A, B, both moments and the task in registers; memory sees the start and what is recorded, nothing else.
Its bins are the CPU stack's: small adapters share one, kept apart by the same mask.
"""

from __future__ import annotations

import importlib.util
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lora_viz.experiment import Sweep
from lora_viz.kernels.steps import LONGEST_STEP, History, on, row_values, slots, step_table
from lora_viz.stack import Stack, Statistics

__all__ = ["allows_tf32", "bin_width", "run_fused", "why_not_fused"]

WIDEST, LARGEST, AREA = 64, 128, 4096  # rows of a bin, columns, and rows × columns that still fit into the registers

PRECISION = {False: "tf32x3", True: "tf32"}


def allows_tf32() -> bool:
    """May a product round its factors to TF32? As torch is told, by its own switch."""
    return torch.get_float32_matmul_precision() != "highest"


def _power(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())


def bin_width(sweep: Sweep) -> int:
    """How many rows has a program's bin? The next power of two: the tensor cores take no fewer than 16."""
    return _power(max(e.rank for e in sweep.experiments))


def why_not_fused(sweep: Sweep, device: str) -> str:
    """Why does the fused kernel not take this sweep? An empty text: it does."""
    e = sweep[0]
    width, columns = bin_width(sweep), _power(max(e.d_in, e.d_out))
    if not device.startswith("cuda"):
        return f"device {device} is no GPU"
    if importlib.util.find_spec("triton") is None:
        return "Triton is not installed"
    if torch.cuda.get_device_capability(device) < (8, 0):
        return "the GPU has no TF32 tensor cores"
    if e.dtype != "float32":
        return f"{e.dtype} is not float32"
    if e.batch:
        return "minibatches change the task at every step"
    if width > WIDEST or columns > LARGEST or width * columns > AREA:
        return f"rank {max(e.rank for e in sweep.experiments)} at {e.d_out}×{e.d_in} does not fit on the chip"
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
    width, di, do = stack.blocks[0].width, _power(e.d_in), _power(e.d_out)
    values, kinds = row_values(sweep, stack)
    adam = set(kinds[1, kinds[0] >= 0].tolist())
    states = start.new_empty(len(kept), start.numel())
    norms = start.new_empty(2, len(kept), stack.total)
    stopped = torch.full((stack.total,), -1, dtype=torch.int32, device=start.device)
    covariance, cross, _ = statistics.all
    arguments = (
        start, states, norms, stopped, cross, cross if covariance is None else covariance,
        on(values, start), on(kinds, start), on(step_table(sweep), start), on(slots(e.steps, kept), start),
        stack.total, len(kept), e.steps, e.d_in, e.d_out, LONGEST_STEP,
    )  # fmt: skip
    constants = {
        "W": width, "DI": di, "DO": do, "HAS_C": covariance is not None, "DECAY": bool(values[3].any()),
        "ADAM": adam.pop() if len(adam) == 1 else 2, "PRECISION": PRECISION[allows_tf32()], "QUICK": start.is_cuda,
        "num_warps": warps(width, max(di, do), tf32=allows_tf32()), "num_stages": 1,
    }  # fmt: skip
    return Launch(stack.total // width, arguments, constants), states, norms, stopped


def run_fused(sweep: Sweep, stack: Stack, start: Tensor, statistics: Statistics, kept: list[int]) -> History:
    """Train a stack whose bins are all ``bin_width`` wide in one launch.

    Products are exact to float32 rounding, each as three TF32 products; plain TF32 where torch is told that it may
    (``torch.set_float32_matmul_precision("high")``).
    """
    from lora_viz.kernels.fused_kernel import train_bin

    launch, states, norms, stopped = prepare(sweep, stack, start, statistics, kept)
    train_bin[(launch.programs,)](*launch.arguments, **launch.constants)
    return History(states, norms, stopped.cpu().numpy()[[own.start for own in stack.rows]])


def warps(width: int, columns: int, *, tf32: bool) -> int:
    """How many warps share a bin? Measured: fewer wait less for each other, until the registers run over."""
    return max(1, min(8, width * columns // 512)) if tf32 else max(2, min(4, width * columns // 256))
