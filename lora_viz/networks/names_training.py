"""The names model adapted to another country's names, by several adapters at once, with what they write on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.progress import Progress
from lora_viz.core.run import recorded_steps
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.i18n.language import say
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.llama import Frozen, Llama, laid_out
from lora_viz.networks.names import (
    LANGUAGES,
    LONGEST,
    SHAPE,
    loss_of_names,
    name_loss,
    name_stream,
    names_model,
    names_of,
    sampled,
    tokens_of,
)

__all__ = ["NamesExperiment", "NamesRun", "adapt_names", "trained_names"]

RECORDS = 11
SHOWN = 6  # names that are written at every recorded step
COUNTED = 200  # names that are written at the end, to count those that stood in the training list
TESTED = 96  # names of each list that a loss is measured on
GONE = 50.0  # nats a letter: what is above has diverged


@dataclass(frozen=True, kw_only=True, slots=True)
class NamesExperiment:
    """To which names, by which adapters. ``examples`` > 0 trains on so many names only. Raises ExperimentError."""

    specs: tuple[AdapterSpec, ...]
    language: str = "italian"
    steps: int = 100
    batch: int = 16
    examples: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        allowed = [name for name in LANGUAGES if name != "english"]
        if self.language not in allowed:
            raise ExperimentError(
                say(
                    "There are no names called {given}. Valid values: {allowed}.",
                    given=self.language[:40],
                    allowed=", ".join(allowed),
                )
            )


@dataclass(frozen=True, slots=True, eq=False)
class NamesRun:
    """What happened to each adapter at the recorded ``steps``.

    ``new`` and ``old`` are losses in nats a letter on held-out names of the language and on English ones; NaN from
    where an adapter has diverged. ``said`` are names that each adapter writes at each recorded step, with the same
    random numbers throughout; before the first step they are the base's. ``copied`` is the share of COUNTED names
    written at the end that stand in the training list; ``base_copied`` that of the base. ``sigma`` are singular values
    of ΔW of every layer and module at the end, 0 where an adapter leaves a module alone. ``factors`` are A and B of
    each adapter at the end, under the names that PEFT gives them.
    """

    experiment: NamesExperiment
    steps: Int[np.ndarray, "T"]
    new: Float[np.ndarray, "T G"]
    old: Float[np.ndarray, "T G"]
    said: tuple[tuple[tuple[str, ...], ...], ...]
    copied: Float[np.ndarray, "G"]
    base_copied: float
    sigma: Float[np.ndarray, "G L 7 R"]
    parameters: Int[np.ndarray, "G"]
    factors: tuple[Mapping[str, np.ndarray], ...] = ()


def _batches(e: NamesExperiment, names: Sequence[str]) -> Iterator[list[str]]:
    """One shuffled epoch after another."""
    rng = name_stream("adapting", e.seed)
    line: list[str] = []
    while True:
        while len(line) < e.batch:
            line += [names[i] for i in rng.permutation(len(names))]
        yield line[: e.batch]
        line = line[e.batch :]


def trained_names(e: NamesExperiment, model: Llama) -> Iterator[tuple[int, AdapterBatch]]:
    """The adapters after each number of steps that is recorded; the rate falls to 0 in a straight line."""
    adapters = AdapterBatch(SHAPE, e.specs)
    if any(spec.dropout for spec in e.specs):
        adapters.drops = torch.Generator().manual_seed(e.seed)
    train, _ = names_of(e.language)
    names = train[: e.examples] if e.examples else train
    stops, batches = set(recorded_steps(e.steps, RECORDS)), _batches(e, names)
    drops = adapters.drops
    for k in range(e.steps + 1):
        if k in stops:
            adapters.drops = None
            yield k, adapters
            adapters.drops = drops
        if k == e.steps:
            return
        layout = laid_out([tokens_of(name) for name in next(batches)])
        with torch.enable_grad():
            x = model.run(model.embed(layout.ids), adapters, layout)
            name_loss(model.logits(x), layout).sum().backward()
        adapters.step(1 - k / e.steps)


@each_step_in_one_thread
def adapt_names(e: NamesExperiment) -> Iterator[Progress | NamesRun]:
    """Progress first, the run last. Whoever stops asking stops the training."""
    yield Progress(0.01)
    model = names_model()
    train, test = names_of(e.language)
    english = names_of("english")[1]
    new, old, said, steps = [], [], [], []
    draws = name_stream("shown", e.seed).random((SHOWN, LONGEST + 1))
    adapters = None
    for k, adapters in trained_names(e, model):
        with torch.no_grad():
            new.append(loss_of_names(model, test[:TESTED], adapters))
            old.append(loss_of_names(model, english[:TESTED], adapters))
        said.append(tuple(tuple(names) for names in sampled(model, adapters, draws)))
        steps.append(k)
        yield Progress(0.95 * k / max(1, e.steps))
    assert adapters is not None
    many, known = name_stream("counted", e.seed).random((COUNTED, LONGEST + 1)), set(train)
    copied = [np.mean([name in known for name in names]) for names in sampled(model, adapters, many)]
    base = sampled(model, Frozen(), many)[0]
    yield NamesRun(
        experiment=e,
        steps=np.array(steps),
        new=_ended(np.array(new)),
        old=_ended(np.array(old)),
        said=tuple(said),
        copied=np.array(copied),
        base_copied=float(np.mean([name in known for name in base])),
        sigma=_spectra(adapters),
        parameters=np.array([spec.parameters(SHAPE) for spec in e.specs]),
        factors=tuple(adapters.named_factors(g) for g in range(adapters.count)),
    )


def _ended(losses: Float[np.ndarray, "T G"]) -> Float[np.ndarray, "T G"]:
    """The same, with NaN from where a loss is no number or beyond every use."""
    gone = np.logical_or.accumulate(~(losses < GONE), axis=0)
    return np.where(gone, math.nan, losses)


def _spectra(adapters: AdapterBatch) -> Float[np.ndarray, "G L 7 R"]:
    modules = list(dict.fromkeys(module for _, module in adapters.places))
    found = np.zeros((adapters.count, SHAPE.layers, 7, adapters.most))
    for g, spec in enumerate(adapters.specs):
        for (layer, module), (A, B) in adapters.factors(g).items():
            if np.isfinite(A).all() and np.isfinite(B).all():
                sigma = FactoredMatrix(A.astype(float), B.astype(float), spec.scaling).singular_values()
                found[g, layer, modules.index(module), : len(sigma)] = sigma
    return found
