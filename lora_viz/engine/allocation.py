"""Several layers that share one budget of ranks: AdaLoRA prunes all of them together, live."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from lora_viz.core.experiment import Experiment, ExperimentError
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.run import Allocation, recorded_steps
from lora_viz.engine.dense import train_dense
from lora_viz.engine.history import LONGEST_STEP
from lora_viz.engine.threads import one_thread
from lora_viz.i18n.language import say
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants.adalora import PrunedTriplets

__all__ = ["INITIAL", "TRUE_RANKS", "allocate", "members_of"]

TRUE_RANKS = (1, 2, 4, 8)  # of what the four layers are to learn
INITIAL = 10  # triplets that each of them begins with
APART = 1000  # seeds between one set of layers and the next


def members_of(experiment: Experiment, model: int) -> list[Experiment]:
    """What the four layers of one set are to learn."""
    first = (experiment.seed + APART * model) * len(TRUE_RANKS)
    return [
        replace(experiment, variant="adalora", target_rank=rank, seed=first + layer)
        for layer, rank in enumerate(TRUE_RANKS)
    ]


@one_thread()
def allocate(experiment: Experiment, budget: int, *, models: int = 8, records: int = 81) -> Allocation:
    """Train ``models`` sets of four layers at once, each set with one budget of ``budget`` triplets in all.

    The layers stand side by side: layer i learns a target of rank TRUE_RANKS[i] of its own, with its own W and data;
    what they share is the budget (Q. Zhang et al. 2023, arXiv:2303.10512). Raises ExperimentError for a budget that
    is none.
    """
    layers, most = len(TRUE_RANKS), len(TRUE_RANKS) * INITIAL
    if not layers <= budget <= most:
        raise ExperimentError(
            say(
                "budget={budget} is out of range. Valid values: {layers} to {most}.",
                budget=budget,
                layers=layers,
                most=most,
            )
        )
    e = replace(experiment, variant="adalora")
    own = [x for model in range(models) for x in members_of(experiment, model)]
    tasks = [make_task(x) for x in own]
    covariance = np.stack([task.input_covariance for task in tasks])
    cross = np.stack([task.cross_covariance for task in tasks])
    form = PrunedTriplets(layers=layers, initial=INITIAL, total=budget)
    steps = recorded_steps(e.steps, records)
    with torch.inference_mode():
        statistics = torch.tensor(covariance), torch.tensor(cross), torch.tensor(cross)
        members = train_dense(
            [(x, form) for x in own],
            tasks[0],
            lambda k: statistics,
            kept=steps,
            longest_step=LONGEST_STEP,
            device="cpu",
        )
    values, kept = (np.stack([member.parameters[name][..., 0] for member in members]) for name in ("E", "kept"))
    left = np.empty((len(members), len(steps)))
    for i, (member, task) in enumerate(zip(members, tasks, strict=True)):
        wrong = FactoredMatrix(member.A, member.B, e.scaling).dense() - task.target_delta
        left[i] = np.sum((wrong @ task.input_covariance) * wrong, axis=(1, 2))
        left[i] /= np.sum((task.target_delta @ task.input_covariance) * task.target_delta)
        if member.diverged_at >= 0:
            left[i, np.array(steps) > member.diverged_at] = np.nan
    plan = form.schedule(own, INITIAL)
    return Allocation(
        steps=np.array(steps),
        true_ranks=TRUE_RANKS,
        budget=np.array([plan.budget(max(0, k - 1)) for k in steps]),
        prunes_from=plan.first,
        prunes_to=plan.last,
        values=values.reshape(models, layers, len(steps), INITIAL).transpose(0, 2, 1, 3),
        kept=kept.sum(axis=-1).astype(int).reshape(models, layers, len(steps)).transpose(0, 2, 1),
        left=left.reshape(models, layers, len(steps)).transpose(0, 2, 1),
        sigma=np.stack([np.linalg.svd(t.target_delta, compute_uv=False)[:INITIAL] for t in tasks[:layers]]),
        trained_numbers=len(TRUE_RANKS) * INITIAL * (e.d_in + e.d_out + 1),
    )
