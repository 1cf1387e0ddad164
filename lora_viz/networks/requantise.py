"""An update merged into a quantised base, and what is left of it: real weights, real adapter, three formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from lora_viz.core.progress import Progress
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.i18n.language import say
from lora_viz.layer.quantise import nf4
from lora_viz.networks.adapting import (
    Trainer,
    accuracies,
    batch_order,
    digits_data,
    first_factors,
    pretrained,
    train_together,
)
from lora_viz.networks.digits import DigitsExperiment
from lora_viz.networks.mlp import Adapted, Dense, Network

__all__ = ["FORMATS", "RequantiseRun", "level", "merge_quantised", "requantised", "uniform"]

SIZES = np.geomspace(1e-3, 1, 31)


def uniform(weight: Float[np.ndarray, "m n"], *, levels: int, block: int | None = None) -> Float[np.ndarray, "m n"]:
    """A weight rounded to even levels from −levels to levels, with one scale a block of entries, or a row."""
    flat = weight.reshape(-1, block or weight.shape[1])
    scale = np.abs(flat).max(axis=1, keepdims=True) / levels
    return (np.round(flat / np.where(scale > 0, scale, 1.0)) * scale).reshape(weight.shape)


FORMATS: dict[str, Callable[[Float[np.ndarray, "m n"]], Float[np.ndarray, "m n"]]] = {
    "int8": lambda w: uniform(w, levels=127),
    "int4": lambda w: uniform(w, levels=7, block=64),
    "NF4": nf4,
}


def level(stored: Float[np.ndarray, "m n"], block: int = 64) -> Float[np.ndarray, "blocks block"]:
    """The level of each stored weight, from −1 to 1: its block's largest is ±1 in every format here."""
    flat = stored.reshape(-1, block)
    most = np.abs(flat).max(axis=1, keepdims=True)
    return flat / np.where(most > 0, most, 1.0)


class RequantiseRun(NamedTuple):
    """One row a size ρ = ‖ΔW‖/‖W‖ or one entry a format, the last axis the member networks.

    ``base_error`` is ‖Q(W) − W‖/‖W‖. ΔW is merged into Q(W) and the sum quantised again: ``lost`` is the relative
    error of the update that arrived, ``kept_level`` the share of weights that stay on their level. ``apart`` and
    ``merged`` are accuracies on the changed digits at the trained size (``natural``), the adapter riding on Q(W) or
    merged into it so; ``plain`` that on the float32 base, ``before`` that of Q(W) alone. ``delta`` and ``arrived`` are
    those of the first member and layer.
    """

    rank: int
    sizes: Float[np.ndarray, "T"]
    base_error: Float[np.ndarray, "F S"]
    lost: Float[np.ndarray, "T F S"]
    kept_level: Float[np.ndarray, "T F S"]
    natural: Float[np.ndarray, "S"]
    plain: Float[np.ndarray, "S"]
    apart: Float[np.ndarray, "F S"]
    merged: Float[np.ndarray, "F S"]
    before: Float[np.ndarray, "F S"]
    delta: Float[np.ndarray, "T h d"]
    arrived: Float[np.ndarray, "T F h d"]


def requantised(
    weight: Float[np.ndarray, "m n"], delta: Float[np.ndarray, "m n"], name: str
) -> tuple[Float[np.ndarray, "m n"], Float[np.ndarray, "m n"]]:
    """Q(W), and Q(Q(W) + ΔW): the base as stored, and what is stored after the merge."""
    stored = FORMATS[name](weight)
    return stored, FORMATS[name](stored + delta)


@each_step_in_one_thread
@torch.inference_mode()
def merge_quantised(e: DigitsExperiment, rank: int) -> Iterator[Progress | RequantiseRun]:
    """Pretrain, adapt with one rank, then merge into each format at each size: progress first, the run last."""
    base: Network | None = None
    for item in pretrained(e):
        if isinstance(item, Progress):
            yield Progress(0.4 * item.share, say("reading upright digits"))
        else:
            base = item
    assert base is not None
    data = digits_data(e, e.change)
    scaling = e.alpha / rank
    family = Adapted(base, first_factors(e, (rank,)), torch.tensor([scaling]))
    order = batch_order(e, "adapting", e.steps, data.x.shape[1])
    for done in train_together([Trainer(family, e.lr)], data, order, e.steps, [*range(25, e.steps, 25), e.steps]):
        yield Progress(0.4 + 0.4 * done / max(1, e.steps), say("the adapter"))
    factors = ((family.A1, family.B1), (family.A2, family.B2))
    deltas = [(scaling * B[:, 0] @ A[:, 0]).double().numpy() for A, B in factors]
    weights = [base[i].double().numpy() for i in (0, 2)]

    def read(w1: np.ndarray, w2: np.ndarray) -> np.ndarray:
        network = Dense((_single(w1), base[1], _single(w2), base[3], base[4], base[5]))
        return accuracies(network.logits(data.x_test), data.y_test)

    apart, merged, before, base_error = [], [], [], []
    for name in FORMATS:
        pairs = [
            [requantised(w, d, name) for w, d in zip(layer, delta, strict=True)]
            for layer, delta in zip(weights, deltas, strict=True)
        ]
        stored = [np.stack([q for q, _ in layer]) for layer in pairs]
        before.append(read(*stored))
        apart.append(read(*(q + d for q, d in zip(stored, deltas, strict=True))))
        merged.append(read(*(np.stack([m for _, m in layer]) for layer in pairs)))
        base_error.append(_relative(stored[0] - weights[0], weights[0]))
    size = _relative(deltas[0], weights[0])
    unit = deltas[0] / np.where(size > 0, size, 1.0)[:, None, None]
    lost, kept_level, arrived = [], [], []
    for t, rho in enumerate(SIZES):
        rows, levels = [], []
        for name in FORMATS:
            both = [requantised(w, rho * d, name) for w, d in zip(weights[0], unit, strict=True)]
            rows.append(np.stack([m - q for q, m in both]))
            levels.append([np.isclose(level(q), level(m), atol=1e-9).mean() for q, m in both])
        came = np.stack(rows)
        lost.append(_relative(came - rho * unit, rho * unit))
        kept_level.append(levels)
        arrived.append(came[:, 0])
        yield Progress(0.8 + 0.2 * (t + 1) / len(SIZES), say("merging"))
    yield RequantiseRun(
        rank=rank,
        sizes=SIZES,
        base_error=np.stack(base_error),
        lost=np.stack(lost),
        kept_level=np.array(kept_level),
        natural=size,
        plain=read(*(w + d for w, d in zip(weights, deltas, strict=True))),
        apart=np.stack(apart),
        merged=np.stack(merged),
        before=np.stack(before),
        delta=SIZES[:, None, None] * unit[0],
        arrived=np.stack(arrived),
    )


def _single(weight: np.ndarray) -> torch.Tensor:
    return torch.tensor(weight, dtype=torch.float32)


def _relative(wrong: np.ndarray, right: np.ndarray) -> np.ndarray:
    """‖wrong‖/‖right‖ over the last two axes; 0 where there is nothing to be wrong about."""
    size = np.linalg.norm(right, axis=(-2, -1))
    return np.linalg.norm(wrong, axis=(-2, -1)) / np.where(size > 0, size, 1.0)
