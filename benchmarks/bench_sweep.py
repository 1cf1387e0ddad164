"""How much sooner does a rank sweep end in our one batch than in a loop of PEFT and torch.optim.Adam, equally well?

Eight ranks times five initialisations, 200 steps, float32, one thread. The machine's noise meets both sides alike: a
round times eight PEFT adapters (each rank once; the loop is five times that), then ours three times.
"""

from __future__ import annotations

import json
import statistics
from time import perf_counter

import numpy as np
import torch

from benchmarks.with_peft import train_with_peft
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.spectra import covariance_root, least_squares, reduced_rank_floor
from lora_viz.engine.training import train

RANKS, SEEDS, ROUNDS = (1, 2, 4, 8, 12, 16, 24, 32), 5, 5


def experiment(d: int) -> Experiment:
    """The same learning rate and target at every size, for both sides."""
    return Experiment(
        d_in=d, d_out=d, target_rank=8, spectrum="power", noise=0.3, samples=512, alpha=16.0, lr=0.03,
        schedule="linear", steps=200, dtype="float32",
    )  # fmt: skip


def excess(run: Run) -> dict[int, float]:
    """By which share does the trained loss exceed its rank's exact floor? The worst initialisation of each rank."""
    best, least = least_squares(run.task)
    root = covariance_root(run.task)
    worst = dict.fromkeys(RANKS, 0.0)
    for e, loss in zip(run.sweep.experiments, run.loss[-1], strict=True):
        floor = least + 0.5 * reduced_rank_floor(best, root, e.rank)[1] ** 2
        worst[e.rank] = max(worst[e.rank], float(loss) / floor - 1)
    return worst


def compare(d: int) -> dict[str, float]:
    """Rounds of both sides at one size."""
    sweep = Sweep.over(experiment(d), init_seed=range(SEEDS), rank=RANKS)
    train_with_peft(sweep[0])
    run = train(sweep, records=2)
    differences, theirs, of_steps, ours = [], [], [], []
    for turn in range(ROUNDS):
        share = range(turn * len(RANKS), (turn + 1) * len(RANKS))
        trained = [train_with_peft(sweep[i]) for i in share]
        differences += [abs(t.loss / run.loss[-1, i] - 1) for i, t in zip(share, trained, strict=True)]
        theirs.append(SEEDS * sum(t.seconds for t in trained))
        of_steps.append(SEEDS * sum(t.seconds_of_steps for t in trained))
        times = []
        for _ in range(3):
            began = perf_counter()
            train(sweep, records=2)
            times.append(perf_counter() - began)
        ours.append(statistics.median(times))
    ratios = np.array(theirs) / ours
    worst = excess(run)
    print(f"d = {d}: loss over the floor  " + "  ".join(f"r={r} {100 * x:.2f} %" for r, x in worst.items()))
    return {
        "ratio": float(np.median(ratios)),
        "ratio_min": float(ratios.min()),
        "ratio_max": float(ratios.max()),
        "ratio_of_steps": float(np.median(np.array(of_steps) / ours)),
        "ours_s": statistics.median(ours),
        "peft_s": statistics.median(theirs),
        "worst_excess": max(worst.values()),
        "worst_difference": float(max(differences)),
    }


def main() -> None:
    """Both sizes, one table."""
    torch.set_num_threads(1)
    measured = {d: compare(d) for d in (64, 128)}
    print(f"{'':18s}" + "".join(f"{f'd = {d}':>12s}" for d in measured))
    for name in measured[64]:
        print(f"{name:18s}" + "".join(f"{m[name]:12.4g}" for m in measured.values()))
    small, large = measured[64], measured[128]
    figures = small | {f"{name}_d128": value for name, value in large.items()}
    figures["worst_excess"] = max(small["worst_excess"], large["worst_excess"])
    figures["worst_difference"] = max(small["worst_difference"], large["worst_difference"])
    del figures["worst_excess_d128"], figures["worst_difference_d128"]
    print(json.dumps({"benchmark": "sweep"} | {name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
