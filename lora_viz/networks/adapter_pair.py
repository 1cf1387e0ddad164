"""Two adapters on one base: trained in one batch, then switched, mixed, averaged and added."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.core.progress import Progress
from lora_viz.core.spectra import orthonormal_columns
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.i18n.language import say
from lora_viz.networks.adapting import (
    HIDDEN,
    Data,
    Trainer,
    accuracies,
    batch_order,
    digits_data,
    pretrained,
    train_together,
)
from lora_viz.networks.digits import DigitsExperiment, PairExperiment, PairRun, digit_stream
from lora_viz.networks.mlp import Adapted, Dense, Network

__all__ = ["adapt_pair", "as_digits", "first_factors_of_two", "with_deltas"]

WEIGHTS = np.linspace(0, 1, 21)
GRID = np.linspace(0, 1.25, 11)


def with_deltas(base: Network, first: Float[Tensor, "S h d"], second: Float[Tensor, "S h h"]) -> Dense:
    """The networks with these updates folded into both hidden layers."""
    w1, b1, w2, b2, w3, b3 = base
    return Dense((w1 + first, b1, w2 + second, b2, w3, b3))


@each_step_in_one_thread
@torch.inference_mode()
def adapt_pair(e: PairExperiment) -> Iterator[Progress | PairRun]:
    """Pretrain, adapt to both tasks as one batch, then try the mixtures: progress first, the run last."""
    d = as_digits(e)
    base: Network | None = None
    for item in pretrained(d):
        if isinstance(item, Progress):
            yield Progress(0.3 * item.share, say("reading upright digits"))
        else:
            base = item
    assert base is not None
    tasks = [digits_data(d, "rotated"), digits_data(d, e.second), digits_data(d, "upright")]
    both = Data(*(torch.cat([a, b]) for a, b in zip(tasks[0], tasks[1], strict=True)))
    factors = first_factors_of_two(e)
    w1, b1, w2, b2, w3, b3 = (torch.cat([part, part]) for part in base)
    scaling = e.alpha / e.rank
    family = Adapted((w1, b1, w2, b2, w3, b3), factors, torch.tensor([scaling]))
    order = batch_order(d, "adapting", e.steps, tasks[0].x.shape[1])
    chunks = [*range(25, e.steps, 25), e.steps]
    for done in train_together([Trainer(family, e.lr)], both, order, e.steps, chunks, groups=2):
        yield Progress(0.3 + 0.5 * done / max(1, e.steps), say("two adapters at once"))

    pairs = [part[:, 0].unflatten(0, (2, e.members)) for part in (family.A1, family.B1, family.A2, family.B2)]
    A1, B1, A2, B2 = pairs
    delta1, delta2 = scaling * B1 @ A1, scaling * B2 @ A2

    def tried(v: float, w: float) -> np.ndarray:
        return _tried(with_deltas(base, v * delta1[0] + w * delta1[1], v * delta2[0] + w * delta2[1]), tasks)

    mixed, averaged, difference = [], [], []
    for w in WEIGHTS:
        v = 1 - float(w)
        mean = [v * x[0] + float(w) * x[1] for x in pairs]
        wrong = scaling * mean[1] @ mean[0], scaling * mean[3] @ mean[2]
        right = v * delta1[0] + float(w) * delta1[1]
        mixed.append(tried(v, float(w)))
        averaged.append(_tried(with_deltas(base, *wrong), tasks))
        difference.append(((wrong[0] - right).flatten(1).norm(dim=1) / right.flatten(1).norm(dim=1)).numpy())
        yield Progress(0.8 + 0.1 * float(w), say("mixtures"))
    grid = []
    for i, v in enumerate(GRID):
        grid.append([tried(float(v), float(w)) for w in GRID])
        yield Progress(0.9 + 0.1 * (i + 1) / len(GRID), say("weights"))
    yield PairRun(
        experiment=e,
        weight=WEIGHTS,
        mixed=np.stack(mixed),
        averaged=np.stack(averaged),
        difference=np.stack(difference).astype(float),
        grid_weight=GRID,
        grid=np.array(grid),
        base=_tried(Dense(base), tasks),
        A=A1[:, 0].double().numpy(),
        B=B1[:, 0].double().numpy(),
        scaling=scaling,
        inputs=np.array([_overlap(A1[0, s].mT, A1[1, s].mT) for s in range(e.members)]),
        outputs=np.array([_overlap(B1[0, s], B1[1, s]) for s in range(e.members)]),
        reach=np.stack([_reach(tasks[i].x_test, delta1[i], delta1[1 - i]) for i in range(2)]),
    )


def as_digits(e: PairExperiment) -> DigitsExperiment:
    """The first of the two adaptations, as the page on digits would run it."""
    return DigitsExperiment(
        change="rotated", alpha=e.alpha, lr=e.lr, steps=e.steps, batch=e.batch, members=e.members, seed=e.seed
    )


def first_factors_of_two(e: PairExperiment) -> tuple[Float[Tensor, "both 1 r 64"], Float[Tensor, "both 1 r h"]]:
    """A of both hidden layers at step 0: all members' for the first task, then for the second."""
    return _first_A(e, 0, 64), _first_A(e, 1, HIDDEN)


def _first_A(e: PairExperiment, layer: int, width: int) -> Float[Tensor, "both 1 r d"]:
    drawn = [
        digit_stream("A of two", e.seed, member, layer, task).uniform(-1, 1, (e.rank, width))
        for task in range(2)
        for member in range(e.members)
    ]
    return torch.tensor(np.stack(drawn)[:, None] / math.sqrt(width), dtype=torch.float32)


def _tried(networks: Dense, tasks: list[Data]) -> Float[np.ndarray, "3 S"]:
    return np.stack([accuracies(networks.logits(task.x_test), task.y_test) for task in tasks])


def _reach(x: Float[Tensor, "S t d"], own: Float[Tensor, "S h d"], other: Float[Tensor, "S h d"]) -> np.ndarray:
    sizes = [(x @ delta.mT).double().flatten(1).norm(dim=1).numpy() for delta in (other, own)]
    with np.errstate(invalid="ignore"):  # without a step both are 0
        return sizes[0] / sizes[1]


def _overlap(left: Float[Tensor, "d r"], right: Float[Tensor, "d r"]) -> float:
    """φ of the LoRA paper, §7.2: ‖UᵀV‖²_F / r, 1 for the same subspace, r/d expected of random ones."""
    u, v = (orthonormal_columns(x.double().numpy()) for x in (left, right))
    least = min(u.shape[1], v.shape[1])
    return float(np.sum((u.T @ v) ** 2) / least) if least else 0.0
