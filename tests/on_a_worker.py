"""What the workers of tests/test_cluster.py do: functions of a module, for a worker imports what it is to do."""

import os
import signal
import time
from pathlib import Path

import torch

from lora_viz.core.experiment import ExperimentError


def begun(folder: Path, part: int) -> int:
    """How often this part was begun, this time included; once each beginning, a file."""
    count = len(list(folder.glob(f"{part}.*")))
    (folder / f"{part}.{count}").touch()
    return count + 1


def squared(folder: Path, part: int) -> tuple[int, int]:
    """Its square and torch's threads; part 3 loses its worker the first time, and a negative part every time."""
    if part < 0 or (begun(folder, part) == 1 and part == 3):
        os.kill(os.getpid(), signal.SIGKILL)
    return part * part, torch.get_num_threads()


def refused(folder: Path, part: int) -> int:
    raise ExperimentError(f"part={part} is not possible. Valid values: none.")


def waits(folder: Path, part: int) -> int:
    """Part 1 waits for ever the first time; part 0 ends when part 1 has begun. Writes where each beginning was."""
    import ray

    count = len(list(folder.glob(f"{part}.*")))
    unfinished = folder / f".{part}"
    unfinished.write_text(ray.get_runtime_context().get_node_id())
    unfinished.rename(folder / f"{part}.{count}")
    while (part, count) == (1, 0) or not (folder / "1.0").exists():
        time.sleep(0.05)
    return part
