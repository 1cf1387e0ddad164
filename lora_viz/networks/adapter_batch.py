"""Many LoRA adapters of one frozen Llama, trained as one batch: ranks, modules, layers, rates and seeds may differ.

PEFT's semantics: y = W x + s·B(A x) with s = α/r, A Kaiming-uniform, B = 0, dropout on x before A, AdamW.
"""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.networks.derivatives import adapted_product
from lora_viz.networks.frozen_products import times
from lora_viz.networks.llama import GROUPS, MODULES, Shape

__all__ = ["AdapterBatch", "AdapterSpec", "peft_name"]


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterSpec:
    """One adapter. ``layers`` empty: all of them. ``seed`` draws A; ``scaling`` is α/r."""

    rank: int
    scaling: float = 2.0
    modules: tuple[str, ...] = MODULES
    layers: tuple[int, ...] = ()
    lr: float = 5e-3
    weight_decay: float = 0.0
    dropout: float = 0.0
    seed: int = 0

    def parameters(self, shape: Shape) -> int:
        """How many it trains."""
        count = len(self.layers) or shape.layers
        return count * self.rank * sum(sum(shape.sides(module)) for module in self.modules)


def peft_name(layer: int, module: str) -> str:
    """The module as PEFT's files name it."""
    return f"base_model.model.model.layers.{layer}.{'self_attn' if module in MODULES[:4] else 'mlp'}.{module}"


def trained(part: Tensor, gradient: Tensor) -> None:
    """Gradients of ``part`` are added up in ``gradient``."""
    part.requires_grad_()
    part.grad = gradient


