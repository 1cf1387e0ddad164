"""Friendly and hostile words, a real task for a real transformer: rated words, a probe, and training by epochs."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.progress import Progress
from lora_viz.core.random_streams import stream
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.i18n.language import say
from lora_viz.networks.encoder import MINILM_SHA256, Encoder, WordPieces, attach_lora, load_encoder, pooled

__all__ = [
    "EpochReport",
    "LowerHalf",
    "RatedWords",
    "RatedWordsRun",
    "accuracy",
    "adapt_words",
    "fit_probe",
    "probe_head",
    "read_lexicon",
    "split_words",
    "train_words",
    "word_data",
]


class RatedWords(NamedTuple):
    """What is to be told apart: token numbers, where there are tokens, and 1 for a friendly word."""

    ids: Int[Tensor, "n t"]
    mask: Bool[Tensor, "n t"]
    labels: Int[Tensor, "n"]


class EpochReport(NamedTuple):
    """How far the training is. ``share`` of all steps done; ``accuracy`` on the test words after a whole epoch."""

    share: float
    loss: float
    accuracy: float | None


def read_lexicon(path: Path | None = None) -> list[tuple[str, bool]] | None:
    """The rated words of VADER (Hutto & Gilbert 2014, MIT), those of 3 letters or more that lean to a side.

    Found in the installed package without importing it; None where there is none.
    """
    if path is None:
        found = importlib.util.find_spec("vaderSentiment")
        if found is None or not found.origin:
            return None
        path = Path(found.origin).parent / "vader_lexicon.txt"
    rows = [line.split("\t")[:2] for line in path.read_text(encoding="utf-8").splitlines()]
    return [(w, float(mean) > 0) for w, mean in rows if re.fullmatch("[a-z]{3,}", w) and abs(float(mean)) >= 0.5]


def split_words(
    words: list[tuple[str, bool]], *, train: int, test: int, seed: int
) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Train and test words that share no first four letters: "abandon" and "abandoned" must not straddle."""
    families: dict[str, list[tuple[str, bool]]] = {}
    for word, label in words:
        families.setdefault(word[:4], []).append((word, label))
    rng = stream("words", seed)
    names = sorted(families)
    sides: tuple[list[tuple[str, bool]], list[tuple[str, bool]]] = ([], [])
    wanted = test * len(words) / (train + test)  # families go to the test until it has its share of all words
    for i in rng.permutation(len(names)):
        sides[len(sides[1]) < wanted].extend(families[names[i]])
    mixed = [[side[i] for i in rng.permutation(len(side))] for side in sides]
    return mixed[0][:train], mixed[1][:test]


def word_data(tokens: WordPieces, words: list[tuple[str, bool]]) -> RatedWords:
    ids, mask = tokens([word for word, _ in words])
    return RatedWords(ids, mask, torch.tensor([int(label) for _, label in words]))


def _batches(n: int, size: int, seed: int, epoch: int) -> Iterator[Tensor]:
    order = torch.from_numpy(stream("word batches", seed, epoch).permutation(n))
    return iter(order.split(size))


class LowerHalf:
    """The output of the frozen lower layers, computed once. Without frozen layers simply the embeddings, each time."""

    def __init__(self, encoder: Encoder, words: RatedWords, first: int) -> None:
        self.encoder, self.words, self.first = encoder, words, first
        self.kept: list[Tensor] = []
        if first:
            with torch.inference_mode():
                for rows in torch.arange(len(words.labels)).split(256):
                    x = encoder.run(encoder.embed(words.ids[rows]), words.mask[rows], 0, first)
                    self.kept.append(x.half())
            self.all = torch.cat([x.clone() for x in self.kept])

    def features(self, rows: Tensor) -> Float[Tensor, "m d"]:
        mask = self.words.mask[rows]
        longest = int(mask.sum(1).max())
        mask = mask[:, :longest]
        x = self.all[rows, :longest].float() if self.first else self.encoder.embed(self.words.ids[rows, :longest])
        return pooled(self.encoder.run(x, mask, self.first), mask)

    def everything(self) -> Float[Tensor, "n d"]:
        with torch.inference_mode():
            parts = [self.features(rows) for rows in torch.arange(len(self.words.labels)).split(256)]
        return torch.cat(parts).clone()


