"""One sweep on several GPUs: each takes its shares in a thread of its own, one share after the other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import torch

from lora_viz.core.experiment import Sweep
from lora_viz.core.run import Run
from lora_viz.engine.kernels import Share

__all__ = ["train_shares"]


def train_shares(sweep: Sweep, parts: list[Share], train: Callable[[Sweep, str], Run]) -> list[tuple[list[int], Run]]:
    """The members of every share and their run, all devices at work at once."""
    if len(parts) == 1:
        return [(parts[0].members, train(sweep, parts[0].device))]
    runs: dict[int, Run] = {}

    def work(device: str) -> None:
        with torch.cuda.device(device) if device.startswith("cuda") else nullcontext():
            for j, part in enumerate(parts):
                if part.device == device:
                    runs[j] = train(Sweep(tuple(sweep[i] for i in part.members)), device)

    devices = sorted({part.device for part in parts})
    with ThreadPoolExecutor(len(devices)) as pool:
        list(pool.map(work, devices))
    return [(part.members, runs[j]) for j, part in enumerate(parts)]
