"""A chat model adapted to pairs of questions and answers, and what it then answers; many adapters at once.

Only what counts is computed: logits at the tokens of answers, the common system prompt once, no padding, and the layers
below the first adapted one once for all steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lora_viz.networks.adapter_batch import AdapterBatch
from lora_viz.networks.llama import Cache, Frozen, Layout, Llama, laid_out
from lora_viz.networks.smollm2 import END, Chat

__all__ = ["PairsLaidOut", "answered", "lay_out_pairs", "pair_losses", "pairs_of", "perplexity", "train_pairs"]


class PairsLaidOut(NamedTuple):
    """Pairs as one line of tokens; ``at`` are the places whose next token belongs to an answer, ``target`` these."""

    layout: Layout
    at: Int[Tensor, "K"]
    target: Int[Tensor, "K"]


def lay_out_pairs(
    prefix: Sequence[int], pairs: Sequence[tuple[Sequence[int], Sequence[int]]], device: str = "cpu"
) -> PairsLaidOut:
    """Of tokens: what is asked, and what is answered, the end of the answer included."""
    layout = laid_out([[*asked, *answer[:-1]] for asked, answer in pairs], prefix, device)
    at: list[int] = []
    target: list[int] = []
    start = len(prefix)
    for asked, answer in pairs:
        at += range(start + len(asked) - 1, start + len(asked) + len(answer) - 1)
        target += answer
        start += len(asked) + len(answer) - 1
    return PairsLaidOut(layout, torch.tensor(at, device=device), torch.tensor(target, device=device))


def pairs_of(chat: Chat, pairs: Sequence[tuple[str, str]]) -> PairsLaidOut:
    """These questions and answers in the model's own template."""
    told = [(chat.asked(q.strip()), [*chat.encode(a.strip()), END]) for q, a in pairs]
    return lay_out_pairs(chat.prefix, told, _device(chat))


def _device(chat: Chat) -> str:
    return str(chat.model.embedding.device)


def pair_losses(
    model: Llama, adapters: AdapterBatch | Frozen, given: PairsLaidOut, below: Tensor | None = None
) -> Float[Tensor, "G"]:
    """The mean cross-entropy over the tokens of the answers, in nats, for every adapter."""
    start = 0
    if below is None:
        below = model.embed(given.layout.ids)
    else:
        assert isinstance(adapters, AdapterBatch)
        start = adapters.first_layer
    x = model.run(below, adapters, given.layout, start=start, at=given.at)
    return model.losses(x, given.target).mean(1)


def train_pairs(
    model: Llama, adapters: AdapterBatch, given: PairsLaidOut | Sequence[PairsLaidOut], steps: int
) -> Iterator[list[float]]:
    """A step after the other at a constant rate on all pairs, or on one part of them after the other; yields each
    adapter's loss on the step's pairs before the step.
    """
    parts = [given] if isinstance(given, PairsLaidOut) else list(given)
    below: list[Tensor | None] = [None] * len(parts)
    if adapters.first_layer:
        with torch.no_grad():
            below = [model.run(model.embed(part.layout.ids), Frozen(), part.layout, stop=adapters.first_layer)
                     for part in parts]  # fmt: skip
    for k in range(steps):
        with torch.enable_grad():
            losses = pair_losses(model, adapters, parts[k % len(parts)], below[k % len(parts)])
            losses.sum().backward()
        yield losses.detach().tolist()
        adapters.step()


@torch.inference_mode()
def answered(chat: Chat, adapters: AdapterBatch | Frozen, questions: Sequence[str], most: int = 24) -> list[list[str]]:
    """What each adapter answers to each question, the likeliest token every time, ``most`` tokens at most."""
    model = chat.model
    begun = [chat.asked(question) for question in questions]
    device, prefix = _device(chat), chat.prefix
    layout = laid_out(begun, prefix, device)
    cache, count = Cache(model.shape.layers), adapters.count
    ends = torch.tensor([len(text) for text in begun], device=device).cumsum(0) - 1 + len(prefix)
    x = model.run(model.embed(layout.ids, count), adapters, layout, cache=cache, at=ends)
    position = layout.position[ends]
    over = torch.zeros(count, len(begun), dtype=torch.bool, device=device)
    found: list[Tensor] = []
    for _ in range(most):
        token = torch.where(over, END, model.logits(x).argmax(-1))
        over |= token == END
        found.append(token)
        if bool(over.all()) or len(found) == most:
            break
        position = position + 1
        x = model.step(token, position, adapters, cache)
    rows = torch.stack(found, dim=-1).tolist()
    return [[chat.decode([t for t in row if t != END]) for row in each] for each in rows]


@torch.inference_mode()
def perplexity(chat: Chat, adapters: AdapterBatch | Frozen, text: str) -> list[float]:
    """exp of the mean loss on this text by itself, without a template; ∞ where it cannot be written."""
    ids = chat.encode(text)
    device = _device(chat)
    layout = laid_out([ids[:-1]], device=device)
    given = PairsLaidOut(layout, torch.arange(len(ids) - 1, device=device), torch.tensor(ids[1:], device=device))
    return [math.exp(loss) if loss < 700 else math.inf for loss in pair_losses(chat.model, adapters, given).tolist()]
