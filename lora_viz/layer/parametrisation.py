"""How trainable numbers make an update: what a parametrisation has to say, and plain LoRA's own.

Everything is batched: the first axis of every tensor runs over adapters of one shape (or over the steps of one).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from torch import Tensor

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.layer.starts import base_shift, initial_factors

__all__ = ["LOW_RANK", "Arrays", "LowRank", "Parametrisation", "PlainTorch", "State", "Variant"]

State = dict[str, Tensor]
Arrays = dict[str, np.ndarray]


class PlainTorch(NamedTuple):
    """The same in plain PyTorch: lines for a script in which the parameters and fixed tensors have our names.

    ``layer`` is the body of layer(x), beside the original base weight W and the scale s; ``penalty`` is added to the
    loss. ``before`` stands above the training, ``refresh`` where step k has drawn its samples x and targets t,
    ``after`` behind its update. The lines stay English, as code does.
    """

    layer: str
    before: str = ""
    penalty: str = ""
    refresh: str = ""
    after: str = ""


class Parametrisation(ABC):
    """How parameters p and fixed tensors make ΔW, and the loss's gradient in p, given G = ∂L/∂W.

    ΔW is always the layer's weight minus the *original* one, whatever was done to the base. ``sides`` says, for each
    trainable parameter, whose learning rate it follows: "A" the experiment's lr, "B" lr times lr_ratio. ``moving``
    names the fixed tensors that a run changes all the same, ``told`` those of them that its record keeps.
    """

    sides: ClassVar[Mapping[str, Literal["A", "B"]]]
    moving: ClassVar[tuple[str, ...]] = ()
    told: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def start(self, e: Experiment, task: Task) -> tuple[Arrays, Arrays]:
        """Parameters and fixed tensors of one adapter at step 0, float64, without the batch axis."""

    @abstractmethod
    def delta(self, p: State, fixed: State, s: Tensor) -> Tensor:
        """ΔW (N, d_out, d_in); s is (N, 1, 1)."""

    @abstractmethod
    def gradients(self, p: State, fixed: State, s: Tensor, G: Tensor) -> State:
        """∂L/∂p for every parameter, L the loss plus ``penalty``."""

    @abstractmethod
    def factors(self, p: State, fixed: State, s: Tensor) -> tuple[Tensor, Tensor]:
        """A (N, r, d_in) and B (N, d_out, r) of the low-rank part s·B A of ΔW."""

    @abstractmethod
    def in_torch(self, e: Experiment, fixed: Arrays) -> PlainTorch:
        """The same in plain PyTorch, for an adapter that starts with these fixed tensors."""

    def rest(self, p: State, fixed: State, s: Tensor) -> Tensor | None:
        """What ΔW has beyond s·B A: (N or 1, d_out, d_in), or None for nothing."""
        return None

    def penalty(self, p: State) -> Tensor | float:
        """What is added to the loss for the parameters' own sake, (N,)."""
        return 0.0

    def refresh(self, k: int, G: Tensor, p: State, fixed: State) -> None:  # noqa: B027  # most need none
        """Before the gradients of step k are taken: change coordinates, in place, without changing ΔW."""

    def after_step(  # noqa: B027  # most need none
        self, k: int, members: Sequence[Experiment], p: State, grads: State, fixed: State, memory: State
    ) -> None:
        """After update k: change parameters in place. ``memory`` is kept from step to step, empty at first."""


class LowRank(Parametrisation):
    """LoRA's: ΔW = s·B A, plus what a start has done to the base weight (Hu et al. 2021)."""

    sides: ClassVar[Mapping[str, Literal["A", "B"]]] = {"A": "A", "B": "B"}

    def start(self, e: Experiment, task: Task) -> tuple[Arrays, Arrays]:
        a, b = initial_factors(e, task)
        shift = base_shift(e, task)
        return {"A": a, "B": b}, {"shift": np.zeros((e.d_out, e.d_in)) if shift is None else shift}

    def delta(self, p: State, fixed: State, s: Tensor) -> Tensor:
        return s * (p["B"] @ p["A"]) + fixed["shift"]

    def gradients(self, p: State, fixed: State, s: Tensor, G: Tensor) -> State:
        return {"A": s * (p["B"].mT @ G), "B": s * (G @ p["A"].mT)}

    def factors(self, p: State, fixed: State, s: Tensor) -> tuple[Tensor, Tensor]:
        return p["A"], p["B"]

    def rest(self, p: State, fixed: State, s: Tensor) -> Tensor | None:
        return fixed["shift"] if fixed["shift"].any() else None

    def in_torch(self, e: Experiment, fixed: Arrays) -> PlainTorch:
        if not fixed["shift"].any():
            return PlainTorch("return x @ W.T + s * (x @ A.T) @ B.T")
        base = "base = W + shift  # the frozen weight: what this start, or storing it in 4 bits, has made of W"
        return PlainTorch("return x @ base.T + s * (x @ A.T) @ B.T", before=base)


LOW_RANK = LowRank()


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One way to adapt a layer: a parametrisation, and which fields of an experiment it decides.

    ``rule`` is LaTeX; ``parameters`` counts what trains in one layer; ``remark`` says where a library does otherwise.
    ``title`` and ``remark`` are still to say. ``beside`` is the rank at which it is shown beside a LoRA of the
    experiment's rank: its own, unless more rank is the point.
    """

    name: str
    title: str
    rule: str
    authors: str
    year: int
    arxiv: str
    parameters: Callable[[Experiment], int]
    form: Parametrisation = LOW_RANK
    sets: Mapping[str, Any] = field(default_factory=dict)
    remark: str = ""
    beside: Callable[[Experiment], int] = lambda e: e.rank
