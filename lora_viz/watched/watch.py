"""Watches a PEFT model while it is trained: at every optimiser step, as long as that costs little."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say
from lora_viz.watched.record import Watched, write

__all__ = ["Watching", "watch"]


class _Pair(NamedTuple):
    path: str
    A: torch.Tensor
    B: torch.Tensor
    scaling: float


class Watching:
    """A watched model. ``record()`` is what was seen so far, ``save(path)`` writes it, ``stop()`` ends it.

    It hears every step of any torch optimiser that holds one of the model's factors. A step is recorded where ``every``
    divides it, or, where ``every`` is None, where watching has so far taken no more than ``share`` of the time; the
    first always is.
    """

    def __init__(self, model: torch.nn.Module, *, every: int | None = None, share: float = 0.04) -> None:
        if every is not None and every < 1:
            raise Refusal(say("every={every} is not possible. Valid values: 1 and more.", every=every))
        self.every, self.share, self.steps, self.spent = every, share, 0, 0.0
        self._pairs = _pairs(model)
        if not self._pairs:
            raise Refusal(say("This model has no LoRA modules: give it to get_peft_model first."))
        self._ours = {id(tensor) for pair in self._pairs for tensor in (pair.A, pair.B)}
        self._rows: list[tuple[int, np.ndarray, np.ndarray, np.ndarray]] = []
        self._losses: list[tuple[int, float]] = []
        self._began: float | None = None
        self._grads: np.ndarray | None = None
        self._hooks = [
            register_optimizer_step_pre_hook(lambda optimizer, *_: self._before(optimizer)),
            register_optimizer_step_post_hook(lambda optimizer, *_: self._after(optimizer)),
        ]

    def loss(self, value: float) -> None:
        """Keep the loss of the step that comes next, or has just been."""
        self._losses.append((max(1, self.steps), float(value)))

    def record(self) -> Watched:
        """What was seen so far. Raises Refusal: nothing was."""
        if not self._rows:
            raise Refusal(say("No optimiser step was seen yet: train first."))
        width = max(sigma.shape[1] for *_, sigma in self._rows)
        sigma = np.stack([np.pad(s, ((0, 0), (0, width - s.shape[1]))) for *_, s in self._rows])
        grads = np.stack([g for _, g, _, _ in self._rows])
        losses = np.array(self._losses, dtype=float).reshape(-1, 2)
        return Watched(
            modules=tuple(pair.path for pair in self._pairs), step=np.array([float(r[0]) for r in self._rows]),
            grad_A=grads[:, 0], grad_B=grads[:, 1], delta=np.stack([d for _, _, d, _ in self._rows]), sigma=sigma,
            loss_step=losses[:, 0], loss=losses[:, 1], overhead=self.spent / max(self._elapsed(), 1e-12),
        )  # fmt: skip

    def save(self, path: str | Path) -> None:
        """Write what was seen so far: `lora-playground show run.lora` plays it."""
        write(self.record(), path)

    def stop(self) -> None:
        """Hear no further steps."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def __enter__(self) -> Watching:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _elapsed(self) -> float:
        return 0.0 if self._began is None else time.perf_counter() - self._began

    def _mine(self, optimizer: torch.optim.Optimizer) -> bool:
        return any(id(tensor) in self._ours for group in optimizer.param_groups for tensor in group["params"])

    def _before(self, optimizer: torch.optim.Optimizer) -> None:
        if not self._mine(optimizer):
            return
        self.steps += 1
        due = self.steps % self.every == 0 if self.every else self.spent <= self.share * self._elapsed()
        start = time.perf_counter()
        self._began = start if self._began is None else self._began
        self._grads = _norms(self._pairs) if due or self.steps == 1 else None
        self.spent += time.perf_counter() - start

    def _after(self, optimizer: torch.optim.Optimizer) -> None:
        if self._grads is None or not self._mine(optimizer):
            return
        start = time.perf_counter()
        sigma = _spectra(self._pairs)
        self._rows.append((self.steps, self._grads, np.sqrt(np.sum(sigma**2, axis=1)), sigma))
        self._grads = None
        self.spent += time.perf_counter() - start


def watch(model: torch.nn.Module, *, every: int | None = None, share: float = 0.04) -> Watching:
    """Watch a PEFT model from now on: ``seen = watch(model); …train…; seen.save("run.lora")``. Raises Refusal."""
    return Watching(model, every=every, share=share)


def _pairs(model: torch.nn.Module) -> tuple[_Pair, ...]:
    """Every LoRA pair that is trained, as PEFT's layers hold them: by name in two dictionaries."""
    found = []
    for path, module in model.named_modules():
        lora_A, lora_B, scaling = (getattr(module, name, None) for name in ("lora_A", "lora_B", "scaling"))
        if not isinstance(lora_A, torch.nn.ModuleDict) or not isinstance(lora_B, torch.nn.ModuleDict):
            continue
        for name, layer in lora_A.items():
            A, B = getattr(layer, "weight", None), getattr(lora_B[name], "weight", None)
            if isinstance(A, torch.Tensor) and isinstance(B, torch.Tensor) and A.requires_grad and A.ndim == 2:
                s: Any = scaling[name] if isinstance(scaling, dict) else 1.0
                found.append(_Pair(path.removeprefix("base_model.model."), A, B, float(s)))
    return tuple(found)


def _norms(pairs: tuple[_Pair, ...]) -> np.ndarray:
    """‖∇A‖ and ‖∇B‖ of every pair, NaN where there is no gradient; one transfer for all."""
    tensors = [pair.A for pair in pairs] + [pair.B for pair in pairs]
    there = [i for i, tensor in enumerate(tensors) if tensor.grad is not None]
    found = np.full(len(tensors), np.nan)
    if there:
        norms = torch._foreach_norm([tensors[i].grad.float() for i in there])  # type: ignore[union-attr]
        found[there] = torch.stack([norm.to(norms[0].device) for norm in norms]).cpu().double().numpy()
    return found.reshape(2, len(pairs))


def _spectra(pairs: tuple[_Pair, ...]) -> np.ndarray:
    """The singular values of every s·B A, from the factors in float64; layers of one shape at once."""
    shapes: dict[tuple[torch.Size, torch.Size], list[int]] = {}
    for i, pair in enumerate(pairs):
        shapes.setdefault((pair.A.shape, pair.B.shape), []).append(i)
    width = max(min(pair.A.shape[0], pair.A.shape[1], pair.B.shape[0]) for pair in pairs)
    found = np.zeros((len(pairs), width))
    for own in shapes.values():
        A, B = (
            torch.stack([getattr(pairs[i], name).detach() for i in own]).cpu().double().numpy() for name in ("A", "B")
        )
        sigma = FactoredMatrix(A, B).singular_values() * np.abs([[pairs[i].scaling] for i in own])
        found[own, : sigma.shape[1]] = sigma
    return found
