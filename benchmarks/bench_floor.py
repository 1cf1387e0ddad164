"""How soon is every rank within 1 % of its exact floor? Alternating least squares beside PEFT with Adam.

Both sides get the fewest steps that do it for all ranks and seeds: ours from 1 to 40, Adam's linear decay from 100,
150, 200, 300, 400 at learning rate 0.03 (its steps are found with our engine, which takes the same ones). CPU time.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import replace
from time import process_time

import numpy as np

from benchmarks.bench_sweep import RANKS, SEEDS, excess, experiment
from benchmarks.with_peft import train_with_peft
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.spectra import covariance_root, least_squares, reduced_rank_floor
from lora_viz.engine.exact import solve
from lora_viz.engine.threads import one_thread
from lora_viz.engine.training import train

NEAR, ROUNDS, SCHEDULES = 0.01, 5, (100, 150, 200, 300, 400)


def sweep_of(d: int, **changes: object) -> Sweep:
    """Eight ranks times five initialisations."""
    base: Experiment = replace(experiment(d), **({"dtype": "float64"} | changes))  # type: ignore[arg-type]
    return Sweep.over(base, init_seed=range(SEEDS), rank=RANKS)


def steps_of_ours(run: Run) -> int:
    """After how many iterations is everybody near?"""
    best, least = least_squares(run.task)
    root = covariance_root(run.task)
    floors = {r: least + 0.5 * reduced_rank_floor(best, root, r)[1] ** 2 for r in RANKS}
    limit = (1 + NEAR) * np.array([floors[e.rank] for e in run.sweep.experiments])
    return int(np.argmax((run.loss <= limit).all(axis=1)))


def compare(d: int) -> dict[str, float]:
    """Rounds of both sides at one size."""
    sweep = sweep_of(d)
    ours_steps = steps_of_ours(solve(sweep))
    adam_steps = next(s for s in SCHEDULES if max(excess(train(sweep_of(d, steps=s), records=2)).values()) <= NEAR)
    adams = sweep_of(d, steps=adam_steps, dtype="float32")
    ours, theirs = [], []
    for turn in range(ROUNDS):
        share = range(turn * len(RANKS), (turn + 1) * len(RANKS))
        began = process_time()
        for i in share:
            train_with_peft(adams[i])
        theirs.append(SEEDS * (process_time() - began))
        began = process_time()
        run = solve(sweep, iterations=ours_steps)
        ours.append(process_time() - began)
    return {
        "ratio": statistics.median(a / b for a, b in zip(theirs, ours, strict=True)),
        "ours_s": statistics.median(ours),
        "peft_s": statistics.median(theirs),
        "ours_steps": ours_steps,
        "peft_steps": adam_steps,
        "ours_excess": max(excess(run).values()),
    }


@one_thread()
def main() -> None:
    """Both sizes, one table."""
    measured = {d: compare(d) for d in (64, 128)}
    print(f"{'':14s}" + "".join(f"{f'd = {d}':>12s}" for d in measured))
    for name in measured[64]:
        print(f"{name:14s}" + "".join(f"{m[name]:12.4g}" for m in measured.values()))
    print("target: ratio at least 100")
    figures = measured[64] | {f"{name}_d128": value for name, value in measured[128].items()}
    print(json.dumps({"benchmark": "floor"} | {name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
