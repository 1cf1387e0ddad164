"""Many LoRA adapters of one frozen Llama, trained as one batch: ranks, modules, layers, rates and seeds may differ.

PEFT's semantics: y = W x + s·B(A x) with s = α/r, A Kaiming-uniform, B = 0, dropout on x before A, AdamW.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

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
        used = [
            (i, module)
            for i in range(shape.layers)
            for module in MODULES
            if any(module in s.modules and (not s.layers or i in s.layers) for s in specs)
        ]
        self.places: dict[tuple[int, str], tuple[int, int]] = {}
        size = 0
        for i, module in used:
            self.places[i, module] = (size, size + self.count * self.most * shape.sides(module)[1])
            size += self.count * self.most * sum(shape.sides(module))
        self.values = torch.zeros(size, dtype=dtype, device=device)
        self.gradient = torch.zeros_like(self.values)
        self.mean, self.square = torch.zeros_like(self.values), torch.zeros_like(self.values)
        self._lr, self._decay = (self._each([getattr(s, name) for s in specs]) for name in ("lr", "weight_decay"))
        self._keep = torch.tensor([1 - s.dropout for s in specs], dtype=dtype, device=device).view(-1, 1, 1)
        self.scaling = torch.tensor([s.scaling for s in specs], dtype=dtype, device=device).view(-1, 1, 1)
        self.A, self.B = {}, {}
        for place in used:
            self.A[place], self.B[place] = self._views(self.values, *place)
            A_gradient, B_gradient = self._views(self.gradient, *place)
            for part, gradient in ((self.A[place], A_gradient), (self.B[place], B_gradient)):
                part.requires_grad_()
                part.grad = gradient
        with torch.no_grad():
            for i, module in used:
                self._draw(i, module)

    @property
    def first_layer(self) -> int:
        """The lowest layer that any adapter moves; below it nothing changes while training."""
        return min(i for i, _ in self.places)

    def _views(self, held: Tensor, i: int, module: str) -> tuple[Tensor, Tensor]:
        d_out, d_in = self.shape.sides(module)
        start, middle = self.places[i, module]
        A, B = held[start:middle], held[middle : middle + self.count * d_out * self.most]
        return A.view(self.count, self.most, d_in).detach(), B.view(self.count, d_out, self.most).detach()

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

    def add(
        self, y: Float[Tensor, "E N o"], x: Float[Tensor, "E N i"], layer: int, group: str
    ) -> Float[Tensor, "G N o"]:
        """``y`` = W x with s·B(A x) of the group's modules added; E is G, or 1 where the states are still common."""
        modules = [module for module in GROUPS[group] if (layer, module) in self.places]
        if not modules:
            return y
        if self.drops is not None:
            kept = torch.rand(x.shape, generator=self.drops, dtype=x.dtype, device=x.device) < self._keep
            x = x * (kept / self._keep)
        if x.shape[0] != self.count:
            x = x.expand(self.count, *x.shape[1:])
        parts = []
        split = y.split([self.shape.sides(module)[0] for module in GROUPS[group]], dim=-1)
        for module, part in zip(GROUPS[group], split, strict=True):
            if module in modules:
                h = torch.bmm(x, self.A[layer, module].transpose(1, 2)) * self.scaling
                part = part.expand(self.count, *part.shape[1:])
                parts.append(torch.baddbmm(part, h, self.B[layer, module].transpose(1, 2)))
            else:
                parts.append(part.expand(self.count, *part.shape[1:]))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

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
        below = (self.square.sqrt() / math.sqrt(1 - second**self.done)).add_(self.eps)
        self.values.sub_((lr / (1 - first**self.done)) * self.mean.div(below))
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