class AdapterBatch:
    """The factors of these adapters, in one line of memory with a view for every A (G, R, d_in) and B (G, d_out, R).

    R is the largest rank. A smaller rank, or a module or layer that an adapter leaves alone, is zeros in A and in B:
    their gradients are exactly zero, so they stay it.
    """

    def __init__(
        self,
        shape: Shape,
        specs: Sequence[AdapterSpec],
        *,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.shape, self.specs, self.count, self.betas, self.eps = shape, tuple(specs), len(specs), betas, eps
        self.most = max(spec.rank for spec in specs)
        self.done = 0
        self.drops: torch.Generator | None = None  # draws dropout; None: nothing is dropped
        # A of modules with one input lie stacked, so that one product reads the input; behind them B of each.
        self._stacks: dict[tuple[int, str], tuple[int, list[str]]] = {}
        self.places: dict[tuple[int, str], int] = {}  # of every adapted layer and module: where its B begins
        size = 0
        for i in range(shape.layers):
            for group, modules in GROUPS.items():
                own = [m for m in modules if any(m in s.modules and (not s.layers or i in s.layers) for s in specs)]
                if own:
                    self._stacks[i, group] = size, own
                    size += self.count * len(own) * self.most * shape.sides(own[0])[1]
                for module in own:
                    self.places[i, module] = size
                    size += self.count * self.most * shape.sides(module)[0]
        self.values = torch.zeros(size, dtype=dtype, device=device)
        self.gradient = torch.zeros_like(self.values)
        self.mean, self.square = torch.zeros_like(self.values), torch.zeros_like(self.values)
        self._lr, self._decay = (self._each([getattr(s, name) for s in specs]) for name in ("lr", "weight_decay"))
        self._keep = torch.tensor([1 - s.dropout for s in specs], dtype=dtype, device=device).view(-1, 1, 1)
        self.scaling = torch.tensor([s.scaling for s in specs], dtype=dtype, device=device).view(-1, 1, 1)
        self.A, self.B = {}, {}
        # What a product of the group takes: A of its modules, stacked, B of each, the columns of each in its output.
        self._groups: dict[tuple[int, str], tuple[Tensor, list[Tensor], list[tuple[int, int]]]] = {}
        for (i, group), (_, own) in self._stacks.items():
            A, A_gradient = (self._stacked(held, i, group) for held in (self.values, self.gradient))
            ends = list(itertools.accumulate(shape.sides(module)[0] for module in GROUPS[group]))
            columns = [(end - shape.sides(module)[0], end) for module, end in zip(GROUPS[group], ends, strict=True)]
            for module in own:
                self.A[i, module], self.B[i, module] = self._views(self.values, i, module)
                self.A[i, module].grad, B_gradient = self._views(self.gradient, i, module)
                trained(self.B[i, module], B_gradient)
            trained(A, A_gradient)
            at = [GROUPS[group].index(module) for module in own]
            self._groups[i, group] = A, [self.B[i, module] for module in own], [columns[k] for k in at]
        with torch.no_grad():
            for place in self.places:
                self._draw(*place)

    @property
    def first_layer(self) -> int:
        """The lowest layer that any adapter moves; below it nothing changes while training."""
        return min(i for i, _ in self.places)

    def _stacked(self, held: Tensor, i: int, group: str) -> Tensor:
        """A of a group's modules in this layer, (G, modules·R, d_in), of ``held``, which is laid out as values are."""
        start, own = self._stacks[i, group]
        rows, d_in = len(own) * self.most, self.shape.sides(own[0])[1]
        return held[start : start + self.count * rows * d_in].view(self.count, rows, d_in).detach()

    def _views(self, held: Tensor, i: int, module: str) -> tuple[Tensor, Tensor]:
        """A and B of one module."""
        group = next(group for group, modules in GROUPS.items() if module in modules)
        first, start = self._stacks[i, group][1].index(module) * self.most, self.places[i, module]
        B = held[start : start + self.count * self.shape.sides(module)[0] * self.most]
        A = self._stacked(held, i, group)[:, first : first + self.most].detach()
        return A, B.view(self.count, -1, self.most).detach()

    def _each(self, values: list[float]) -> Tensor | float:
        """A number where all adapters have the same, else one for each entry of ``values``."""
        if len(set(values)) == 1:
            return values[0]
        found, own = torch.empty_like(self.values), torch.tensor(values).to(self.values).view(-1, 1, 1)
        for place in self.places:
            for part in self._views(found, *place):
                part.copy_(own.expand_as(part))
        return found

    def _draw(self, i: int, module: str) -> None:
        """A of step 0, U(±1/√d_in) as in PEFT; the same rows for every rank of one seed."""
        d_in = self.shape.sides(module)[1]
        for g, spec in enumerate(self.specs):
            if module in spec.modules and (not spec.layers or i in spec.layers):
                rng = np.random.default_rng([zlib.crc32(f"adapter {module}".encode()), i, spec.seed])
                drawn = rng.uniform(-1, 1, (spec.rank, d_in)) / math.sqrt(d_in)
                self.A[i, module][g, : spec.rank] = torch.from_numpy(drawn).to(self.values)

    def product(
        self, x: Float[Tensor, "E N i"], weight: Float[Tensor, "o i"], layer: int, group: str
    ) -> Float[Tensor, "_ N o"]:
        """W x with s·B(A x) of the group's modules added; E is G, or 1 where the states are still common."""
        if (layer, group) not in self._groups:
            return times(x, weight)
        kept = None
        if self.drops is not None:
            drawn = torch.rand(x.shape, generator=self.drops, dtype=x.dtype, device=x.device)
            kept = (drawn < self._keep) / self._keep
        A, B, columns = self._groups[layer, group]
        return adapted_product(x, weight, self.scaling, A, B, columns, kept)

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """One step of AdamW (Loshchilov & Hutter 2019) at ``factor`` times each rate; gradients begin anew."""
        self.done += 1
        first, second = self.betas
        lr = self._lr * factor
        if isinstance(self._decay, Tensor) or self._decay:
            self.values.mul_(1 - lr * self._decay)
        self.mean.lerp_(self.gradient, 1 - first)
        self.square.mul_(second).addcmul_(self.gradient, self.gradient, value=1 - second)
        below = self.square.sqrt().mul_(1 / math.sqrt(1 - second**self.done)).add_(self.eps)
        rate = lr / (1 - first**self.done)
        if isinstance(rate, Tensor):
            self.values.sub_(below.reciprocal_().mul_(self.mean).mul_(rate))
        else:
            self.values.addcdiv_(self.mean, below, value=-rate)
        self.gradient.zero_()

    def factors(self, g: int) -> dict[tuple[int, str], tuple[Float[np.ndarray, "r i"], Float[np.ndarray, "o r"]]]:
        """A and B of one adapter by layer and module, its own rank, copied."""
        spec = self.specs[g]
        return {
            place: (
                self.A[place][g, : spec.rank].detach().cpu().numpy().copy(),
                self.B[place][g, :, : spec.rank].detach().cpu().numpy().copy(),
            )
            for place in self.places
            if place[1] in spec.modules and (not spec.layers or place[0] in spec.layers)
        }

    def named_factors(self, g: int) -> dict[str, np.ndarray]:
        """A and B of one adapter as PEFT's files name them."""
        found: dict[str, np.ndarray] = {}
        for place, (A, B) in self.factors(g).items():
            found |= {f"{peft_name(*place)}.lora_A.weight": A, f"{peft_name(*place)}.lora_B.weight": B}
        return found
