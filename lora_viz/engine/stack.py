"""Many small adapters packed into one stack, and the gradient of all of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Task
from lora_viz.engine.optim import DAMPING, RULES
from lora_viz.layer.tasks import batches

__all__ = ["Block", "Stack", "StackedGradient", "Statistics", "family", "pack", "rows_from"]


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
    """Where in the stack each adapter lies: rows of A and of Bᵀ, small adapters sharing a bin of rows.

    Adapters of one bin meet only in (width × width) products, which a mask makes block-diagonal. Rows that nobody
    owns are zero and stay zero. ``families`` says which rows follow which family of update rules, ``owner`` (total,)
    whose row each is (−1: nobody's).
    """

    rows: list[slice]
    total: int
    blocks: list[Block]
    families: list[tuple[str, int, int]]
    scaling: Tensor
    owner: np.ndarray


class Statistics:
    """What a step needs to know of the data: covariances of all samples, or of its batch."""

    def __init__(self, task: Task, e: Experiment, like: Tensor) -> None:
        def there(array: np.ndarray) -> Tensor:
            return torch.tensor(array, dtype=like.dtype, device=like.device)

        self.order = torch.from_numpy(batches(e)).to(like.device) if e.batch else None
        if self.order is None:
            identity = bool((task.input_covariance == np.eye(e.d_in)).all())
            cross = there(task.cross_covariance)
            self.all = (None if identity else there(task.input_covariance), cross, cross.T.contiguous())
        else:
            self.inputs, self.residuals = there(task.inputs), there(task.residuals)

    def at(self, k: int) -> tuple[Tensor | None, Tensor, Tensor]:
        """Covariance (None: the identity), cross covariance and its transpose, as step ``k`` sees them."""
        return self.all if self.order is None else self.of(self.order[k])

    def of(self, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same for the samples with these numbers."""
        x, r = self.inputs[seen], self.residuals[seen]
        return x.T @ x / len(x), r.T @ x / len(x), x.T @ r / len(x)


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


def pack(sweep: Sweep, dtype: torch.dtype, device: str, width: int | None = None) -> Stack:
    """A place for every adapter of a sweep: first fit, the largest rank first, one family of rules after the other.

    What does not fit beside a large adapter goes to bins of half the width, where that is worth its extra calls: the
    products inside a bin cost width² each, whoever owns the rows. With ``width`` every bin is that wide.
    """
    ranks = np.array([e.rank for e in sweep.experiments])
    starts = np.zeros(len(ranks), dtype=int)
    blocks: list[tuple[int, int, int]] = []
    families: list[tuple[str, int, int]] = []
    total = 0
    kinds = np.array([family(e) for e in sweep.experiments])
    for name in RULES:
        members = np.flatnonzero(kinds == name)
        if not len(members):
            continue
        wide = width or int(ranks[members].max())
        narrow = wide if width or ranks[members].sum() <= 8 * wide else wide // 2
        first = total
        for size, bins, placed in _fit(ranks, members, wide, narrow):
            for those, places in placed:
                starts[those] = total + np.array(places)
            if bins:
                blocks.append((total, bins, size))
                total += bins * size
        families.append((name, first, total))
    owner = np.full(total, -1)
    owner[rows_from(starts, ranks)] = np.repeat(np.arange(len(ranks)), ranks)
    scaling = np.array([*(e.scaling for e in sweep.experiments), 0.0])[owner]
    return Stack(
        rows=[slice(start, stop) for start, stop in zip(starts.tolist(), (starts + ranks).tolist(), strict=True)],
        total=total,
        blocks=[Block(*block, mask=_mask(owner, *block, dtype, device)) for block in blocks],
        families=families,
        scaling=torch.from_numpy(scaling[:, None]).to(device, dtype),
        owner=owner,
    )


def rows_from(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers start, start + 1, … of every run of rows, one run after the other."""
    ends = np.cumsum(counts)
    return np.arange(ends[-1]) + np.repeat(starts - ends + counts, counts)


Placed = list[tuple[np.ndarray, list[int] | np.ndarray]]


def _fit(ranks: np.ndarray, members: np.ndarray, wide: int, narrow: int) -> list[tuple[int, int, Placed]]:
    """For each width of bin: that width, how many, and which adapters begin at which row. First fit, rank by rank.

    Bins with room for the same number of rows wait in one heap, the first one first; what finds no room opens bins.
    """
    sizes = (wide, narrow) if narrow < wide else (wide,)
    room: dict[int, list[list[int]]] = {size: [[] for _ in range(size + 1)] for size in sizes}
    count = dict.fromkeys(sizes, 0)
    placed: dict[int, Placed] = {size: [] for size in sizes}
    for need in np.unique(ranks[members])[::-1].tolist():
        waiting = members[ranks[members] == need]
        for size in sizes:
            places: list[int] = []
            while len(places) < len(waiting) and any(room[size][need:]):
                home, left = min((heap[0], left) for left, heap in enumerate(room[size]) if heap and left >= need)
                heappop(room[size][left])
                places.append(home * size + size - left)
                if left > need:
                    heappush(room[size][left - need], home)
            placed[size].append((waiting[: len(places)], places))
            waiting = waiting[len(places) :]
        size = narrow if need <= narrow else wide
        each, number = size // need, np.arange(len(waiting))
        placed[size].append((waiting, (count[size] + number // each) * size + number % each * need))
        opened = -(-len(waiting) // each)
        homes = range(count[size], count[size] + opened)
        if opened:  # the last one may have more room than the others
            room[size][size - each * need].extend(homes[:-1])
            heappush(room[size][size - (len(waiting) - (opened - 1) * each) * need], homes[-1])
        count[size] += opened
    return [(size, count[size], placed[size]) for size in sizes]


def _mask(owner: np.ndarray, start: int, bins: int, width: int, dtype: torch.dtype, device: str) -> Tensor | None:
    by_bin = torch.from_numpy(owner[start : start + bins * width]).view(bins, width)
    mask = by_bin[:, :, None] == by_bin[:, None, :]
    return None if mask.all() else mask.to(device, dtype)


def family(e: Experiment) -> str:
    """The family of update rules that this experiment follows."""
    return "adam" if e.optimizer == "adamw" else e.optimizer
