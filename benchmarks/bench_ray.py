"""How much sooner does a sweep of 20,000 adapters end on two Ray workers of one core each than in this process?

Both sides by turns: here, on two workers, and on one (what the way there and back costs). Same losses, bit for bit.
The cluster lies on this machine, so it needs three free cores to say what two machines would bring: the third is for
the driver, which hands out and joins. With two cores, workers and driver share them.
"""

from __future__ import annotations

import json
import os
import statistics
from time import perf_counter
from typing import Any

import numpy as np

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import train

ADAPTERS, ROUNDS = 20_000, 5


def sweep_of(count: int) -> Sweep:
    """Learning rates and starts, d = 32, r = 4, 200 steps of Adam in float32."""
    e = Experiment(d_in=32, d_out=32, rank=4, target_rank=4, steps=200, dtype="float32")
    rates = tuple(10 ** (-4 + 2 * i / 99) for i in range(100))
    return Sweep.over(e, lr=rates, init_seed=range(count // 100))


def timed(sweep: Sweep, device: str) -> tuple[float, Run]:
    """Seconds, and the run."""
    began = perf_counter()
    run = train(sweep, device, records=2, factors=False)
    return perf_counter() - began, run


def main() -> None:
    """A table and a line of JSON."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import ray
        from ray.cluster_utils import Cluster
    except ImportError:
        print("ray is not installed (requirements-ray.txt): nothing is measured.")
        return
    memory: dict[str, Any] = {"object_store_memory": 200_000_000}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
    few = [cluster.add_node(num_cpus=1, **memory)]
    ray.init(address=cluster.address, log_to_driver=False)
    sweep = sweep_of(ADAPTERS)
    for device in ("cpu", "ray"):
        timed(sweep_of(2_000), device)
    seconds: dict[str, list[float]] = {"here": [], "one worker": [], "two workers": []}
    for _ in range(ROUNDS):
        here, run = timed(sweep, "cpu")
        one, on_one = timed(sweep, "ray")
        few.append(cluster.add_node(num_cpus=1, **memory))
        timed(sweep_of(2_000), "ray")  # the new worker imports torch
        two, on_two = timed(sweep, "ray")
        cluster.remove_node(few.pop())
        for name, took in zip(seconds, (here, one, two), strict=True):
            seconds[name].append(took)
        for other in (on_one, on_two):
            assert np.array_equal(other.loss, run.loss) and np.array_equal(other.grad_A_norm, run.grad_A_norm)
    ray.shutdown()
    cluster.shutdown()
    gain = {
        name: statistics.median(h / s for h, s in zip(seconds["here"], seconds[name], strict=True)) for name in seconds
    }
    for name, took in seconds.items():
        print(
            f"{name:12s} {statistics.median(took):6.2f} s  ({min(took):.2f} to {max(took):.2f})  {gain[name]:.2f} times"
        )
    figures = {f"{name.replace(' ', '_')}_s": round(statistics.median(took), 3) for name, took in seconds.items()}
    print(
        json.dumps({"benchmark": "ray", "adapters": ADAPTERS, **figures, "gain_of_two": round(gain["two workers"], 2)})
    )


if __name__ == "__main__":
    main()
