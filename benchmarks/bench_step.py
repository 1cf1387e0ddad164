"""What does one training step cost beside its own matrix products, and beside PEFT with torch.optim.Adam?

One adapter, and a stack of 40; the bare products are the same calls on the same memory, nothing else. By turns, in CPU
time of the one thread, so that the company on the machine meets all sides alike.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import replace
from time import process_time

import torch

from benchmarks.with_peft import train_with_peft
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.engine.optim import Adam, Segment
from lora_viz.engine.stack import StackedGradient, Statistics, pack
from lora_viz.engine.threads import one_thread
from lora_viz.engine.training import initial_state
from lora_viz.layer.tasks import make_task

ROUNDS, STEPS = 9, 200
RANKS = (1, 2, 4, 8, 12, 16, 24, 32)


def experiment(d: int) -> Experiment:
    """Full batch, white inputs, float32."""
    return Experiment(d_in=d, d_out=d, rank=8, target_rank=8, samples=512, noise=0.3, lr=0.01, dtype="float32")


def seconds(call: Callable[[int], object]) -> float:
    """CPU seconds a step."""
    began = process_time()
    for k in range(STEPS):
        call(k)
    return (process_time() - began) / STEPS


def sides(sweep: Sweep) -> tuple[Callable[[int], object], Callable[[int], object]]:
    """The bare products of a step, and the whole step: gradient, norm for divergence, Adam."""
    e = sweep[0]
    stack = pack(sweep, torch.float32, "cpu")
    state = initial_state(sweep, stack, "cpu", make_task(e))
    gradient = StackedGradient(stack, state, e.d_in, e.d_out)
    statistics_ = Statistics(make_task(e), e, state).all
    _, cross, cross_transposed = statistics_
    A, _, parts = gradient.views(state)
    adam = Adam(Segment(0, state.numel(), e.lr, 0.0), state)

    def products(k: int) -> None:
        torch.mm(gradient.Bs, cross_transposed.T, out=gradient.A)
        torch.mm(A, cross.T, out=gradient.Bt)
        for i, (a, at) in enumerate(parts):
            (_, bs, grad_A, grad_Bt), (gram_A, gram_B) = gradient.own[i], gradient.grams[i]
            torch.bmm(a, at, out=gram_A)
            torch.bmm(bs, gradient.transposed[i], out=gram_B)
            grad_A.baddbmm_(gram_B, a, beta=-1)
            grad_Bt.baddbmm_(gram_A, bs, beta=-1)

    def step(k: int) -> None:
        gradient(state, *statistics_)
        float(torch.dot(gradient.flat, gradient.flat))
        adam.step(k, 1.0, state, gradient.flat, state)

    return products, step


@one_thread()
@torch.inference_mode()
def main() -> None:
    """Four sizes, alone and stacked."""
    figures: dict[str, float] = {}
    print(f"{'':24s}{'products µs':>12s}{'step µs':>9s}{'step/products':>15s}{'PEFT µs':>9s}{'PEFT/step':>11s}")
    for d in (32, 64, 128, 256):
        for name, sweep in (
            ("alone", Sweep((experiment(d),))),
            ("stack", Sweep.over(experiment(d), init_seed=range(5), rank=tuple(r for r in RANKS if r <= d))),
        ):
            products, step = sides(sweep)
            seconds(step)
            bare, ours, theirs = [], [], []
            for _ in range(ROUNDS):
                bare.append(seconds(products))
                ours.append(seconds(step))
                with torch.inference_mode(False):
                    short = replace(experiment(d), steps=40)
                    began = process_time()
                    trained = train_with_peft(short)
                    share = trained.seconds_of_steps / trained.seconds
                    theirs.append((process_time() - began) * share / 40 * len(sweep))
            over = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
            ratio = statistics.median(a / b for a, b in zip(theirs, ours, strict=True))
            us = [1e6 * statistics.median(x) for x in (bare, ours, theirs)]
            print(
                f"{f'd={d} {name} of {len(sweep)}':24s}{us[0]:12.1f}{us[1]:9.1f}{over:15.2f}{us[2]:9.0f}{ratio:11.1f}"
            )
            figures |= {f"over_products_d{d}_{name}": over, f"ratio_d{d}_{name}": ratio}
    figures["ratio"] = figures["ratio_d64_stack"]
    print(json.dumps({"benchmark": "step"} | {name: float(f"{value:.4g}") for name, value in figures.items()}))


if __name__ == "__main__":
    main()
