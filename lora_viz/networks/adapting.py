"""Networks that read digits, adapted to others: by the head, LoRA of five ranks and all weights, at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.progress import Progress
from lora_viz.core.run import recorded_steps
from lora_viz.engine.optim import RULES, Segment
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.networks.digits import RANKS, DigitsExperiment, DigitsRun, changed, digit_images, digit_stream, split
from lora_viz.networks.mlp import Adapted, Dense, Network

__all__ = [
    "HIDDEN",
    "Data",
    "Trainer",
    "accuracies",
    "adapt_digits",
    "batch_order",
    "digits_data",
    "first_factors",
    "first_networks",
    "pretrained",
    "train_together",
]

HIDDEN = 64
PRETRAIN_STEPS, PRETRAIN_LR = 400, 3e-3
FULL_LR, HEAD_LR = 0.3, 1.0  # as shares of LoRA's learning rate
RECORDS = 25
SHOWN = 6


class Trainer:
    """Adam with a linearly decaying rate on one family of networks."""

    def __init__(self, family: Dense | Adapted, lr: float) -> None:
        self.family = family
        self.rule = RULES["adam"](Segment(0, len(family.state), lr, 0.0), family.gradient)

    def step(self, k: int, factor: float, x: Tensor, y: Tensor) -> None:
        self.family(x, y)
        self.rule.step(k, factor, self.family.state, self.family.gradient, self.family.state)


class Data(NamedTuple):
    """Training and test images of every member, (S, n, 64), with their labels."""

    x: Float[Tensor, "S n 64"]
    y: Int[Tensor, "S n"]
    x_test: Float[Tensor, "S t 64"]
    y_test: Int[Tensor, "S t"]


def digits_data(e: DigitsExperiment, change: str) -> Data:
    """The changed (or "upright") images of every member, its own split."""
    images, labels = digit_images()
    sides: list[list[np.ndarray]] = [[], [], [], []]
    for member in range(e.members):
        for side, rows in zip((0, 2), split(e.seed, member), strict=True):
            x, y = changed(images[rows], labels[rows], change, e.seed)
            sides[side].append(x)
            sides[side + 1].append(y)
    x, y, x_test, y_test = (np.stack(s) for s in sides)
    return Data(
        torch.tensor(x, dtype=torch.float32),
        torch.tensor(y),
        torch.tensor(x_test, dtype=torch.float32),
        torch.tensor(y_test),
    )


def batch_order(e: DigitsExperiment, name: str, steps: int, samples: int) -> Int[Tensor, "steps S batch"]:
    """The images that each member sees at each step: one shuffled epoch after another."""
    per_epoch = samples // e.batch
    rows = []
    for member in range(e.members):
        rng = digit_stream(name, e.seed, member)
        epochs = [rng.permutation(samples)[: per_epoch * e.batch] for _ in range(-(-max(steps, 1) // per_epoch))]
        rows.append(np.concatenate(epochs).reshape(-1, e.batch)[:steps])
    return torch.from_numpy(np.stack(rows, axis=1))


def first_networks(e: DigitsExperiment, dtype: torch.dtype = torch.float32) -> Network:
    """The members' networks before any training: torch's own start for linear layers, U(±1/√d_in)."""
    parts: list[list[np.ndarray]] = [[] for _ in range(6)]
    for member in range(e.members):
        rng = digit_stream("networks", e.seed, member)
        for i, (d_out, d_in) in enumerate(((HIDDEN, 64), (HIDDEN, HIDDEN), (10, HIDDEN))):
            parts[2 * i].append(rng.uniform(-1, 1, (d_out, d_in)) / math.sqrt(d_in))
            parts[2 * i + 1].append(rng.uniform(-1, 1, d_out) / math.sqrt(d_in))
    w1, b1, w2, b2, w3, b3 = (torch.tensor(np.stack(p), dtype=dtype) for p in parts)
    return w1, b1, w2, b2, w3, b3


def first_factors(
    e: DigitsExperiment, ranks: Sequence[int], dtype: torch.dtype = torch.float32
) -> tuple[Float[Tensor, "S M r 64"], Float[Tensor, "S M r h"]]:
    """A of every member, rank and layer at step 0, Kaiming-uniform: rank r's is the first r rows of the largest's."""
    most, out = max(ranks), []
    for layer, d_in in enumerate((64, HIDDEN)):
        drawn = [digit_stream("A", e.seed, member, layer).uniform(-1, 1, (most, d_in)) for member in range(e.members)]
        A = np.stack(drawn)[:, None] / math.sqrt(d_in) * np.ones((1, len(ranks), 1, 1))
        for m, rank in enumerate(ranks):
            A[:, m, rank:] = 0
        out.append(torch.tensor(A, dtype=dtype))
    return out[0], out[1]


def train_together(
    trainers: Sequence[Trainer], data: Data, order: Tensor, steps: int, stops: Sequence[int], groups: int = 1
) -> Iterator[int]:
    """Step all families on the same batches; yields after each of the ``stops`` with the number of steps done.

    ``groups`` > 1: ``data`` holds several tasks one after another, whose members see the same batches.
    """
    member = torch.arange(len(data.x)).unsqueeze(1)
    wanted = set(stops)
    if 0 in wanted:
        yield 0
    for k in range(steps):
        rows = order[k].repeat(groups, 1)
        x, y = data.x[member, rows], data.y[member, rows]
        for trainer in trainers:
            trainer.step(k, 1 - k / steps, x, y)
        if k + 1 in wanted:
            yield k + 1


def pretrained(e: DigitsExperiment) -> Iterator[Progress | Network]:
    """Networks that read upright digits, one a member: progress first, the networks last."""
    data = digits_data(e, "upright")
    family = Dense(first_networks(e))
    order = batch_order(e, "pretraining", PRETRAIN_STEPS, data.x.shape[1])
    chunks = range(50, PRETRAIN_STEPS + 1, 50)
    for done in train_together([Trainer(family, PRETRAIN_LR)], data, order, PRETRAIN_STEPS, chunks):
        yield Progress(done / PRETRAIN_STEPS)
    w1, b1, w2, b2, w3, b3 = family.parts
    yield w1, b1, w2, b2, w3, b3


def accuracies(logits: Float[Tensor, "*G t c"], y: Int[Tensor, "*H t"]) -> Float[np.ndarray, "*G"]:
    """The share of images read right by each network; NaN where an output is no number."""
    right = (logits.argmax(-1) == y).double().mean(-1)
    return torch.where(torch.isfinite(logits).all(-1).all(-1), right, math.nan).numpy()


@each_step_in_one_thread
@torch.inference_mode()
def adapt_digits(e: DigitsExperiment) -> Iterator[Progress | DigitsRun]:
    """Pretrain on upright digits, then adapt every way at once: progress first, the run last.

    Whoever stops asking stops the training: nothing runs on in the background.
    """
    base: Network | None = None
    for item in pretrained(e):
        if isinstance(item, Progress):
            yield Progress(0.25 * item.share)
        else:
            base = item
    assert base is not None
    data, upright = digits_data(e, e.change), digits_data(e, "upright")
    scaling = torch.tensor([e.alpha / r for r in RANKS])
    head, lora, full = Dense(base, head_only=True), Adapted(base, first_factors(e, RANKS), scaling), Dense(base)
    trainers = [Trainer(head, HEAD_LR * e.lr), Trainer(lora, e.lr), Trainer(full, FULL_LR * e.lr)]
    before, kept = Dense(base), recorded_steps(e.steps, RECORDS)
    shown = _shown(data, before)
    record = _Recorder(base, data, upright, head, lora, full, shown)
    order = batch_order(e, "adapting", e.steps, data.x.shape[1])
    for done in train_together(trainers, data, order, e.steps, kept):
        record()
        yield Progress(0.25 + 0.75 * done / max(1, e.steps))
    first = data.x_test[:1, shown]
    yield DigitsRun(
        experiment=e,
        steps=np.array(kept),
        methods=("head", *(f"r={r}" for r in RANKS), "full"),
        new=np.stack(record.new),
        old=np.stack(record.old),
        base_new=accuracies(before.logits(data.x_test), data.y_test),
        base_old=accuracies(before.logits(upright.x_test), upright.y_test),
        sigma=np.stack([spectra[0] for spectra in record.sigma]),
        last_sigma=record.sigma[-1],
        trainable=_trainable(base),
        base_weight=base[0][0].double().numpy(),
        shown=first[0].double().numpy().reshape(-1, 8, 8),
        truth=data.y_test[0, shown].numpy(),
        before=Dense(_member(base, 0)).logits(first).argmax(-1)[0].numpy(),
        predicted=np.stack(record.predicted),
        network=tuple(part[0].numpy().copy() for part in base),
        factors=tuple(
            (
                lora.A1[0, m, :r].numpy().copy(),
                lora.B1[0, m, :, :r].numpy().copy(),
                lora.A2[0, m, :r].numpy().copy(),
                lora.B2[0, m, :, :r].numpy().copy(),
            )
            for m, r in enumerate(RANKS)
        ),
    )


def _member(base: Network, i: int) -> Network:
    w1, b1, w2, b2, w3, b3 = (part[i : i + 1] for part in base)
    return w1, b1, w2, b2, w3, b3


def _trainable(base: Network) -> Int[np.ndarray, "M"]:
    sizes = [part[0].numel() for part in base]
    (h, d), hidden = base[0].shape[1:], base[2].shape[1]
    return np.array([sum(sizes[4:]), *(r * (d + h + 2 * hidden) for r in RANKS), sum(sizes)])


def _shown(data: Data, before: Dense) -> Int[Tensor, "K"]:
    """Some test images of the first member: the first of each of SHOWN digits, those misread before first of all."""
    wrong = (before.logits(data.x_test)[0].argmax(-1) != data.y_test[0]).numpy()
    labels = data.y_test[0].numpy()
    order = np.argsort(~wrong, kind="stable")
    picked = [next(int(i) for i in order if labels[i] == digit) for digit in range(1, SHOWN + 1)]
    return torch.tensor(picked)


class _Recorder:
    """What can be read off all families now."""

    def __init__(
        self, base: Network, data: Data, upright: Data, head: Dense, lora: Adapted, full: Dense, shown: Tensor
    ) -> None:
        self.base, self.data, self.upright, self.shown = base, data, upright, shown
        self.head, self.lora, self.full = head, lora, full
        self.new: list[np.ndarray] = []
        self.old: list[np.ndarray] = []
        self.sigma: list[np.ndarray] = []
        self.predicted: list[np.ndarray] = []

    def _logits(self, x: Float[Tensor, "S t 64"]) -> Float[Tensor, "S M t 10"]:
        own = self.head.logits(x).unsqueeze(1), self.lora.logits(x), self.full.logits(x).unsqueeze(1)
        return torch.cat(own, dim=1)

    def __call__(self) -> None:
        new, old = self._logits(self.data.x_test), self._logits(self.upright.x_test)
        self.new.append(accuracies(new, self.data.y_test.unsqueeze(1)).T)
        self.old.append(accuracies(old, self.upright.y_test.unsqueeze(1)).T)
        self.predicted.append(new[0][:, self.shown].argmax(-1).numpy())
        self.sigma.append(self._sigma())

    def _sigma(self) -> Float[np.ndarray, "S M 2 k"]:
        members, most = len(self.base[0]), min(self.base[0].shape[1:])
        out = np.zeros((members, 2 + len(RANKS), 2, most))
        for layer, (A, B) in enumerate(((self.lora.A1, self.lora.B1), (self.lora.A2, self.lora.B2))):
            for m, rank in enumerate(RANKS):
                a, b = A[:, m, :rank].double().numpy(), B[:, m, :, :rank].double().numpy()
                s = float(self.lora.scaling[0, m])
                out[:, 1 + m, layer, :rank] = FactoredMatrix(a, b, s).singular_values()
            delta = (self.full.parts[2 * layer] - self.base[2 * layer]).double()
            out[:, -1, layer] = torch.linalg.svdvals(delta).numpy() if delta.isfinite().all() else math.nan
        return out
