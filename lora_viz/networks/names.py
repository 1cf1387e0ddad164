"""A tiny language model of names, letter by letter, and the names of six languages to train it on and adapt it to.

The names come from the MIT-licensed package faker, accents folded away; ``docs/make_names.py`` derives the lists and
pretrains the model on the English ones. Both lie in data/names.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lora_viz.core.progress import Progress
from lora_viz.i18n.language import to_say
from lora_viz.networks.llama import Cache, Frozen, Layout, Llama, Shape, laid_out

__all__ = [
    "DATA",
    "END",
    "LANGUAGES",
    "LONGEST",
    "SHAPE",
    "loss_of_names",
    "name_loss",
    "name_stream",
    "names_model",
    "names_of",
    "pretrained_names",
    "read_tokens",
    "sampled",
    "tokens_of",
]

DATA = Path(__file__).parent / "data" / "names"
LANGUAGES = {
    "english": to_say("English"),
    "italian": to_say("Italian"),
    "finnish": to_say("Finnish"),
    "turkish": to_say("Turkish"),
    "icelandic": to_say("Icelandic"),
    "zulu": to_say("Zulu"),
}
END = 0  # begins and ends a name; 1 to 26 are a to z
LONGEST = 14
SHAPE = Shape(vocabulary=27, width=64, layers=3, heads=4, kv_heads=4, inner=172)
PRETRAIN_STEPS, PRETRAIN_BATCH, PRETRAIN_LR = 500, 128, 3e-3
TEST_SHARE = 0.1


def name_stream(name: str, *keys: int) -> np.random.Generator:
    """A generator of its own for each purpose."""
    return np.random.default_rng([zlib.crc32(f"names {name}".encode()), *keys])


@lru_cache(maxsize=len(LANGUAGES))
def names_of(language: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of a language to train on, and a tenth of them to test on: the same split always, in random order."""
    names = (DATA / f"{language}.txt").read_text(encoding="ascii").split()
    order = name_stream("split").permutation(len(names))
    test = round(TEST_SHARE * len(names))
    mixed = [names[i] for i in order]
    return tuple(mixed[test:]), tuple(mixed[:test])


def tokens_of(name: str) -> list[int]:
    """What is read to guess each letter and the end: the beginning, then the letters."""
    return [END, *(ord(letter) - 96 for letter in name)]


def read_tokens(tokens: Sequence[int]) -> str:
    """Letters again."""
    return "".join(chr(96 + token) for token in tokens)


def name_loss(logits: Float[Tensor, "G N V"], layout: Layout) -> Float[Tensor, "G"]:
    """The mean cross-entropy in nats a letter, the end of each name counted as one."""
    target = torch.roll(layout.ids, -1)  # the next text begins with what this one should end with
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), target.repeat(len(logits)), reduction="none"
    ).view(len(logits), -1).mean(1)  # fmt: skip


def loss_of_names(model: Llama, names: Sequence[str], adapters: object = None) -> Float[np.ndarray, "G"]:
    """Of every adapter on these names."""
    held = Frozen() if adapters is None else adapters
    layout = laid_out([tokens_of(name) for name in names])
    x = model.run(model.embed(layout.ids, held.count), held, layout)  # type: ignore[attr-defined]
    return name_loss(model.logits(x), layout).double().detach().numpy()


@lru_cache(maxsize=1)
def names_model() -> Llama:
    """The model pretrained on English names, as it is shipped. Shared: nobody may change it."""
    with np.load(DATA / "base.npz", allow_pickle=False) as file:
        return Llama(SHAPE, {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files})


def first_weights(seed: int = 0) -> dict[str, Tensor]:
    """Before any training: normal numbers of standard deviation 0.02·√(576/width), norms at 1."""
    found = {}
    for i, (name, size) in enumerate(Llama.names(SHAPE).items()):
        drawn = name_stream("weights", seed, i).standard_normal(size) * 0.06
        found[name] = torch.tensor(np.ones(size) if len(size) == 1 else drawn, dtype=torch.float32)
    return found


def pretrained_names(steps: int = PRETRAIN_STEPS) -> Iterator[Progress | dict[str, Tensor]]:
    """Progress first, at last the weights: AdamW with a cosine schedule on the English names."""
    train, test = names_of("english")
    weights = {name: value.requires_grad_() for name, value in first_weights().items()}
    rule = torch.optim.AdamW(weights.values(), lr=PRETRAIN_LR, weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(rule, steps)
    rng = name_stream("pretraining")
    for k in range(steps):
        layout = laid_out([tokens_of(train[i]) for i in rng.integers(len(train), size=PRETRAIN_BATCH)])
        model = Llama(SHAPE, weights)
        name_loss(model.logits(model.run(model.embed(layout.ids), Frozen(), layout)), layout).sum().backward()
        rule.step()
        schedule.step()
        rule.zero_grad()
        if k % 100 == 99:
            with torch.inference_mode():
                now = Llama(SHAPE, weights)
                told = [loss_of_names(now, names)[0] for names in (test, train[: len(test)])]
            yield Progress((k + 1) / steps, f"test {told[0]:.3f} train {told[1]:.3f}")
    yield {name: value.detach() for name, value in weights.items()}


@torch.inference_mode()
def sampled(model: Llama, adapters: object, draws: Float[np.ndarray, "S t"]) -> list[list[str]]:
    """A name of every adapter for every row of random numbers in [0, 1), the same for all adapters.

    The letter at place t is the first one at which the probabilities of the letters up to it, in the alphabet's order,
    exceed the row's t-th number.
    """
    texts = len(draws)
    layout, cache = laid_out([[END]] * texts), Cache(model.shape.layers)
    count: int = adapters.count  # type: ignore[attr-defined]
    x = model.run(model.embed(layout.ids, count), adapters, layout, cache=cache)
    found: list[Int[Tensor, "G S"]] = []
    over = torch.zeros(count, texts, dtype=torch.bool)
    for t in range(draws.shape[1]):
        reached = model.logits(x).double().softmax(-1).cumsum(-1)
        letter = (reached <= torch.from_numpy(draws[:, t]).view(1, -1, 1)).sum(-1).clamp(max=model.shape.vocabulary - 1)
        over |= letter == END
        found.append(torch.where(over, END, letter))
        if bool(over.all()) or t + 1 == draws.shape[1]:
            break
        x = model.step(letter, torch.full((texts,), t + 1), adapters, cache)
    letters = torch.stack(found, dim=-1).tolist()
    return [[read_tokens([token for token in row if token != END]) for row in rows] for rows in letters]
