"""How a sweep is cut into shares, and how a GPU trains one: a fused kernel where it fits, else a captured graph."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import torch

from lora_viz.core.experiment import ExperimentError, Sweep
from lora_viz.engine.kernels.fused import bin_width, why_not_fused
from lora_viz.i18n.language import english, say

__all__ = ["ENGINES", "Share", "choose", "shares"]

ENGINES = ("auto", "stack", "graph", "fused")
FEWEST = 64  # adapters for which a second GPU is worth its start
PIECE = 1024  # adapters that a CPU takes as one stack: more of them leave its cache

_log = logging.getLogger(__name__)


class Share(NamedTuple):
    """Adapters that train as one stack on one device."""

    device: str
    members: list[int]


def choose(sweep: Sweep, device: str, engine: str = "auto") -> str:
    """The engine that trains this sweep there: "stack" on a CPU; on a GPU "fused", or "graph" where that does not fit.

    Raises ExperimentError where "fused" is asked for and does not fit.
    """
    if engine == "fused" and (why := why_not_fused(sweep, device)):
        raise ExperimentError(say("engine=fused is not possible: {why}.", why=why))
    if engine != "auto":
        return engine
    if not device.startswith("cuda"):
        return "stack"
    why = why_not_fused(sweep, device)
    chosen = "graph" if why else "fused"
    because = f", because {english(why)}" if why else ""
    _log.info("%d adapters on %s: %s%s", len(sweep), device, chosen, because)
    return chosen


def width_for(sweep: Sweep, engine: str) -> int | None:
    """The width that this engine asks of the stack's bins. None: it takes them as they come."""
    return bin_width(sweep) if engine == "fused" else None


def shares(sweep: Sweep, device: str, records: int) -> list[Share]:
    """A sweep spread over the GPUs that are visible, and cut so that its history fits into their memory.

    Adapters are dealt out like cards, the largest ranks first: every share costs about the same. For CPUs the sweep
    alone decides the cut, not how many there are: who shares a stack shows in the last bits.
    """
    ranks = np.array([x.rank for x in sweep.experiments])
    order = np.argsort(-ranks, kind="stable")
    if device != "cuda":
        count = -(-len(sweep) // PIECE)
        return [Share(device, np.sort(order[j::count]).tolist()) for j in range(count)]
    gpus = torch.cuda.device_count()
    e = sweep[0]
    used = max(1, min(gpus, len(sweep) // FEWEST))
    size = 8 if e.dtype == "float64" else 4
    states = min(records, e.steps + 1) + 8  # of A and B: recorded ones, gradient, moments and work space
    needed = int(ranks.sum()) * (e.d_in + e.d_out) * size * states
    free = min(torch.cuda.mem_get_info(i)[0] for i in range(used))
    rounds = -(-needed // int(0.5 * free * used))
    count = min(len(sweep), used * rounds)
    return [Share(f"cuda:{j % used}", np.sort(order[j::count]).tolist()) for j in range(count)]
