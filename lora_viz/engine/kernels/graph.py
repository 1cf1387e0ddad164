"""Many small steps on a GPU without waiting for Python: each is the same few calls, captured once, replayed.

Whatever changes from step to step, its number included, lies on the device; so does the decision to freeze an adapter.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import torch
from torch import Tensor

from lora_viz.core.experiment import Sweep
from lora_viz.engine.history import LONGEST_STEP, History
from lora_viz.engine.kernels.steps import on, row_values, slots, step_table
from lora_viz.engine.optim import BETA1, BETA2
from lora_viz.engine.stack import Stack, StackedGradient, Statistics

__all__ = ["DeviceSteps", "captured", "run_graph"]


class DeviceSteps:
    """One step of a whole stack, in place, with no number from the host: calling it again is the next step."""

    def __init__(self, sweep: Sweep, stack: Stack, start: Tensor, statistics: Statistics) -> None:
        e = sweep[0]
        self.steps, self.statistics, self.start = e.steps, statistics, start
        self.gradient = StackedGradient(stack, start, e.d_in, e.d_out)
        values, kinds = row_values(sweep, stack, start)
        (self.lr_A, self.lr_B, self.decay, self.scales), self.owner = values[1:], kinds[0].long()
        self.owner[self.owner < 0] = len(sweep)  # nobody's rows count for one adapter more
        self.adam = kinds[1].to(torch.int8)
        self.in_one_pass = start.is_cuda and importlib.util.find_spec("triton") is not None
        self.decays = bool(values[3].any())
        self.table = on(step_table(sweep), start)
        self.now, self.first, self.second = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
        self.root = torch.empty_like(start)
        self.squares = start.new_zeros(len(sweep) + 1)
        self.norms = start.new_zeros(2, stack.total)
        self.alive = torch.ones(stack.total, dtype=torch.bool, device=start.device)
        self.stopped = torch.full((len(sweep) + 1,), -1, dtype=torch.long, device=start.device)
        self.k = torch.zeros(1, dtype=torch.long, device=start.device)
        self.moved = [(name != "adam", slice(first, stop)) for name, first, stop in stack.families]

    def reset(self) -> None:
        """Back to step 0."""
        self.now.copy_(self.start)
        for zeroed in (self.first, self.second, self.k):
            zeroed.zero_()
        self.alive.fill_(True)
        self.stopped.fill_(-1)

    def look(self) -> None:
        """Gradients and their row norms here."""
        s = self.statistics
        self.gradient(self.now, *(s.all if s.order is None else s.of(s.order.index_select(0, self.k)[0])))
        torch.linalg.vector_norm(self.gradient.A, dim=1, out=self.norms[0])
        torch.linalg.vector_norm(self.gradient.Bt, dim=1, out=self.norms[1])

    def __call__(self) -> None:
        """Look, freeze whoever would go too far, move the rest."""
        self.look()
        g = self.gradient
        of_rows = self.norms.square().sum(0)
        if g.scaled:
            g.precondition(self.now)
            of_rows = g.A.square().sum(1) + g.Bt.square().sum(1)
        self.squares.zero_().index_add_(0, self.owner, of_rows)
        fit = self.squares.sqrt()[self.owner] * self.scales <= LONGEST_STEP
        gone = self.alive & ~fit
        self.stopped.index_put_((torch.where(gone, self.owner, len(self.stopped) - 1),), self.k)
        self.alive &= fit
        if self.in_one_pass:
            self._move_in_one_pass()
        else:
            self._move()
        self.k += 1

    def _move(self) -> None:
        g = self.gradient
        going = self.alive[:, None]
        rate, eps, factor = self.table.index_select(0, self.k)[0]
        for grad in (g.A, g.Bt):
            grad.masked_fill_(~going, 0)
        if not all(plain for plain, _ in self.moved):
            self.first.mul_(BETA1).add_(g.flat)
            self.second.mul_(BETA2).addcmul_(g.flat, g.flat)
            torch.sqrt(self.second, out=self.root).add_(eps)
            torch.div(self.first, self.root, out=self.root)
        (A, Bt, _), (to_A, to_B, _) = g.views(self.now), g.views(self.root)
        for now, grad, to, lr in ((A, g.A, to_A, self.lr_A), (Bt, g.Bt, to_B, self.lr_B)):
            own = (lr * self.alive)[:, None]
            if self.decays:
                now.mul_(1 - factor * own * self.decay[:, None])
            for plain, rows in self.moved:
                now[rows].addcmul_(grad[rows] if plain else to[rows], own[rows] * (factor if plain else rate), value=-1)

    def _move_in_one_pass(self) -> None:
        """The same by one kernel a factor, which reads and writes every number once."""
        from lora_viz.engine.kernels.move_kernel import move_rows

        g, total = self.gradient, len(self.alive)
        parts = (g.views(x)[:2] for x in (self.now, g.flat, self.first, self.second))
        for four, lr in zip(zip(*parts, strict=True), (self.lr_A, self.lr_B), strict=True):
            d = four[0].shape[1]
            move_rows[(total,)](
                *four, lr, self.decay, self.alive.view(torch.uint8), self.adam, self.table, self.k, d,
                D=max(16, 1 << (d - 1).bit_length()), WITH_ADAM=not all(plain for plain, _ in self.moved), num_warps=1,
            )  # fmt: skip


def run_graph(sweep: Sweep, stack: Stack, start: Tensor, statistics: Statistics, kept: list[int]) -> History:
    """Train any stack: on a GPU by replaying a captured step; elsewhere, or to solve equations, by calling it."""
    step = DeviceSteps(sweep, stack, start, statistics)
    go = captured(step) if start.is_cuda and step.steps > 2 and not step.gradient.scaled else step
    states = start.new_empty(len(kept), start.numel())
    norms = start.new_empty(2, len(kept), stack.total)
    for k, slot in enumerate(slots(step.steps, kept).tolist()):
        if slot >= 0:
            states[slot].copy_(step.now)
        if k < step.steps:
            go()
        else:
            step.look()
        if slot >= 0:
            norms[:, slot].copy_(step.norms)
    return History(states, norms, step.stopped[:-1].cpu().numpy())


def captured(step: DeviceSteps) -> Callable[[], None]:
    """The step as a CUDA graph: calling it replays the whole step with one launch."""
    side = torch.cuda.Stream(step.now.device)
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):  # libraries take their work space at the first call, which must not be captured
            step()
        step.reset()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
        step()
    return graph.replay
