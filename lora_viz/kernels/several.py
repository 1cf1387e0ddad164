"""How do several GPUs train one sweep? Each takes its share in a thread of its own; the runs are put together again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import torch

from lora_viz.experiment import Sweep
from lora_viz.kernels import Share
from lora_viz.run import Run

__all__ = ["train_shares"]


def train_shares(sweep: Sweep, parts: list[Share], train: Callable[[Sweep, str], Run]) -> Run:
    """Train every share where it belongs, one after the other on a device, all devices at once."""
    runs: dict[int, Run] = {}

    def work(device: str) -> None:
        with torch.cuda.device(device) if device.startswith("cuda") else nullcontext():
            for j, part in enumerate(parts):
                if part.device == device:
                    runs[j] = train(Sweep(tuple(sweep[i] for i in part.members)), device)

    devices = sorted({part.device for part in parts})
    with ThreadPoolExecutor(len(devices)) as pool:
        list(pool.map(work, devices))
    return _joined(sweep, parts, [runs[j] for j in range(len(parts))])


def _joined(sweep: Sweep, parts: list[Share], runs: list[Run]) -> Run:
    order = np.argsort(np.concatenate([part.members for part in parts]))
    return Run(
        sweep=sweep,
        task=runs[0].task,
        steps=runs[0].steps,
        loss=np.concatenate([run.loss for run in runs], axis=1)[:, order],
        grad_A_norm=np.concatenate([run.grad_A_norm for run in runs], axis=1)[:, order],
        grad_B_norm=np.concatenate([run.grad_B_norm for run in runs], axis=1)[:, order],
        A=_in_order([a for run in runs for a in run.A], order),
        B=_in_order([b for run in runs for b in run.B], order),
        diverged_at=np.concatenate([run.diverged_at for run in runs])[order],
        device=runs[0].device,
        engine=runs[0].engine,
    )


def _in_order(factors: list[np.ndarray], order: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(factors[i] for i in order) if factors else ()
