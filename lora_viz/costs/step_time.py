"""What does one training step take here? Seconds of this machine, and bytes and multiply–adds counted exactly by torch.

Full fine-tuning, LoRA, DoRA and LoRA-FA on one layer or one transformer block. On a CPU seconds are those that this
thread had of its core: others who compute there meanwhile do not count. They are another number every time: what was
measured once is kept for as long as this process lives, so that whoever asks again sees the same recording.
"""

from __future__ import annotations

import datetime
import functools
import platform
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from lora_viz.core.progress import Progress, give_way
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.i18n.language import say
from lora_viz.layer.lora import LoRALinear

__all__ = ["METHODS", "SUBJECTS", "VARIED", "Counted", "StepTimes", "Stepped", "counted", "sizes", "step_times"]

METHODS = ("full", "lora", "dora", "lora_fa")
SUBJECTS = ("layer", "block")
VARIED = ("width", "rank", "tokens")
PARTS = ("forward", "backward", "optimizer")
HEADS = 4
SECONDS = 1.6  # of measuring, over all sizes; a size takes FEWEST rounds even where they are longer
FEWEST, MOST = 3, 25  # rounds in which each method takes one step
_USUAL = {"layer": {"width": 512, "rank": 8, "tokens": 256}, "block": {"width": 128, "rank": 8, "tokens": 128}}
_VALUES = {
    ("layer", "width"): (64, 128, 256, 512, 1024),
    ("block", "width"): (32, 64, 128, 256),
    ("layer", "rank"): (1, 4, 16, 64, 256),
    ("block", "rank"): (1, 4, 16, 64),
    ("layer", "tokens"): (16, 64, 256, 1024),
    ("block", "tokens"): (16, 64, 256, 1024),
}
_ON_GPU = 4, 8  # times the width and the tokens that a CPU gets: below them a GPU waits for its orders


class Stepped(NamedTuple):
    """What is stepped, at which size. ``subject`` is "layer" or "block"."""

    subject: str
    width: int
    rank: int
    tokens: int


class Counted(NamedTuple):
    """Of one step, exactly: multiply–adds, bytes that autograd keeps for the backward pass (weights not counted, each
    stored number once), and trainable parameters.
    """

    multiply_adds: int
    saved: int
    trained: int


class StepTimes(NamedTuple):
    """Steps of four methods at S sizes. ``seconds`` are (quartile, median, quartile; method, size), ``parts`` the
    medians of forward, backward and optimiser. ``machine``, ``torch_version`` and ``when`` (UTC) say whose seconds.
    """

    subject: str
    varied: str
    at: tuple[Stepped, ...]
    seconds: Float[np.ndarray, "3 M S"]
    parts: Float[np.ndarray, "M S 3"]
    multiply_adds: Int[np.ndarray, "M S"]
    saved: Int[np.ndarray, "M S"]
    trained: Int[np.ndarray, "M S"]
    rounds: Int[np.ndarray, "S"]
    machine: str
    torch_version: str
    when: str

    @property
    def sizes(self) -> Float[np.ndarray, "S"]:
        """What varies."""
        return np.array([getattr(stepped, self.varied) for stepped in self.at], dtype=float)


class _DoRALinear(LoRALinear):
    """y = m/‖W + s·BA‖ (W x + s·B(A x)), norms by row and held out of the gradient, as PEFT computes it."""

    def __init__(self, base: nn.Linear, *, rank: int, alpha: float) -> None:
        super().__init__(base, rank=rank, alpha=alpha)
        self.magnitude = nn.Parameter(base.weight.detach().norm(dim=1))

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        with torch.no_grad():
            length = (self.base.weight + self.scaling * (self.lora_B @ self.lora_A)).norm(dim=1)
        rescaled = self.magnitude / length
        return rescaled * self.base(x) + rescaled * (x @ self.lora_A.T @ self.lora_B.T) * self.scaling


