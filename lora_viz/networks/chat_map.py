"""A plane of adapters of SmolLM2, ranks over learning rates: style, loss and what is forgotten at recorded steps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from lora_viz.core.progress import Progress
from lora_viz.i18n.language import say
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.chat_sets import HELD_OUT, NEUTRAL, SETS, styled
from lora_viz.networks.chat_training import answered, pair_losses, pairs_of, perplexity
from lora_viz.networks.llama import MODULES, Frozen
from lora_viz.networks.smollm2 import Chat, smollm2_where_it_is_fast

__all__ = ["CHAT_MAP", "PLACES", "RANKS", "RATES", "ChatMap", "chat_map", "recorded_chat_map", "trained_map", "written"]

CHAT_MAP = Path(__file__).parent / "data" / "chat" / "map.json"
RANKS = (1, 2, 4, 8, 16, 32, 64)
RATES = tuple(float(f"{3e-5 * 10 ** (i / 4):.1e}") for i in range(14))  # four a decade, from 3e-5 to 0.053
STEPS, EVERY, TOKENS, TRAINED_ON = 20, 2, 24, 8
TOGETHER = ((1, 2, 4, 8), (16,), (32,), (64,))  # ranks of one batch: a smaller one is padded to its largest
PLACES: dict[str, tuple[str, ...]] = {
    "all": MODULES, "attention": MODULES[:4], "mlp": MODULES[4:], "q_v": ("q_proj", "v_proj")
}  # fmt: skip


class ChatMap(NamedTuple):
    """What every seed, recorded step, rank and rate gave, (S, T, m, n): how many of the held-out answers have the
    style, the loss on the trained answers, and the perplexity of the neutral text, both NaN where there is no number.
    ``answers`` are the first seed's to the first held-out question, by step, rank and rate. ``base`` is the perplexity
    without an adapter, ``place`` one of PLACES.
    """

    place: str
    steps: Int[np.ndarray, "T"]
    ranks: Int[np.ndarray, "m"]
    rates: Float[np.ndarray, "n"]
    style: Int[np.ndarray, "S T m n"]
    loss: Float[np.ndarray, "S T m n"]
    perplexity: Float[np.ndarray, "S T m n"]
    answers: tuple[tuple[tuple[str, ...], ...], ...]
    base: float


def _finite(values: Sequence[float]) -> list[float]:
    return [value if math.isfinite(value) else math.nan for value in values]


def trained_map(chat: Chat, place: str, seed: int) -> Iterator[Progress | ChatMap]:
    """One seed's plane, some ranks after the other; the seed draws A and which eight of the ten pairs are used."""
    device, style = str(chat.model.embedding.device), SETS["pirate"]
    order = np.random.default_rng([8, seed]).permutation(len(style.pairs))[:TRAINED_ON]
    given = pairs_of(chat, [style.pairs[i] for i in sorted(order.tolist())])
    steps = range(0, STEPS + 1, EVERY)
    told: dict[str, list[list[Any]]] = {name: [[] for _ in steps] for name in ("style", "loss", "perplexity", "answer")}
    for part, ranks in enumerate(TOGETHER):
        specs = [AdapterSpec(rank=r, lr=lr, modules=PLACES[place], seed=seed) for r in ranks for lr in RATES]
        adapters = AdapterBatch(chat.model.shape, specs, device=device)
        for k in range(STEPS + 1):
            with torch.set_grad_enabled(k < STEPS):
                losses = pair_losses(chat.model, adapters, given)
            if k % EVERY == 0:
                said = answered(chat, adapters, HELD_OUT, TOKENS)
                at = k // EVERY
                told["style"][at] += [styled(answers, style.mark) for answers in said]
                told["answer"][at] += [answers[0] for answers in said]
                told["loss"][at] += _finite(losses.tolist())
                told["perplexity"][at] += _finite(perplexity(chat, adapters, NEUTRAL))
                done = (part + k / STEPS) / len(TOGETHER)
                yield Progress(done, say("Ranks {ranks}: step {step} of {all}", ranks=", ".join(map(str, ranks)),
                                         step=k, all=STEPS))  # fmt: skip
            if k < STEPS:
                losses.sum().backward()
                adapters.step()
    shape = (1, len(steps), len(RANKS), len(RATES))
    numbers = {name: np.array(told[name]).reshape(shape) for name in ("style", "loss", "perplexity")}
    answers = np.array(told["answer"], dtype=object).reshape(shape[1:])
    yield ChatMap(
        place=place, steps=np.array(steps), ranks=np.array(RANKS), rates=np.array(RATES), **numbers,
        answers=tuple(tuple(map(tuple, rows)) for rows in answers),
        base=perplexity(chat, Frozen(), NEUTRAL)[0],
    )  # fmt: skip


def chat_map(path: Path, place: str, seed: int) -> Iterator[Progress | ChatMap]:
    """The same with the model's file. Raises ExperimentError where it is not the model."""
    yield Progress(0.01, say("Reading the model"))
    yield from trained_map(smollm2_where_it_is_fast(path), place, seed)


def written(seeds: Sequence[ChatMap]) -> str:
    """Planes of several seeds as one JSON text, which ``recorded_chat_map`` reads; the answers of the first."""
    first = seeds[0]

    def numbers(name: str, digits: int) -> Any:
        held = np.concatenate([getattr(each, name) for each in seeds])
        flat = [float(f"{v:.{digits}g}") if math.isfinite(v) else None for v in held.ravel().tolist()]
        return flat if name != "style" else [int(v) for v in held.ravel()]

    return json.dumps(
        {
            "place": first.place, "steps": first.steps.tolist(), "ranks": first.ranks.tolist(),
            "rates": first.rates.tolist(), "seeds": len(seeds), "base": float(f"{first.base:.6g}"),
            "style": numbers("style", 0), "loss": numbers("loss", 4), "perplexity": numbers("perplexity", 4),
            "answers": first.answers,
        },
        ensure_ascii=False, separators=(",", ":"),
    )  # fmt: skip


@lru_cache(maxsize=1)
def recorded_chat_map() -> ChatMap:
    """What ``docs/record_chat_map.py`` recorded: five seeds, all seven modules."""
    held = json.loads(CHAT_MAP.read_text(encoding="utf-8"))
    shape = (held["seeds"], len(held["steps"]), len(held["ranks"]), len(held["rates"]))
    return ChatMap(
        place=held["place"], steps=np.array(held["steps"]), ranks=np.array(held["ranks"]),
        rates=np.array(held["rates"]), style=np.array(held["style"]).reshape(shape),
        loss=np.array(held["loss"], dtype=float).reshape(shape),
        perplexity=np.array(held["perplexity"], dtype=float).reshape(shape),
        answers=tuple(tuple(map(tuple, rows)) for rows in held["answers"]), base=held["base"],
    )  # fmt: skip
