"""An adapter merged into a model that is stored in few bits: what is left of the update after rounding to the grid."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.networks.adapter_batch import AdapterBatch
from lora_viz.networks.llama import GROUPS, Llama

__all__ = ["FORMATS", "Left", "merged", "rounded", "what_is_left"]

FORMATS = ("Q8_0", "Q4_0", "Q4_1")
BLOCK = 32  # weights that share a scale


class Left(NamedTuple):
    """What rounding does to the merged update, over all entries of the adapted matrices.

    ``moved`` is the share of entries whose stored value is not the stored base's; ``kept`` is the part of ΔW, along
    itself, that the stored weights have gained over the stored base, ⟨Q(W + ΔW) − Q(W), ΔW⟩/‖ΔW‖²; ``step`` the
    median step of the grid over the median size of an entry of ΔW.
    """

    moved: float
    kept: float
    step: float


def rounded(weight: Float[np.ndarray, "o i"], name: str) -> Float[np.ndarray, "o i"]:
    """The matrix as one of the FORMATS stores it, in blocks of 32 along its rows; "fp32" is the matrix itself."""
    if name == "fp32":
        return weight
    import gguf

    kind = gguf.GGMLQuantizationType[name]
    return np.asarray(gguf.quants.dequantize(gguf.quants.quantize(weight, kind), kind), dtype=np.float32)


def updates(
    model: Llama, adapters: AdapterBatch
) -> dict[str, tuple[Float[np.ndarray, "o i"], Float[np.ndarray, "o i"]]]:
    """Base weight and ΔW of every matrix that the first adapter moves, by the weight's name."""
    weights, found = model.weights(), {}
    scaling = float(adapters.scaling[0])
    for (i, module), (A, B) in adapters.factors(0).items():
        part = "self_attn" if module in (*GROUPS["qkv"], *GROUPS["o"]) else "mlp"
        name = f"model.layers.{i}.{part}.{module}.weight"
        found[name] = (weights[name].numpy(), (scaling * (B @ A)).astype(np.float32))
    return found


def merged(model: Llama, adapters: AdapterBatch, name: str) -> Llama:
    """The model with the first adapter merged into its weights, the adapted matrices then stored in this format."""
    weights: dict[str, Tensor] = model.weights()
    for place, (base, delta) in updates(model, adapters).items():
        weights[place] = torch.from_numpy(np.ascontiguousarray(rounded(base + delta, name)))
    return Llama(model.shape, weights)


def what_is_left(model: Llama, adapters: AdapterBatch, name: str) -> Left:
    """How much of the update the stored weights hold."""
    moved = entries = 0
    inner = energy = 0.0
    steps, sizes = [], []
    for base, delta in updates(model, adapters).values():
        before, after = rounded(base, name), rounded(base + delta, name)
        change = (after - before).astype(float)
        moved += int((change != 0).sum())
        entries += change.size
        inner += float((change * delta).sum())
        energy += float((delta.astype(float) ** 2).sum())
        steps.append(_steps(after))
        sizes.append(np.abs(delta).ravel())
    step = float(np.median(np.concatenate(steps))) if name != "fp32" else 0.0
    return Left(moved / entries, inner / energy, step / float(np.median(np.concatenate(sizes))))


def _steps(stored: Float[np.ndarray, "o i"]) -> Float[np.ndarray, "n"]:
    """The smallest difference of two values in each block: the step of its grid, where two neighbours are taken."""
    blocks = np.sort(stored.reshape(-1, BLOCK), axis=1)
    apart = np.diff(blocks, axis=1)
    return np.where(apart > 0, apart, np.inf).min(axis=1)
