"""What ``docs/make_ten_sentences.py`` recorded of SmolLM2: a training, its adapter, and that adapter's strength."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.smollm2 import SMOLLM2

__all__ = [
    "ADAPTER",
    "AGAIN",
    "STORED",
    "STRENGTH",
    "TRAINED",
    "ChatRun",
    "StoredRun",
    "StrengthRun",
    "adapter_names",
    "recorded_again",
    "recorded_stored",
    "recorded_strength",
    "recorded_training",
    "scaled",
    "shipped_adapter",
]

_DATA = Path(__file__).parent / "data" / "chat"
TRAINED, STRENGTH, STORED = _DATA / "pirate.json", _DATA / "strength.json", _DATA / "stored.json"
ADAPTER, AGAIN = _DATA / "pirate_r1.npz", _DATA / "second_seed.json"


class ChatRun(NamedTuple):
    """A training: at each recorded step what is answered to every held-out question, how many answers have the style,
    the perplexity of the neutral text, and ‖ΔW‖ by layer and module; the loss before every step. ``style`` is empty
    where none is counted. ``factors`` are A and B at the end under PEFT's names.
    """

    spec: AdapterSpec
    steps: Int[np.ndarray, "T"]
    answers: tuple[tuple[str, ...], ...]
    style: Int[np.ndarray, "T"]
    perplexity: Float[np.ndarray, "T"]
    norm: Float[np.ndarray, "T L M"]
    losses: Float[np.ndarray, "S"]
    tokens: int
    factors: dict[str, np.ndarray]


class StrengthRun(NamedTuple):
    """The same measured with the adapter scaled by each ``strength`` when it is used."""

    strength: Float[np.ndarray, "T"]
    answers: tuple[tuple[str, ...], ...]
    style: Int[np.ndarray, "T"]
    perplexity: Float[np.ndarray, "T"]


class StoredRun(NamedTuple):
    """The same measured with the adapter merged and stored in each of the ``formats``, the first two unrounded.

    ``moved``, ``kept`` and ``step`` as in ``chat_storing.Left``.
    """

    formats: tuple[str, ...]
    moved: Float[np.ndarray, "T"]
    kept: Float[np.ndarray, "T"]
    step: Float[np.ndarray, "T"]
    answers: tuple[tuple[str, ...], ...]
    style: Int[np.ndarray, "T"]
    perplexity: Float[np.ndarray, "T"]


@lru_cache(maxsize=1)
def recorded_training() -> ChatRun:
    """As it is shipped."""
    held = json.loads(TRAINED.read_text(encoding="utf-8"))
    frames = held["frames"]
    spec = AdapterSpec(rank=held["rank"], modules=tuple(held["modules"]), scaling=held["scaling"], lr=held["lr"],
                       seed=held["seed"])  # fmt: skip
    return ChatRun(
        spec=spec,
        steps=np.array([frame["step"] for frame in frames]),
        norm=np.array([frame["norm"] for frame in frames]),
        losses=np.array(held["losses"], dtype=float),
        tokens=held["tokens"],
        factors=adapter_names(shipped_adapter(spec)),
        **_measured(frames),
    )


@lru_cache(maxsize=1)
def recorded_strength() -> StrengthRun:
    """As it is shipped, the least strength first."""
    frames = json.loads(STRENGTH.read_text(encoding="utf-8"))
    return StrengthRun(strength=np.array([frame["strength"] for frame in frames], dtype=float), **_measured(frames))


@lru_cache(maxsize=1)
def recorded_stored() -> StoredRun:
    """As it is shipped."""
    frames = json.loads(STORED.read_text(encoding="utf-8"))
    numbers: dict[str, Any] = {name: np.array([frame[name] for frame in frames]) for name in ("moved", "kept", "step")}
    return StoredRun(formats=tuple(frame["format"] for frame in frames), **numbers, **_measured(frames))


class AgainRun(NamedTuple):
    """The same adapter trained with a second seed: style by strength, and by format with ``kept``."""

    seed: int
    strength: Float[np.ndarray, "T"]
    style: Int[np.ndarray, "T"]
    perplexity: Float[np.ndarray, "T"]
    formats: tuple[str, ...]
    stored_style: Int[np.ndarray, "F"]
    kept: Float[np.ndarray, "F"]


@lru_cache(maxsize=1)
def recorded_again() -> AgainRun:
    """As it is shipped, the least strength first."""
    held = json.loads(AGAIN.read_text(encoding="utf-8"))
    at, stored = held["strength"], held["stored"]
    return AgainRun(
        seed=held["seed"], strength=np.array([a["strength"] for a in at], dtype=float),
        style=np.array([a["style"] for a in at]), perplexity=np.array([a["perplexity"] for a in at], dtype=float),
        formats=tuple(s["format"] for s in stored), stored_style=np.array([s["style"] for s in stored]),
        kept=np.array([s["kept"] for s in stored], dtype=float),
    )  # fmt: skip


def _measured(frames: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "answers": tuple(tuple(frame["answers"]) for frame in frames),
        "style": np.array([frame["style"] for frame in frames]),
        "perplexity": np.array([frame["perplexity"] for frame in frames], dtype=float),
    }


def adapter_names(adapters: AdapterBatch) -> dict[str, np.ndarray]:
    """The factors of the first adapter as PEFT's files name them."""
    return adapters.named_factors(0)


def shipped_adapter(spec: AdapterSpec | None = None) -> AdapterBatch:
    """The adapter at the end of the recorded training."""
    found = AdapterBatch(SMOLLM2, [spec or recorded_training().spec])
    with np.load(ADAPTER, allow_pickle=False) as file, torch.no_grad():
        for i, module in found.places:
            for letter, held in (("A", found.A), ("B", found.B)):
                held[i, module][0].copy_(torch.from_numpy(file[f"{i}.{module}.{letter}"]))
    return found


def scaled(adapters: AdapterBatch, strength: float) -> AdapterBatch:
    """The same adapters, their scaling times ``strength``; they share their factors with the given ones."""
    adapters.scaling = adapters.scaling * strength
    return adapters
