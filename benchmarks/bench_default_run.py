"""How long does a visitor wait for one run of a lesson, every step of it recorded? And in PEFT, nothing recorded?"""

from __future__ import annotations

import json
import statistics
from time import perf_counter

import torch

from benchmarks.with_peft import train_with_peft
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.training import train

ROUNDS, TARGET_MS = 15, 60


def main() -> None:
    """Rounds of one run on each side."""
    torch.set_num_threads(1)
    e = Experiment(d_in=32, d_out=32, rank=8, steps=300)
    run = train(Sweep((e,)), records=301)
    difference = abs(train_with_peft(e).loss / run.loss[-1, 0] - 1)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(1000 * train_with_peft(e).seconds)
        began = perf_counter()
        train(Sweep((e,)), records=301)
        ours.append(1000 * (perf_counter() - began))
    ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
    for name, times in (("ours", ours), ("PEFT", theirs)):
        print(f"{name}  median {statistics.median(times):6.1f} ms   {min(times):6.1f} to {max(times):6.1f} ms")
    print(f"target: at most {TARGET_MS} ms")
    figures = {
        "ratio": statistics.median(ratios),
        "ours_ms": statistics.median(ours),
        "ours_ms_min": min(ours),
        "ours_ms_max": max(ours),
        "peft_ms": statistics.median(theirs),
        "loss_difference": float(difference),
    }
    print(json.dumps({"benchmark": "default_run"} | {name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
