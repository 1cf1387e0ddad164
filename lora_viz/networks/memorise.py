"""An adapter that learns by heart: LoRA on the middle layer of a frozen random network, trained on random labels."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.core.progress import Progress
from lora_viz.core.random_streams import stream
from lora_viz.engine.optim import RULES, Segment
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.i18n.language import say
from lora_viz.networks.bits import BitsExperiment, BitsRun

__all__ = ["Memoriser", "memorise_bits"]

RECORDS = 33


class Memoriser:
    """The network on its first N samples: what the frozen layers do to them is computed once."""

    def __init__(self, e: BitsExperiment, n: int, dtype: torch.dtype = torch.float32) -> None:
        def drawn(name: str, *shape: int) -> Float[Tensor, "_ _"]:
            return torch.tensor(stream(f"bits {name}", e.seed).standard_normal(shape), dtype=dtype)

        h, r = e.width, e.rank
        self.first = drawn("first", h, e.inputs) * math.sqrt(2 / e.inputs)
        self.middle = drawn("middle", h, h) * math.sqrt(2 / h)
        self.last = drawn("last", h, 1) / math.sqrt(h)
        self.inputs = drawn("samples", n, e.inputs)  # drawn row by row: fewer samples are the first of more
        self.labels = torch.tensor(np.sign(stream("bits labels", e.seed).uniform(-1, 1, n)), dtype=dtype)
        self.hidden = (self.first @ self.inputs.T).relu()
        self.before = self.middle @ self.hidden
        start = stream("bits A", e.seed).uniform(-1, 1, (r, h)) / math.sqrt(h)  # rank r's A: the first r rows of r+1's
        self.state = torch.cat([torch.tensor(start, dtype=dtype).flatten(), torch.zeros(h * r, dtype=dtype)])
        self.gradient = torch.zeros_like(self.state)
        self.A, self.B = self.state[: r * h].view(r, h), self.state[r * h :].view(h, r)
        self.rule = RULES["adam"](Segment(0, len(self.state), e.lr, 0.0), self.gradient)

    def logits(self) -> Float[Tensor, "n"]:
        return (self.last.T @ (self.before + self.B @ (self.A @ self.hidden)).relu())[0]

    def backward(self) -> None:
        """The gradient of the mean of ln(1 + e^{−y·logit}), by hand."""
        down = self.A @ self.hidden
        z = self.before + self.B @ down
        slope = -self.labels * torch.sigmoid(-self.labels * (self.last.T @ z.relu())[0]) / len(self.labels)
        dz = self.last * slope * (z > 0)
        half = self.A.numel()
        self.gradient[:half] = ((self.B.T @ dz) @ self.hidden.T).flatten()
        self.gradient[half:] = (dz @ down.T).flatten()

    def step(self, k: int, factor: float) -> None:
        self.backward()
        self.rule.step(k, factor, self.state, self.gradient, self.state)

    def accuracy(self) -> float:
        return float((self.logits().sign() == self.labels).double().mean())


@each_step_in_one_thread
@torch.inference_mode()
def memorise_bits(e: BitsExperiment) -> Iterator[Progress | BitsRun]:
    """One training a sample count, one after another: progress first, the run last."""
    kept = sorted({round(float(k)) for k in np.linspace(0, e.steps, RECORDS)})
    accuracy = np.empty((len(kept), len(e.samples)))
    done, whole = 0, sum(e.samples) * max(e.steps, 1)
    for column, n in enumerate(e.samples):
        net = Memoriser(e, n)
        for row, (start, stop) in enumerate(itertools.pairwise([0, *kept])):
            for k in range(start, stop):
                net.step(k, 0.5 * (1 + math.cos(math.pi * k / e.steps)))
            accuracy[row, column] = net.accuracy()
            yield Progress((done + n * stop) / whole, say("{n} bits", n=n))
        done += n * e.steps
    yield BitsRun(e, np.array(kept), accuracy)
