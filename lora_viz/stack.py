"""Where do many small adapters lie in memory, and what is the gradient of all of them at once?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.experiment import Experiment, Sweep
from lora_viz.optim import DAMPING, RULES

__all__ = ["Block", "Stack", "StackedGradient", "family", "pack"]


@dataclass(slots=True)
class Block:
    """Some bins of equal width: where their rows begin, and which rows of a bin belong together (None: all)."""

    start: int
    bins: int
    width: int
    mask: Tensor | None

    def of(self, rows: Tensor) -> Tensor:
        """(bins, width, d): this block's part of a (total, d) array."""
        return rows[self.start : self.start + self.bins * self.width].view(self.bins, self.width, -1)


@dataclass(slots=True)
class Stack:
    """Where in the stack does each adapter lie? Rows of A and of Bᵀ, small adapters sharing a bin of rows.

    Adapters of one bin meet only in (width × width) products, which a mask makes block-diagonal. Rows that nobody
    owns are zero and stay zero. ``families`` says which rows follow which family of update rules.
    """

    rows: list[slice]
    total: int
    blocks: list[Block]
    families: list[tuple[str, int, int]]
    scaling: Tensor


class StackedGradient:
    """Gradients of L = 1/(2n)Σ‖y − t‖² for every adapter of a stack, from the sufficient statistics alone.

    ∇B = s·G Aᵀ and ∇A = s·Bᵀ G with G = s·B A C − R, C = XᵀX/n (None means the identity) and R the cross covariance:
    nothing of size d_out × d_in is formed, and a step costs the same for ten samples or ten thousand. All work space
    is taken once: at these sizes a fresh array costs as much as the product that fills it.
    """

    def __init__(self, stack: Stack, like: Tensor, d_in: int, d_out: int) -> None:
        self.scaling, self.blocks = stack.scaling, stack.blocks
        split = stack.total * d_in
        self.flat = like.new_empty(stack.total * (d_in + d_out))
        self.A, self.Bt = self.flat[:split].view(-1, d_in), self.flat[split:].view(-1, d_out)
        self.AC, self.Bs = torch.empty_like(self.A), torch.empty_like(self.Bt)
        self.own = [[b.of(x) for x in (self.AC, self.Bs, self.A, self.Bt)] for b in stack.blocks]
        self.transposed = [bs.transpose(1, 2) for _, bs, _, _ in self.own]
        self.grams = [[like.new_empty(b.bins, b.width, b.width) for _ in range(2)] for b in stack.blocks]
        scaled = [(start, stop) for name, start, stop in stack.families if name == "scaled_gd"]
        self.scaled = [i for i, b in enumerate(stack.blocks) if any(start <= b.start < stop for start, stop in scaled)]
        self.seen: dict[int, tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]] = {}

    def views(self, state: Float[Tensor, "flat"]) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        """A and Bᵀ of a flat state, and each block of A with its transpose; made once for each place in memory."""
        place = state.data_ptr()
        if place not in self.seen:
            split = self.A.numel()
            A, Bt = state[:split].view_as(self.A), state[split:].view_as(self.Bt)
            parts = [block.of(A) for block in self.blocks]
            self.seen[place] = A, Bt, [(a, a.transpose(1, 2)) for a in parts]
        return self.seen[place]

    def __call__(
        self,
        state: Float[Tensor, "flat"],
        covariance: Float[Tensor, "d_in d_in"] | None,
        cross: Float[Tensor, "d_out d_in"],
        cross_transposed: Float[Tensor, "d_in d_out"],
    ) -> None:
        """Write ∇A and ∇Bᵀ at this state, A rows before Bᵀ rows, into ``self.A`` and ``self.Bt``."""
        A, Bt, parts = self.views(state)
        torch.mul(Bt, self.scaling, out=self.Bs)
        if covariance is not None:
            torch.mm(A, covariance, out=self.AC)
        torch.mm(self.Bs, cross_transposed.T, out=self.A)  # both products with a transposed right side: the fast case
        torch.mm(A, cross.T, out=self.Bt)
        for i, block in enumerate(self.blocks):
            (a, at), (ac, bs, grad_A, grad_Bt), (gram_A, gram_B) = parts[i], self.own[i], self.grams[i]
            if covariance is None:
                ac = a
            torch.bmm(ac, at, out=gram_A)
            torch.bmm(bs, self.transposed[i], out=gram_B)
            if block.mask is not None:
                gram_A *= block.mask
                gram_B *= block.mask
            grad_A.baddbmm_(gram_B, ac, beta=-1)
            grad_Bt.baddbmm_(gram_A, bs, beta=-1)
        self.Bt *= self.scaling

    def precondition(self, state: Float[Tensor, "flat"]) -> None:
        """∇A ← (BᵀB + δI)⁻¹∇A and ∇Bᵀ ← (AAᵀ + δI)⁻¹∇Bᵀ for the adapters that follow scaled GD, and for them alone.

        A bin's masked Gram matrix is block-diagonal, hence so is its inverse: adapters do not touch each other.
        """
        A, Bt, _ = self.views(state)
        for i in self.scaled:
            block, (_, _, grad_A, grad_Bt) = self.blocks[i], self.own[i]
            for factor, grad in ((Bt, grad_A), (A, grad_Bt)):
                rows = block.of(factor)
                gram = rows @ rows.transpose(1, 2)
                if block.mask is not None:
                    gram *= block.mask
                gram.diagonal(dim1=1, dim2=2).add_(DAMPING)
                grad.copy_(torch.linalg.solve_ex(gram, grad)[0])