class _Block(nn.Module):
    """A transformer block: attention and an MLP four times as wide, each after a norm and beside a residual."""

    def __init__(self, width: int, make: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.q, self.k, self.v, self.o = (make(width, width) for _ in range(4))
        self.up, self.down = make(4 * width, width), make(width, 4 * width)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        h = self.norms[0](x)
        n, d = h.shape
        q, k, v = (layer(h).view(n, HEADS, d // HEADS).transpose(0, 1)[None] for layer in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.o(mixed[0].transpose(0, 1).reshape(n, d))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


def sizes(subject: str, varied: str, device: str = "cpu") -> tuple[Stepped, ...]:
    """The sizes that are gone through."""
    wider, longer = (1, 1) if device == "cpu" else _ON_GPU

    def at(value: int) -> Stepped:
        found = _USUAL[subject] | {varied: value}
        rank = min(found["rank"], found["width"])
        return Stepped(subject, wider * found["width"], rank, longer * found["tokens"])

    return tuple(at(value) for value in _VALUES[subject, varied])


def built(stepped: Stepped, method: str, device: str = "cpu") -> nn.Module:
    """The layer or block, trained by this method."""

    def make(d_out: int, d_in: int) -> nn.Module:
        base = nn.Linear(d_in, d_out, bias=False, device=device)
        if method == "full":
            return base
        kind = _DoRALinear if method == "dora" else LoRALinear
        layer = kind(base, rank=stepped.rank, alpha=float(stepped.rank))
        layer.lora_A.requires_grad_(method != "lora_fa")
        return layer

    return make(stepped.width, stepped.width) if stepped.subject == "layer" else _Block(stepped.width, make)


def _inputs(stepped: Stepped, device: str) -> Tensor:
    """Activations as they come from the layer below, which wants their gradient."""
    return torch.randn(stepped.tokens, stepped.width, device=device).requires_grad_()


def counted(stepped: Stepped, method: str, device: str = "cpu") -> Counted:
    """Count one step. Nothing of it is a time, so it is the same everywhere that torch chooses the same kernels."""
    module, x = built(stepped, method, device), _inputs(stepped, device)
    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)  # lest another tensor is put in its place
        return tensor

    with FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            y = module(x)
        y.sum().backward()
    trained = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return Counted(counter.get_total_flops() // 2, sum(kept.values()), trained)


def _clock(device: str) -> Callable[[], float]:
    """Seconds: of this thread on its core, or on the clock once a GPU has done what it was told."""

    def done() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return time.thread_time if device == "cpu" else done


def _step(stepped: Stepped, method: str, device: str) -> Callable[[], tuple[float, float, float]]:
    """A function that takes one step of AdamW and says how long its parts took."""
    module, x = built(stepped, method, device), _inputs(stepped, device)
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=1e-5)
    up = torch.randn_like(x)
    now = _clock(device)

    def step() -> tuple[float, float, float]:
        optimizer.zero_grad()
        x.grad = None
        start = now()
        y = module(x)
        forward = now()
        y.backward(up)
        backward = now()
        optimizer.step()
        return forward - start, backward - forward, now() - backward

    return step


def _timed(stepped: Stepped, device: str, seconds: float) -> Float[np.ndarray, "rounds M 3"]:
    """Rounds in which each method takes one step, in another order each time, for about so many seconds."""
    steps = [_step(stepped, method, device) for method in METHODS]
    for step in steps:  # the first step makes room and chooses kernels
        step()
    rounds: list[np.ndarray] = []
    clock = _clock(device)
    until = clock() + seconds
    while len(rounds) < FEWEST or (len(rounds) < MOST and clock() < until):
        row = np.zeros((len(METHODS), len(PARTS)))
        for i in range(len(METHODS)):
            give_way()
            m = (i + len(rounds)) % len(METHODS)
            row[m] = steps[m]()
        rounds.append(row)
    return np.stack(rounds)


_KEPT: dict[tuple[str, str, str], StepTimes] = {}
_ONE = threading.Lock()  # one measurement at a time: two would measure each other


@each_step_in_one_thread
def step_times(subject: str, varied: str, device: str = "cpu") -> Iterator[Progress | StepTimes]:
    """Measure every method at every size, a few seconds in all; what this process measured before is told again."""
    while not _ONE.acquire(timeout=0.05):
        give_way()
    try:
        if (subject, varied, device) not in _KEPT:
            at, times, counts = sizes(subject, varied, device), [], []
            for i, stepped in enumerate(at):
                yield Progress(i / len(at), say("Timing steps: size {done} of {all}", done=i + 1, all=len(at)))
                counts.append([counted(stepped, method, device) for method in METHODS])
                times.append(_timed(stepped, device, SECONDS / len(at)))
            whole = [np.quantile(rows.sum(axis=2), (0.25, 0.5, 0.75), axis=0) for rows in times]
            numbers = np.array(counts, dtype=np.int64).transpose(2, 1, 0)
            _KEPT[subject, varied, device] = StepTimes(
                subject, varied, at, np.stack(whole, axis=2), np.stack([np.median(rows, axis=0) for rows in times], 1),
                numbers[0], numbers[1], numbers[2], np.array([len(rows) for rows in times]), _machine(device),
                torch.__version__, datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M"),
            )  # fmt: skip
        yield _KEPT[subject, varied, device]
    finally:
        _ONE.release()


@functools.cache
def _machine(device: str) -> str:
    """What the processor calls itself."""
    if device != "cpu":
        return torch.cuda.get_device_name()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine() or "CPU"
