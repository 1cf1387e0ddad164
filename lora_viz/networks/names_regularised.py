"""Dropout and weight decay on adapters of the names model, over strengths, sizes of data and seeds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float

from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.progress import Progress
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.names import DATA, LONGEST, loss_of_names, name_stream, names_model, names_of, sampled
from lora_viz.networks.names_training import NamesExperiment, trained_names

__all__ = ["MEASURED", "SIZES", "STRENGTHS", "Regularised", "joined_seeds", "recorded_regularised", "regularised"]

STRENGTHS = {"dropout": (0.0, 0.1, 0.3, 0.5, 0.7), "weight_decay": (0.0, 0.1, 1.0, 3.0, 10.0)}
SIZES = (30, 100, 0)  # names to train on, 0: all
RANK, STEPS, BATCH, LR, TESTED, SHOWN = 8, 100, 16, 0.005, 200, 5
MEASURED = DATA / "dropout_decay.json"


class Regularised(NamedTuple):
    """Adapters at the end of training by ``strength``, an array (seeds, strengths) each.

    ``new`` is the loss on held-out names, ``learnt`` on those trained on, ``old`` on English ones, in nats a letter;
    ``nuclear`` the sum of all singular values of ΔW over layers and modules, ``spread`` their effective number
    (Σσ)²/Σσ², the mean over layers and modules. ``said`` are names written by the first seed's, ``base_said`` by the
    base.
    """

    kind: str
    language: str
    examples: int
    strength: Float[np.ndarray, "K"]
    new: Float[np.ndarray, "S K"]
    learnt: Float[np.ndarray, "S K"]
    old: Float[np.ndarray, "S K"]
    nuclear: Float[np.ndarray, "S K"]
    spread: Float[np.ndarray, "S K"]
    said: tuple[tuple[str, ...], ...]
    base_said: tuple[str, ...]
    base_new: float
    base_old: float

    @property
    def seeds(self) -> int:
        """How many were trained."""
        return len(self.new)


@each_step_in_one_thread
def regularised(kind: str, language: str, examples: int, seed: int) -> Iterator[Progress | Regularised]:
    """One seed: all strengths as one batch; the same names in the same order for all of them."""
    specs = tuple(AdapterSpec(rank=RANK, lr=LR, seed=seed, **{kind: v}) for v in STRENGTHS[kind])  # type: ignore[arg-type]
    e = NamesExperiment(specs=specs, language=language, steps=STEPS, batch=BATCH, examples=examples, seed=seed)
    model, (train, test) = names_model(), names_of(language)
    draws = name_stream("shown", 0).random((SHOWN, LONGEST + 1))
    given, english = (train[: examples or TESTED])[:TESTED], names_of("english")[1][:TESTED]

    def losses(held: AdapterBatch | None) -> list[np.ndarray]:
        with torch.no_grad():
            return [loss_of_names(model, names, held) for names in (test[:TESTED], given, english)]

    adapters = None
    for k, adapters in trained_names(e, model):
        if k == 0:
            before, base_said = losses(None), sampled(model, adapters, draws)[0]
        yield Progress(0.95 * k / STEPS)
    assert adapters is not None
    new, learnt, old = losses(adapters)
    sigma = [_spectra(adapters, g) for g in range(len(specs))]
    yield Regularised(
        kind=kind, language=language, examples=examples, strength=np.array(STRENGTHS[kind]), new=new[None],
        learnt=learnt[None], old=old[None], nuclear=np.array([[sum(s.sum() for s in each) for each in sigma]]),
        spread=np.array([[np.mean([s.sum() ** 2 / (s**2).sum() for s in each]) for each in sigma]]),
        said=tuple(map(tuple, sampled(model, adapters, draws))), base_said=tuple(base_said),
        base_new=float(before[0][0]), base_old=float(before[2][0]),
    )  # fmt: skip


def _spectra(adapters: AdapterBatch, g: int) -> list[Float[np.ndarray, "r"]]:
    scaling = adapters.specs[g].scaling
    return [FactoredMatrix(A.astype(float), B.astype(float), scaling).singular_values()
            for A, B in adapters.factors(g).values()]  # fmt: skip


def joined_seeds(runs: list[Regularised]) -> Regularised:
    """Runs of one setting as one."""
    arrays: dict[str, Any] = {name: np.concatenate([getattr(run, name) for run in runs])
              for name in ("new", "learnt", "old", "nuclear", "spread")}  # fmt: skip
    return runs[0]._replace(**arrays)


def as_written(runs: list[Regularised]) -> str:
    """As the shipped file."""

    def plain(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        return [[float(f"{v:.5g}") for v in row] for row in value] if value.ndim == 2 else value.tolist()

    rows = [{name: plain(value) for name, value in run._asdict().items()} for run in runs]
    return json.dumps(rows, indent=0) + "\n"


@lru_cache(maxsize=1)
def recorded_regularised() -> tuple[Regularised, ...]:
    """What ``docs/measure_names.py decay`` wrote, a record for each kind and size of data."""
    found = []
    for held in json.loads(MEASURED.read_text(encoding="utf-8")):
        arrays = {n: np.array(held[n]) for n in ("strength", "new", "learnt", "old", "nuclear", "spread")}
        texts = {"said": tuple(map(tuple, held["said"])), "base_said": tuple(held["base_said"])}
        found.append(Regularised(**{**held, **arrays, **texts}))
    return tuple(found)