def pack(sweep: Sweep, dtype: torch.dtype, device: str) -> Stack:
    """A place for every adapter of a sweep: first fit, the largest rank first, one family of rules after the other.

    What does not fit beside a large adapter goes to bins of half the width, where that is worth its extra calls: the
    products inside a bin cost width² each, whoever owns the rows.
    """
    starts = [0] * len(sweep)
    blocks: list[tuple[int, int, int]] = []
    families: list[tuple[str, int, int]] = []
    total = 0
    for name in RULES:
        members = [i for i, e in enumerate(sweep.experiments) if family(e) == name]
        if not members:
            continue
        wide = max(sweep[i].rank for i in members)
        rows = sum(sweep[i].rank for i in members)
        narrow = wide // 2 if rows > 8 * wide else wide
        filled: dict[int, list[int]] = {wide: [], narrow: []}
        place: dict[int, tuple[int, int, int]] = {}
        for i in sorted(members, key=lambda i: -sweep[i].rank):
            need = sweep[i].rank
            fits = ((w, b) for w in (wide, narrow) for b, used in enumerate(filled[w]) if used + need <= w)
            fitting = next(fits, None)
            width, home = fitting or (narrow if need <= narrow else wide, -1)
            if fitting is None:
                home = len(filled[width])
                filled[width].append(0)
            place[i] = width, home, filled[width][home]
            filled[width][home] += need
        first = total
        base = {}
        for width, bins in filled.items():
            base[width] = total
            if bins:
                blocks.append((total, len(bins), width))
                total += len(bins) * width
        for i, (width, home, offset) in place.items():
            starts[i] = base[width] + home * width + offset
        families.append((name, first, total))
    rows_of = [slice(start, start + e.rank) for start, e in zip(starts, sweep.experiments, strict=True)]
    scaling = torch.zeros(total, 1, dtype=dtype)
    owner = torch.full((total,), -1)
    for i, own in enumerate(rows_of):
        scaling[own] = sweep[i].scaling
        owner[own] = i
    return Stack(
        rows=rows_of,
        total=total,
        blocks=[Block(*block, mask=_mask(owner, *block, dtype, device)) for block in blocks],
        families=families,
        scaling=scaling.to(device),
    )


def _mask(owner: Tensor, start: int, bins: int, width: int, dtype: torch.dtype, device: str) -> Tensor | None:
    by_bin = owner[start : start + bins * width].view(bins, width)
    mask = by_bin[:, :, None] == by_bin[:, None, :]
    return None if mask.all() else mask.to(device, dtype)


def family(e: Experiment) -> str:
    """Which family of update rules does this experiment follow?"""
    return "adam" if e.optimizer == "adamw" else e.optimizer
