"""A frozen Llama in plain torch, under many adapters at once, which share every frozen product.

The architecture of Touvron et al. 2023: RMSNorm, rotary positions, grouped keys and values, SwiGLU, a tied head. Its
weights carry the names of transformers' ``LlamaForCausalLM``. Texts lie end to end in one line of tokens, so nothing is
padded but attention, and a beginning that all texts share (a system prompt) is computed once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

__all__ = ["GROUPS", "MODULES", "Cache", "Frozen", "Layout", "Llama", "Shape", "laid_out"]

MODULES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
NORMS = ("input_layernorm", "post_attention_layernorm")
# Modules with one input are one product.
GROUPS: dict[str, tuple[str, ...]] = {
    "qkv": MODULES[:3],
    "o": MODULES[3:4],
    "gate_up": MODULES[4:6],
    "down": MODULES[6:],
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a Llama. ``kv_heads`` divides ``heads``, which divides ``width``."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    inner: int
    theta: float = 10_000.0
    eps: float = 1e-5

    @property
    def head_dim(self) -> int:
        """Numbers of one head."""
        return self.width // self.heads

    def sides(self, module: str) -> tuple[int, int]:
        """(d_out, d_in) of a module."""
        narrow = self.kv_heads * self.head_dim
        return {
            "q_proj": (self.width, self.width),
            "k_proj": (narrow, self.width),
            "v_proj": (narrow, self.width),
            "o_proj": (self.width, self.width),
            "gate_proj": (self.inner, self.width),
            "up_proj": (self.inner, self.width),
            "down_proj": (self.width, self.inner),
        }[module]

    @property
    def parameters(self) -> int:
        """All of them, the tied head once."""
        linear = sum(math.prod(self.sides(module)) for module in MODULES)
        return self.vocabulary * self.width + self.layers * (linear + 2 * self.width) + self.width

    def config(self) -> dict[str, Any]:
        """As ``config.json`` of transformers says it."""
        return {
            **{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu"},
            **{"vocab_size": self.vocabulary, "hidden_size": self.width, "num_hidden_layers": self.layers},
            **{"num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "head_dim": self.head_dim},
            **{"intermediate_size": self.inner, "rms_norm_eps": self.eps, "rope_theta": self.theta},
            **{"tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False, "torch_dtype": "float32"},
            **{"max_position_embeddings": 2048, "attention_dropout": 0.0},
        }


def _group_name(layer: int, module: str) -> str:
    part = "self_attn" if module in MODULES[:4] else "mlp"
    return f"model.layers.{layer}.{part}.{module}"


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


class Frozen:
    """No adapter at all: every product is the frozen one. What ``Llama.run`` asks of adapters."""

    count = 1

    def add(
        self, y: Float[Tensor, "G N o"], x: Float[Tensor, "G N i"], layer: int, group: str
    ) -> Float[Tensor, "G N o"]:
        """``y`` = W x with what the adapters add to it."""
        return y


class Cache:
    """Keys and values of every layer of texts that are continued, (G, S, kv, t, d); each step adds a token."""

    def __init__(self, layers: int) -> None:
        self.keys: list[Tensor | None] = [None] * layers
        self.values: list[Tensor | None] = [None] * layers
        self.sees: Tensor | None = None  # (S, 1, 1, t): which of them each text may look at


class Llama:
    """A frozen Llama: embeds tokens, runs its layers under adapters, and turns states into logits."""

    def __init__(self, shape: Shape, weights: Mapping[str, Tensor]) -> None:
        self.shape = shape
        self.embedding = weights["model.embed_tokens.weight"]
        self.weight: list[dict[str, Tensor]] = [
            {
                group: torch.cat([weights[f"{_group_name(i, module)}.weight"] for module in modules])
                for group, modules in GROUPS.items()
            }
            for i in range(shape.layers)
        ]
        self.norms = [
            tuple(weights[f"model.layers.{i}.{norm}.weight"] for norm in NORMS)
            for i in range(shape.layers)
        ]  # fmt: skip
        self.last_norm = weights["model.norm.weight"]
        half = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
        self.frequency = (1.0 / shape.theta**half).to(self.embedding.device)  # float32 always, as in transformers

    @staticmethod
    def names(shape: Shape) -> dict[str, tuple[int, ...]]:
        """Every weight of such a model with its sizes, as transformers calls them."""
        found: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (shape.vocabulary, shape.width)}
        for i in range(shape.layers):
            found |= {f"{_group_name(i, module)}.weight": shape.sides(module) for module in MODULES}
            found |= {f"model.layers.{i}.{norm}.weight": (shape.width,) for norm in NORMS}
        return found | {"model.norm.weight": (shape.width,)}

    def weights(self) -> dict[str, Tensor]:
        """Every weight under its name."""
        found = {"model.embed_tokens.weight": self.embedding, "model.norm.weight": self.last_norm}
        for i, (held, norms) in enumerate(zip(self.weight, self.norms, strict=True)):
            for group, modules in GROUPS.items():
                parts = held[group].split([self.shape.sides(module)[0] for module in modules])
                found |= {f"{_group_name(i, m)}.weight": part for m, part in zip(modules, parts, strict=True)}
            found |= {f"model.layers.{i}.{norm}.weight": value for norm, value in zip(NORMS, norms, strict=True)}
        return found

    def embed(self, ids: Int[Tensor, "*N"], count: int = 1) -> Float[Tensor, "G *N d"]:
        """What the first layer reads, once for each of ``count`` adapters."""
        found = self.embedding[ids]
        return found.expand(count, *found.shape)

    def turns(self, position: Int[Tensor, "*N"]) -> tuple[Float[Tensor, "*N 1 h"], Float[Tensor, "*N 1 h"]]:
        """Cosine and sine of the rotary angles at these positions."""
        angle = position[..., None].float() * self.frequency
        angle = torch.cat([angle, angle], dim=-1).unsqueeze(-2)
        return angle.cos().to(self.embedding), angle.sin().to(self.embedding)

    def run(
        self,
        x: Float[Tensor, "E N d"],
        adapters: Any,
        layout: Layout,
        *,
        start: int = 0,
        stop: int | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "G N d"]:
        """The states after layers ``start`` to ``stop`` (not included); ``cache`` is filled with keys and values.

        E is the number of adapters, or 1 where nothing has set their states apart yet.
        """
        turns = self.turns(layout.position)
        for i in range(start, self.shape.layers if stop is None else stop):
            x = self._layer(x, i, adapters, turns, lambda q, k, v, i=i: _attend(q, k, v, layout, cache, i))
        if cache is not None:
            own = layout.there[:, None, None, :]
            every = torch.ones(*own.shape[:3], layout.prefix, dtype=torch.bool, device=own.device)
            cache.sees = torch.cat([every, own], dim=-1)
        return x

    def step(
        self, ids: Int[Tensor, "G S"], position: Int[Tensor, "S"], adapters: Any, cache: Cache
    ) -> Float[Tensor, "G S d"]:
        """The states of one further token of each text, the cache grown by it."""
        turns, x = self.turns(position), self.embedding[ids]
        assert cache.sees is not None
        cache.sees = torch.cat([cache.sees, torch.ones_like(cache.sees[..., :1])], dim=-1)
        for i in range(self.shape.layers):
            x = self._layer(x, i, adapters, turns, lambda q, k, v, i=i: _attend_next(q, k, v, cache, i))
        return x

    def logits(self, x: Float[Tensor, "*N d"]) -> Float[Tensor, "*N V"]:
        """Of states at the top."""
        return self._norm(x, self.last_norm) @ self.embedding.T

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        return torch.nn.functional.rms_norm(x, (x.shape[-1],), weight, self.shape.eps)

    def _layer(self, x: Tensor, i: int, adapters: Any, turns: tuple[Tensor, Tensor], attend: Any) -> Tensor:
        shape, held, (first, second) = self.shape, self.weight[i], self.norms[i]
        wide, narrow = shape.width, shape.kv_heads * shape.head_dim
        h = self._norm(x, first)
        qk, v = adapters.add(h @ held["qkv"].T, h, i, "qkv").split((wide + narrow, narrow), dim=-1)
        qk, v = (part.unflatten(-1, (-1, shape.head_dim)) for part in (qk, v))
        q, k = _turned(qk, *turns).split((shape.heads, shape.kv_heads), dim=-2)
        mixed = attend(q, k, v).flatten(-2)
        x = x + adapters.add(mixed @ held["o"].T, mixed, i, "o")
        h = self._norm(x, second)
        inner = _gated(adapters.add(h @ held["gate_up"].T, h, i, "gate_up"))
        return x + adapters.add(inner @ held["down"].T, inner, i, "down")


def _gated(both: Float[Tensor, "*N H"]) -> Float[Tensor, "*N h"]:
    gate, up = both.chunk(2, dim=-1)
    return torch.nn.functional.silu(gate) * up


def _turned(x: Float[Tensor, "*N H h"], cosine: Tensor, sine: Tensor) -> Float[Tensor, "*N H h"]:
    left, right = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-right, left], dim=-1) * sine


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


def _attend(q: Tensor, k: Tensor, v: Tensor, layout: Layout, cache: Cache | None, i: int) -> Tensor:
    """(G, N, heads, d) in a line → the same, mixed: each token over the beginning and its text, up to itself."""
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


def _attend_next(q: Tensor, k: Tensor, v: Tensor, cache: Cache, i: int) -> Tensor:
    old_keys, old_values = cache.keys[i], cache.values[i]
    assert old_keys is not None and old_values is not None and cache.sees is not None
    cache.keys[i] = keys = torch.cat([old_keys, k.unsqueeze(3)], dim=3)
    cache.values[i] = values = torch.cat([old_values, v.unsqueeze(3)], dim=3)
    return _mixed(q.unsqueeze(3), keys, values, cache.sees).squeeze(3)
