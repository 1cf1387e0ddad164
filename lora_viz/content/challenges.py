"""Challenges: small experiments with a goal, and the core's own check of whether it was reached.

A challenge says what is to be reached, where it starts, and which fields may be set to what. The check trains what
was set and measures each condition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from lora_viz.core.experiment import CHOICES, Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.spectra import ranks
from lora_viz.engine.training import train
from lora_viz.film.style import number, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.merging import merge_report

__all__ = ["CHALLENGES", "Challenge", "Condition", "check"]

UNCHANGED = to_say("merged in bf16, 90 % of the weights do not change")


class Condition(NamedTuple):
    """One thing that must hold, with what was measured, and whether it does."""

    text: str
    measured: str
    holds: bool


class Challenge(NamedTuple):
    """What is to be reached, from where, with which controls; what to learn from it, and the page that shows it."""

    title: str
    goal: str
    default: Experiment
    controls: dict[str, tuple[Any, ...]]
    hint: str
    page: str
    judge: Callable[[Run], tuple[Condition, ...]]


def check(key: str, e: Experiment) -> tuple[Condition, ...]:
    """Train this experiment and say which conditions of the challenge it meets."""
    return CHALLENGES[key].judge(train(Sweep((e,))))


def _few(run: Run) -> tuple[Condition, ...]:
    e, loss = run.experiment, float(run.loss[-1, 0])
    count = e.rank * (e.d_in + e.d_out)
    return (
        Condition(say("the loss is below 0.01"), number(loss), loss < 0.01),
        Condition(say("at most 200 parameters are trained"), str(count), count <= 200),
    )


def _lost_in_bf16(run: Run) -> tuple[Condition, ...]:
    if run.diverged_at[0] >= 0:  # its last finite state may be too large to merge in half precision
        at = say("training diverged at step {at}", at=int(run.diverged_at[0]))
        return tuple(Condition(text, at, False) for text in (say("ΔW is not 0"), say(UNCHANGED)))
    delta = run.delta_weight()[run.last()]
    size = float(np.linalg.norm(delta) / np.linalg.norm(run.task.base_weight))
    share = float(merge_report(run, sizes=(size,)).unchanged[0, 3]) if size else 1.0
    return (
        Condition(say("ΔW is not 0"), say("{size} of ‖W‖", size=number(size)), size > 0),
        Condition(say(UNCHANGED), percent(share), share >= 0.9),
    )


def _a_moved(run: Run) -> float:
    return float(np.abs(run.A[0] - run.A[0][0]).max())


def _still(run: Run) -> tuple[Condition, ...]:
    moved, e = _a_moved(run), run.experiment
    return (
        Condition(
            say("A is exactly the same after {steps} steps", steps=e.steps),
            say("moved by {moved}", moved=number(moved)),
            moved == 0,
        ),
        Condition(
            say("and A is not frozen"),
            say("frozen: none") if e.frozen == "none" else say("frozen: {factor}", factor=e.frozen),
            e.frozen == "none",
        ),
    )


def _still_and_learning(run: Run) -> tuple[Condition, ...]:
    moved, share = _a_moved(run), float(run.loss[run.last(), 0] / run.loss[0, 0])
    return (
        Condition(say("A is exactly the same at the end"), say("moved by {moved}", moved=number(moved)), moved == 0),
        Condition(say("the loss fell below a quarter"), say("{share} % left", share=number(100 * share)), share < 0.25),
    )


def _diverging(run: Run) -> tuple[Condition, ...]:
    at, lr = int(run.diverged_at[0]), run.experiment.lr
    return (
        Condition(say("training diverges"), say("at step {at}", at=at) if at >= 0 else say("it did not"), at >= 0),
        Condition(say("at a learning rate of at most 0.05"), number(lr), lr <= 0.05),
    )


def _rank_one(run: Run) -> tuple[Condition, ...]:
    e, last = run.experiment, run.delta_weight()[run.last()]
    rank = ranks(np.linalg.svd(last, compute_uv=False), bound=e.rank).numerical
    return (
        Condition(say("ΔW ends with numerical rank 1"), str(rank), rank == 1),
        Condition(say("although r = 8 is allowed"), f"r = {e.rank}", e.rank == 8),
    )


def _clean(run: Run) -> tuple[Condition, ...]:
    target = run.task.target_delta
    off = float(np.linalg.norm(run.delta_weight()[run.last()] - target) / np.linalg.norm(target))
    return (Condition(say("ΔW is within 25 % of the clean target"), say("{off:.1f} % off", off=100 * off), off < 0.25),)


def _high_rank(run: Run) -> tuple[Condition, ...]:
    e, share = run.experiment, float(run.loss[run.last(), 0] / run.loss[0, 0])
    return (
        Condition(
            say("after 100 steps of SGD less than 10 % of the loss is left"), f"{number(100 * share)} %", share < 0.1
        ),
        Condition(
            say("at rank 24 and η = 0.005"),
            say("rank {rank}, η = {lr}", rank=e.rank, lr=number(e.lr)),
            e.rank == 24 and e.lr == 0.005,
        ),
    )


_RANKS, _ALPHAS = (1, 2, 3, 4, 6, 8), (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
_RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1)
_STARTS, _RULES, _FROZEN = ("B_zero", "A_zero", "both_zero", "both_random"), ("sgd", "adam"), CHOICES["frozen"]
_BASE = Experiment(target_rank=3, optimizer="sgd", lr=0.002, steps=100)


def _from(**changes: Any) -> Experiment:
    return replace(_BASE, **changes)


CHALLENGES: dict[str, Challenge] = {
    "few": Challenge(
        to_say("Few parameters"),
        to_say("Bring the loss below 0.01 with at most 200 trainable parameters."),
        _from(rank=8, steps=300),
        {"rank": _RANKS, "optimizer": _RULES, "lr": _RATES, "alpha": _ALPHAS},
        to_say("The target has rank 3; a layer of 24×32 pays 56 numbers for each rank."),
        "rank",
        _few,
    ),
    "bf16": Challenge(
        to_say("Lost in bf16"),
        to_say("Train an update that bf16 loses: merged, 90 % of the weights stay as they are."),
        _from(d_in=32, d_out=32, optimizer="adam", lr=0.02),
        {"optimizer": _RULES, "lr": _RATES, "alpha": _ALPHAS, "steps": (50, 100, 200)},
        to_say("What counts is the size of ΔW against W. Half a bf16 step is a 512th of a number."),
        "merge",
        _lost_in_bf16,
    ),
    "still": Challenge(
        to_say("A does not move"),
        to_say("Make A stay exactly as it is, without freezing it."),
        _from(lr=0.02),
        {"init": _STARTS, "frozen": _FROZEN, "lr": _RATES, "rank": _RANKS},
        to_say("∇A = s·Bᵀ G. When is it 0 at every step?"),
        "gradient_flow",
        _still,
    ),
    "still_learning": Challenge(
        to_say("A frozen, and learning"),
        to_say("Keep A exactly as it began, and bring the loss below a quarter of the first."),
        _from(optimizer="adam", lr=0.02, steps=300, target_rank=2),
        {"init": _STARTS, "frozen": _FROZEN, "rank": (2, 4, 8, 16, 24), "lr": _RATES},
        to_say("A frozen A must already see the directions that matter. How many does it see?"),
        "machine",
        _still_and_learning,
    ),
    "diverge": Challenge(
        to_say("Too much"),
        to_say("Make training diverge with a learning rate of at most 0.05."),
        _from(lr=0.02),
        {"lr": _RATES, "alpha": _ALPHAS, "scaling_rule": CHOICES["scaling_rule"], "rank": _RANKS},
        to_say("η is not the only thing that scales a step."),
        "phase_map",
        _diverging,
    ),
    "rank_one": Challenge(
        to_say("One direction"),
        to_say("Let an adapter of r = 8 end with a ΔW of numerical rank 1."),
        _from(rank=8, lr=0.02),
        {"samples": (1, 2, 4, 64, 256), "optimizer": _RULES, "init": _STARTS, "rank": _RANKS},
        to_say("The shapes only bound the rank. What else does?"),
        "rank_over_time",
        _rank_one,
    ),
    "clean": Challenge(
        to_say("Not the noise"),
        to_say("The labels are noisy. Come within 25 % of the clean target all the same."),
        _from(rank=8, noise=1.0, samples=128, optimizer="adam", lr=0.02, steps=300, target_rank=2, spectrum="flat"),
        {"rank": _RANKS, "alpha": _ALPHAS, "lr": _RATES, "steps": (50, 100, 200, 300)},
        to_say("Each direction beyond the target's has room for noise."),
        "overfit",
        _clean,
    ),
    "high_rank": Challenge(
        to_say("High rank, same η"),
        to_say("Leave less than 10 % of the loss at rank 24, with SGD at η = 0.005 and 100 steps."),
        _from(rank=24, lr=0.005, target_rank=4),
        {"scaling_rule": CHOICES["scaling_rule"], "alpha": _ALPHAS, "init": _STARTS, "rank": (4, 8, 16, 24)},
        to_say("α/r divides by 24."),
        "scaling_training",
        _high_rank,
    ),
}