def train_words(
    encoder: Encoder,
    head: nn.Linear,
    train: RatedWords,
    test: RatedWords,
    groups: list[dict[str, object]],
    *,
    epochs: int,
    seed: int,
    batch: int = 64,
    first: int = 0,
    chunk: int = 8,
) -> Iterator[EpochReport]:
    """Train the groups' parameters by AdamW, its rates falling to 0, and report every ``chunk`` steps.

    Whoever stops asking stops the training. Layers below ``first`` are frozen and their output is computed once.
    """
    lower, lower_test = LowerHalf(encoder, train, first), LowerHalf(encoder, test, first)
    rule = torch.optim.AdamW(groups, weight_decay=0.0)
    rates = [group["lr"] for group in rule.param_groups]
    steps = epochs * -(-len(train.labels) // batch)
    done = 0
    seen = 0.0
    for epoch in range(epochs):
        for rows in _batches(len(train.labels), batch, seed, epoch):
            for group, rate in zip(rule.param_groups, rates, strict=True):
                group["lr"] = rate * (1 - done / steps)
            loss = nn.functional.cross_entropy(head(lower.features(rows)), train.labels[rows])
            rule.zero_grad(set_to_none=True)
            loss.backward()
            rule.step()
            done += 1
            now = float(loss.detach())
            seen = now if done == 1 else 0.9 * seen + 0.1 * now
            if done % chunk == 0:
                yield EpochReport(done / steps, seen, None)
        yield EpochReport(done / steps, seen, accuracy(head, lower_test.everything(), test.labels))


def accuracy(head: nn.Linear, features: Float[Tensor, "n d"], labels: Int[Tensor, "n"]) -> float:
    with torch.inference_mode():
        return float((head(features).argmax(1) == labels).double().mean())


PENALTIES = (1e-3, 1e-2, 3e-2, 1e-1, 3e-1)


def fit_probe(
    features: Float[Tensor, "n d"], labels: Int[Tensor, "n"], test: Float[Tensor, "m d"], test_labels: Int[Tensor, "m"]
) -> float:
    """How far frozen features go: test accuracy of a logistic regression whose penalty a held-out fifth chose."""
    w, centre, spread = _probe(features, labels)
    return _right(w, (test - centre).double() / spread, test_labels)


def probe_head(features: Float[Tensor, "n d"], labels: Int[Tensor, "n"]) -> nn.Linear:
    """The same regression as a head of two outputs: adapting then starts where frozen features end."""
    w, centre, spread = _probe(features, labels)
    direction = w[:-1] / spread
    shift = w[-1] - centre.double() @ direction
    head = nn.Linear(features.shape[1], 2)
    with torch.no_grad():
        head.weight.copy_(torch.stack([-direction / 2, direction / 2]))
        head.bias.copy_(torch.stack([-shift / 2, shift / 2]))
    return head


def _probe(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    centre, spread = features.mean(0), features.std(0) + 1e-9
    x = (features - centre).double() / spread
    held = torch.arange(len(x)) % 5 == 0
    scores = [_right(_logistic(x[~held], labels[~held], p), x[held], labels[held]) for p in PENALTIES]
    return _logistic(x, labels, PENALTIES[int(np.argmax(scores))]), centre, spread


def _logistic(x: Tensor, labels: Tensor, penalty: float) -> Tensor:
    w = torch.zeros(x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([w], max_iter=100, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        solver.zero_grad()
        fit = nn.functional.binary_cross_entropy_with_logits(x @ w[:-1] + w[-1], labels.double())
        loss = fit + 0.5 * penalty * w[:-1].square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return w.detach()


def _right(w: Tensor, x: Tensor, labels: Tensor) -> float:
    return float((((x @ w[:-1] + w[-1]) > 0) == (labels > 0)).double().mean())


class RatedWordsRun(NamedTuple):
    """Test accuracy of the probe and after each epoch, and the spectrum of every adapter's ΔW."""

    probe: float
    accuracy: tuple[float, ...]
    trainable: int
    names: tuple[str, ...]
    sigma: Float[np.ndarray, "n r"]
    train: int
    test: int


@each_step_in_one_thread
def adapt_words(
    folder: Path,
    lexicon: list[tuple[str, bool]],
    *,
    rank: int,
    last_layers: int = 2,
    train: int = 1000,
    test: int = 400,
    epochs: int = 3,
    lr: float = 2e-3,
    seed: int = 0,
    sha256: str = MINILM_SHA256,
) -> Iterator[Progress | RatedWordsRun]:
    """Adapt query and value of an encoder's last layers to rated words: progress first, the run last.

    The layers below are frozen, so their output is computed once. Raises ExperimentError.
    """
    encoder, tokens = load_encoder(folder, sha256=sha256)
    if not 1 <= last_layers <= len(encoder.layers):
        raise ExperimentError(
            say(
                "last_layers={given} is not possible: this encoder allows 1 to {most}.",
                given=last_layers,
                most=len(encoder.layers),
            )
        )
    first = len(encoder.layers) - last_layers
    sides = [word_data(tokens, side) for side in split_words(lexicon, train=train, test=test, seed=seed)]
    yield Progress(0.02, say("words cut into tokens"))
    features = [LowerHalf(encoder, side, 0).everything() for side in sides]
    probe = fit_probe(features[0], sides[0].labels, features[1], sides[1].labels)
    yield Progress(0.2, say("frozen features alone {probe:.1f} %", probe=100 * probe))
    adapters = attach_lora(encoder, rank=rank, alpha=2.0 * rank, seed=seed, first=first)
    head = probe_head(features[0], sides[0].labels)
    groups: list[dict[str, object]] = [
        {"params": [p for a in adapters.values() for p in (a.lora_A, a.lora_B)], "lr": lr},
        {"params": list(head.parameters()), "lr": 1e-3},
    ]
    reached: list[float] = []
    for report in train_words(
        encoder, head, sides[0], sides[1], groups, epochs=epochs, seed=seed, first=first, chunk=2
    ):
        if report.accuracy is not None:
            reached.append(report.accuracy)
        said = (
            say("loss {loss:.3f}, test {reached:.1f} %", loss=report.loss, reached=100 * reached[-1])
            if reached
            else say("loss {loss:.3f}", loss=report.loss)
        )
        yield Progress(0.2 + 0.8 * report.share, said)
    factors = [(a.lora_A.detach().double().numpy(), a.lora_B.detach().double().numpy()) for a in adapters.values()]
    scaling = next(iter(adapters.values())).scaling
    yield RatedWordsRun(
        probe=probe,
        accuracy=tuple(reached),
        trainable=sum(A.size + B.size for A, B in factors) + sum(p.numel() for p in head.parameters()),
        names=tuple(adapters),
        sigma=np.stack([FactoredMatrix(A, B, scaling).singular_values() for A, B in factors]),
        train=len(sides[0].labels),
        test=len(sides[1].labels),
    )
