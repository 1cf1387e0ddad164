"""Two adapters of the names model, each for another language: mixed by weight, and switched in the middle of a name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.core.progress import Progress
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.llama import Llama
from lora_viz.networks.names import DATA, LONGEST, SHAPE, loss_of_names, name_stream, names_model, names_of, sampled
from lora_viz.networks.names_training import NamesExperiment, trained_names

__all__ = ["SHIPPED_MIX", "MixedNames", "Switched", "mixed_names", "shipped_mix", "side_by_side"]

RANK, STEPS, LR, TESTED, SHOWN, LETTERS, FRAMES = 4, 100, 0.005, 96, 6, 3, 11
SHIPPED_MIX = DATA / "names_mixed.json"


class MixedNames(NamedTuple):
    """At each weight of the second adapter (the first has the rest): losses in nats a letter on held-out names of both
    languages and of English, and names from the same random numbers. ``switched`` are names whose first LETTERS letters
    were written by the first adapter alone and the others by the second.
    """

    first: str
    second: str
    weight: Float[np.ndarray, "T"]
    loss_first: Float[np.ndarray, "T"]
    loss_second: Float[np.ndarray, "T"]
    loss_english: Float[np.ndarray, "T"]
    base: Float[np.ndarray, "3"]
    said: tuple[tuple[str, ...], ...]
    switched: tuple[str, ...]
    base_said: tuple[str, ...]


class Switched:
    """One adapter for so many runs of the model, then another: each run is one letter more."""

    count = 1

    def __init__(self, first: Any, second: Any, after: int) -> None:
        self.first, self.second, self.after, self.runs = first, second, after, 0

    def product(
        self, x: Float[Tensor, "E N i"], weight: Float[Tensor, "o i"], layer: int, group: str
    ) -> Float[Tensor, "G N o"]:
        """As the adapter whose turn it is."""
        if layer == 0 and group == "qkv":
            self.runs += 1
        found: Tensor = (self.first if self.runs <= self.after else self.second).product(x, weight, layer, group)
        return found


@torch.no_grad()
def side_by_side(parts: tuple[AdapterBatch, AdapterBatch], weights: Float[np.ndarray, "T 2"]) -> AdapterBatch:
    """One adapter a row of weights, Σ wᵢ·BᵢAᵢ, of the first adapter of each batch: their ranks next to each other."""
    rank = sum(part.specs[0].rank for part in parts)
    found = AdapterBatch(SHAPE, [AdapterSpec(rank=rank)] * len(weights))
    for place in found.places:
        for g, row in enumerate(weights):
            found.A[place][g] = torch.cat([part.A[place][0] for part in parts])
            found.B[place][g] = torch.cat(
                [float(w) * part.B[place][0] for w, part in zip(row, parts, strict=True)], dim=1
            )
    return found


@each_step_in_one_thread
def mixed_names(first: str, second: str, seed: int) -> Iterator[Progress | MixedNames]:
    """Progress first, then what the two adapters do together. Raises ExperimentError: no such names."""
    model = names_model()
    parts: list[AdapterBatch] = []
    for i, language in enumerate((first, second)):
        spec = AdapterSpec(rank=RANK, lr=LR, seed=seed + 1000 * i)
        e = NamesExperiment(specs=(spec,), language=language, steps=STEPS, seed=seed)
        for k, held in trained_names(e, model):
            yield Progress(0.02 + 0.45 * (i + k / max(1, STEPS)))
            parts[i:] = [held]
    weight = np.linspace(0, 1, FRAMES)
    mixture = side_by_side((parts[0], parts[1]), np.stack([1 - weight, weight], axis=1))
    draws = name_stream("shown", seed).random((SHOWN, LONGEST + 1))
    switched = sampled(model, Switched(parts[0], parts[1], LETTERS), draws)[0]
    own, other, english = (_losses(model, language, mixture) for language in (first, second, "english"))
    yield MixedNames(
        first=first, second=second, weight=weight, loss_first=own, loss_second=other, loss_english=english,
        base=np.array([_losses(model, language, None)[0] for language in (first, second, "english")]),
        said=tuple(map(tuple, sampled(model, mixture, draws))), switched=tuple(switched),
        base_said=tuple(sampled(model, side_by_side((parts[0], parts[1]), np.zeros((1, 2))), draws)[0]),
    )  # fmt: skip


def _losses(model: Llama, language: str, adapters: AdapterBatch | None) -> Float[np.ndarray, "T"]:
    with torch.no_grad():
        return loss_of_names(model, names_of(language)[1][:TESTED], adapters)


def written(record: MixedNames) -> str:
    """The record as the file that the lesson opens with."""
    plain = {n: v.tolist() if isinstance(v, np.ndarray) else v for n, v in record._asdict().items()}
    return json.dumps(plain, indent=0) + "\n"


@lru_cache(maxsize=1)
def shipped_mix() -> MixedNames:
    """What ``docs/make_names_shown.py`` wrote."""
    held = json.loads(SHIPPED_MIX.read_text(encoding="utf-8"))
    for name in ("weight", "loss_first", "loss_second", "loss_english", "base"):
        held[name] = np.array(held[name])
    for name in ("said", "switched", "base_said"):
        held[name] = tuple(tuple(row) if isinstance(row, list) else row for row in held[name])
    return MixedNames(**held)
