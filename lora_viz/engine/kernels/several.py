"""One sweep in several shares: one after the other here, at once on several GPUs, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import Any

import torch

from lora_viz.core.experiment import Sweep
from lora_viz.core.progress import Progress
from lora_viz.core.run import Run
from lora_viz.engine.cluster import spread
from lora_viz.engine.kernels import Share
from lora_viz.i18n.language import say

__all__ = ["train_shares"]


def train_shares(
    sweep: Sweep,
    parts: list[Share],
    train: Callable[[Any, Sweep, str], Run],
    common: Any = None,
    told: Callable[[Progress], None] | None = None,
) -> list[tuple[list[int], Run]]:
    """The members of every share and their run ``train(common, members, device)``, all devices at work at once.

    ``told`` hears after each share how much is done.
    """
    devices = sorted({part.device for part in parts})
    if devices == ["ray"]:
        sweeps = [_of(sweep, part) for part in parts]
        runs = spread(_on_a_core, (train, common), sweeps, told)
        return [(part.members, run) for part, run in zip(parts, runs, strict=True)]
    done: dict[int, Run] = {}

    def work(device: str) -> None:
        with torch.cuda.device(device) if device.startswith("cuda") else nullcontext():
            for j, part in enumerate(parts):
                if part.device == device:
                    done[j] = train(common, _of(sweep, part), device)
                    if told is not None and len(parts) > 1:
                        now = len(done)
                        told(
                            Progress(now / len(parts), say("{done} of {all} shares are done", done=now, all=len(parts)))
                        )

    if len(devices) == 1:  # in this thread: who waits for it, and may stop it, is known here
        work(devices[0])
    else:
        with ThreadPoolExecutor(len(devices)) as pool:
            list(pool.map(work, devices))
    return [(part.members, done[j]) for j, part in enumerate(parts)]


def _of(sweep: Sweep, part: Share) -> Sweep:
    return sweep if len(part.members) == len(sweep) else Sweep(tuple(sweep[i] for i in part.members))


def _on_a_core(given: tuple[Callable[[Any, Sweep, str], Run], Any], sweep: Sweep) -> Run:
    train, common = given
    return train(common, sweep, "cpu")
