"""Shares of a computation on a Ray cluster: each on one core of any machine, done again where a machine is lost.

Ray is an optional extra (``requirements-ray.txt``). It brings the work to the workers, notices who is gone and does
their shares again; here stands what it is told, and what is said when it cannot.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.host import cores
from lora_viz.core.progress import Progress, give_way
from lora_viz.engine.threads import one_thread
from lora_viz.i18n.language import say

__all__ = ["AGAIN", "spread"]

P = TypeVar("P")
R = TypeVar("R")

AGAIN = 3  # times that a share is done again whose worker was lost: one that kills every worker must end
REACHED = 5.0  # seconds in which a head that is named must take a connection: Ray itself tries for minutes
LOOK = 0.2  # seconds between two looks at whether anybody still waits

_log = logging.getLogger(__name__)


def spread(
    work: Callable[[Any, P], R], common: Any, parts: Sequence[P], told: Callable[[Progress], None] | None = None
) -> list[R]:
    """``work(common, part)`` of every part, in their order, each on one core of the cluster and in one torch thread.

    ``work`` is a function of a module that the workers have too; ``common`` travels once to each machine. ``told``
    hears the share that is done. Where nobody waits any more (``give_way`` raises) what still runs is ended.
    Raises ExperimentError without Ray or a cluster, for a part that is lost AGAIN + 1 times, and whatever
    ExperimentError ``work`` raises.
    """
    ray = _connected()
    held = ray.put(common)
    threads = {"env_vars": {"OPENBLAS_NUM_THREADS": str(_blas_threads())}}
    task = ray.remote(num_cpus=1, max_retries=AGAIN, runtime_env=threads)(_one)
    waiting = {task.remote(work, held, part): i for i, part in enumerate(parts)}
    found: dict[int, R] = {}
    kinds = {_kind()}
    try:
        while waiting:
            give_way()
            ready, _ = ray.wait(list(waiting), timeout=LOOK)
            for reference in ready:
                result, kind = ray.get(reference)
                if kind not in kinds:
                    kinds.add(kind)
                    _log.warning("A worker is of another kind, so its numbers agree to rounding only: %s", kind)
                found[waiting.pop(reference)] = result
                if told is not None:
                    done = len(found)
                    told(Progress(done / len(parts), say("{done} of {all} shares are done", done=done, all=len(parts))))
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except ray.exceptions.RayError as error:
        raise ExperimentError(
            say(
                "The cluster lost one of {all} shares {count} times, and {done} are done. Ray says: {error}",
                all=len(parts),
                count=AGAIN + 1,
                done=len(found),
                error=(str(error) or type(error).__name__).splitlines()[0][:200],
            )
        ) from error
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)
    return [found[i] for i in range(len(parts))]


def _one(work: Callable[[Any, P], R], common: Any, part: P) -> tuple[R, str]:
    """What a worker does, and which kind of worker it is."""
    with one_thread():
        return work(common, part), _kind()


def _kind() -> str:
    """What decides the last bits of a product: the library and the instructions that it uses."""
    return f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"


def _blas_threads() -> int:
    """NumPy's threads here. LAPACK cuts large matrices among them, and the cut shows in the last bits."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(1, int(os.environ[name]))
    return cores()


def _connected() -> Any:
    """The package, connected to the cluster that runs here or that RAY_ADDRESS names."""
    try:
        import ray
    except ImportError:
        raise ExperimentError(
            say(
                "device={device} needs the package ray. It comes with: pip install -r {file}",
                device="ray",
                file="requirements-ray.txt",
            )
        ) from None
    if not ray.is_initialized():
        address = os.environ.get("RAY_ADDRESS", "auto")
        try:
            _reach(address)
            ray.init(address=address, log_to_driver=False)
        except (OSError, RuntimeError, ValueError):
            raise ExperimentError(
                say(
                    "No Ray cluster answers at {address}. “ray start --head” starts one, RAY_ADDRESS names another.",
                    address=address,
                )
            ) from None
    return ray


def _reach(address: str) -> None:
    """Raises OSError where nothing listens at ``host:port``; an address of another form is Ray's to find."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED).close()
