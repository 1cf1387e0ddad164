"""Texts end to end in one line of tokens behind a common beginning, and attention over them.

Nothing but attention is padded, and it alone: it gathers the line into a grid of texts and goes back to the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["Cache", "Layout", "attend", "attend_by_products", "attend_next", "laid_out"]

ENTRIES = 1 << 20  # of attention scores: where there are more, they are not kept for the way back


class Layout(NamedTuple):
    """Where each token of some texts stands in the one line of all their tokens; the common beginning comes first.

    ``slot`` (S, T) is the place in the line of each token of each text, 0 where a text is over (``there`` says which);
    ``back`` (N − prefix) is the place of each token of the line in the flattened grid. ``sees`` (S, 1, T, prefix + T)
    says what a token may look at.
    """

    ids: Int[Tensor, "N"]
    position: Int[Tensor, "N"]
    prefix: int
    slot: Int[Tensor, "S T"]
    back: Int[Tensor, "M"]
    there: Bool[Tensor, "S T"]
    sees: Bool[Tensor, "S 1 T K"]


def laid_out(texts: Sequence[Sequence[int]], prefix: Sequence[int] = (), device: str = "cpu") -> Layout:
    """These texts behind their common beginning ``prefix``, end to end."""
    p, lengths = len(prefix), [len(text) for text in texts]
    longest, starts = max(lengths), [0]
    for size in lengths:
        starts.append(starts[-1] + size)
    ids = torch.tensor([*prefix, *(token for text in texts for token in text)], device=device)
    length = torch.tensor(lengths, device=device)[:, None]
    along = torch.arange(longest, device=device)
    there = along < length
    slot = torch.where(there, torch.tensor(starts[:-1], device=device)[:, None] + along, 0)
    grid = torch.arange(len(texts) * longest, device=device).view(len(texts), longest)
    position = torch.cat([torch.arange(p, device=device), (p + along).expand(len(texts), -1)[there]])
    causal = along[None, :] <= along[:, None]
    sees = torch.cat([torch.ones(longest, p, dtype=torch.bool, device=device), causal], dim=1)
    return Layout(ids, position, p, slot, grid[there], there, sees.expand(len(texts), 1, -1, -1))


class Cache:
    """Keys and values of every layer of texts that are continued, (G, S, kv, t, d); each step adds a token."""

    def __init__(self, layers: int) -> None:
        self.keys: list[Tensor | None] = [None] * layers
        self.values: list[Tensor | None] = [None] * layers
        self.sees: Tensor | None = None  # (S, 1, 1, t): which of them each text may look at


class _Spread(torch.autograd.Function):
    """(G, M, …) in a line → (G, S, T, …) in a grid. The way back is a gather too, since each place is used once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layout: Layout) -> Tensor:
        ctx.layout = layout
        return x.index_select(1, layout.slot.flatten()).unflatten(1, layout.slot.shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient.flatten(1, 2).index_select(1, ctx.layout.back), None


class _Gathered(torch.autograd.Function):
    """(G, S, T, …) in a grid → (G, M, …) in a line."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, layout: Layout) -> Tensor:
        ctx.layout = layout
        return x.flatten(1, 2).index_select(1, layout.back)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        layout = ctx.layout
        found = gradient.index_select(1, layout.slot.flatten()).unflatten(1, layout.slot.shape)
        return found * layout.there.view(1, *layout.there.shape, *(1,) * (found.ndim - 3)), None


def _mixed(q: Tensor, k: Tensor, v: Tensor, sees: Tensor) -> Tensor:
    """Attention over (…, heads, t, d); keys and values are shared by groups of heads."""
    times = q.shape[-3] // k.shape[-3]
    if times > 1:
        k, v = (part.repeat_interleave(times, dim=-3) for part in (k, v))
    lead = q.shape[:-3]
    q, k, v = (part.reshape(-1, *part.shape[-3:]) for part in (q, k, v))
    if sees.ndim > 2:
        sees = sees.expand(*lead, *sees.shape[-3:]).reshape(-1, *sees.shape[-3:])
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=sees).unflatten(0, lead)


def attend(
    q: Float[Tensor, "G N H h"],
    k: Float[Tensor, "G N K h"],
    v: Float[Tensor, "G N K h"],
    layout: Layout,
    cache: Cache | None,
    i: int,
) -> Float[Tensor, "G N H h"]:
    """Each token over the beginning and its text, up to itself; keys and values go to layer ``i`` of the cache."""
    p, texts = layout.prefix, len(layout.slot)
    grid = [_Spread.apply(part[:, p:], layout).transpose(2, 3) for part in (q, k, v)]
    first = [part[:, :p].transpose(1, 2) for part in (q, k, v)]
    keys, values = (
        torch.cat([first[j].unsqueeze(1).expand(-1, texts, -1, -1, -1), grid[j]], dim=3) if p else grid[j]
        for j in (1, 2)
    )
    if cache is not None:
        cache.keys[i], cache.values[i] = keys, values
    mixed = _Gathered.apply(_mixed(grid[0], keys, values, layout.sees).transpose(2, 3), layout)
    if not p:
        return mixed
    causal = torch.ones(p, p, dtype=torch.bool, device=q.device).tril()
    alone = _mixed(first[0], first[1], first[2], causal)
    return torch.cat([alone.transpose(1, 2), mixed], dim=1)


def attend_next(q: Tensor, k: Tensor, v: Tensor, cache: Cache, i: int) -> Tensor:
    """One further token of each text, (G, S, heads, d), over all that the cache holds, which grows by it."""
    old_keys, old_values = cache.keys[i], cache.values[i]
    assert old_keys is not None and old_values is not None and cache.sees is not None
    cache.keys[i] = keys = torch.cat([old_keys, k.unsqueeze(3)], dim=3)
    cache.values[i] = values = torch.cat([old_values, v.unsqueeze(3)], dim=3)
    return _mixed(q.unsqueeze(3), keys, values, cache.sees).squeeze(3)


def few_scores(layout: Layout, heads: int, count: int) -> bool:
    """Whether ``attend_by_products`` may keep them all."""
    return count * heads * layout.sees.numel() <= ENTRIES


def attend_by_products(heads: Float[Tensor, "G N A h"], kv_heads: int, layout: Layout) -> Float[Tensor, "G N H h"]:
    """The same of queries, keys and values of A = H + 2K heads, by plain products whose scores are kept.

    On a processor, for texts as short as ours, that takes half as long as the kernel that keeps no scores: the heads
    that share keys are rows of one product.
    """
    p, texts = layout.prefix, len(layout.slot)
    sizes = (heads.shape[2] - 2 * kv_heads, 2 * kv_heads)
    if p:
        first, rest = heads.split((p, heads.shape[1] - p), dim=1)
        q_first, kv_first = first.split(sizes, dim=2)
        q, kv = _Spread.apply(rest, layout).split(sizes, dim=3)
        kv = torch.cat([kv_first.unsqueeze(1).expand(-1, texts, -1, -1, -1), kv], dim=2)
    else:
        q, kv = _Spread.apply(heads, layout).split(sizes, dim=3)
    mixed = _Gathered.apply(_by_products(q, kv, layout.sees[0, 0]), layout)
    if not p:
        return mixed
    causal = torch.ones(p, p, dtype=torch.bool, device=heads.device).tril()
    alone = _by_products(q_first.unsqueeze(1), kv_first.unsqueeze(1), causal)
    return torch.cat([alone.squeeze(1), mixed], dim=1)


def _by_products(
    q: Float[Tensor, "G S T H h"], kv: Float[Tensor, "G S P B h"], sees: Bool[Tensor, "T P"]
) -> Float[Tensor, "G S T H h"]:
    count, texts, long, heads, size = q.shape
    both = kv.unflatten(3, (2, -1)).permute(3, 0, 1, 4, 2, 5)  # (2, G, S, K, P, h)
    shared = both.shape[3]
    k, v = both.reshape(2, -1, kv.shape[2], size).unbind()
    rows = q.unflatten(3, (shared, -1)).permute(0, 1, 3, 4, 2, 5).reshape(len(k), -1, size)
    hidden = torch.zeros(sees.shape, dtype=q.dtype, device=q.device).masked_fill_(~sees, float("-inf"))
    scores = torch.baddbmm(hidden.repeat(heads // shared, 1), rows, k.transpose(1, 2), alpha=size**-0.5)
    mixed = torch.bmm(scores.softmax(-1), v).view(count, texts, shared, -1, long, size)
    return mixed.permute(0, 1, 4, 2, 3, 5).reshape(count, texts, long, heads, size)
