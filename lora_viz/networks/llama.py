"""A frozen Llama in plain torch, under many adapters at once, which share every frozen product.

The architecture of Touvron et al. 2023: RMSNorm, rotary positions, grouped keys and values, SwiGLU, a tied head. Its
weights carry the names of transformers' ``LlamaForCausalLM``. Texts lie end to end in one line of tokens, so nothing is
padded but attention, and a beginning that all texts share (a system prompt) is computed once. On a processor the parts
between products come with their derivatives written out; a GPU has kernels for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lora_viz.networks.derivatives import gated, normed, token_losses, turned
from lora_viz.networks.frozen_products import has_kernels, times
from lora_viz.networks.llama_on_gpu import attend_in_line, fits_attention, gated_rows
from lora_viz.networks.packed_texts import Cache, Layout, attend, attend_by_products, attend_next, few_scores, laid_out

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


class Frozen:
    """No adapter at all: every product is the frozen one. What ``Llama.run`` asks of adapters."""

    count = 1

    def product(
        self, x: Float[Tensor, "E N i"], weight: Float[Tensor, "o i"], layer: int, group: str
    ) -> Float[Tensor, "E N o"]:
        """W x, with what the adapters add to it."""
        return times(x, weight)


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
        at: Int[Tensor, "K"] | None = None,
        cache: Cache | None = None,
    ) -> Float[Tensor, "G K d"]:
        """The states after layers ``start`` to ``stop`` (not included); ``cache`` is filled with keys and values.

        E is the number of adapters, or 1 where nothing has set their states apart yet. Where only the states at some
        places are wanted, ``at`` names them, and the last layer computes no others behind its attention.
        """
        turns, stop = self.turns(layout.position), self.shape.layers if stop is None else stop
        for i in range(start, stop):
            wanted = at if i + 1 == stop else None
            x = self._layer(x, i, adapters, self._mixing(adapters, turns, layout, cache, i), wanted)
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

            def mixing(y: Tensor, i: int = i) -> Tensor:
                return attend_next(*self._heads(y, turns), cache, i)

            x = self._layer(x, i, adapters, mixing)
        return x

    def losses(self, x: Float[Tensor, "G K d"], target: Int[Tensor, "K"]) -> Float[Tensor, "G K"]:
        """Of states at the top: the cross-entropy of the token that should follow each, in nats."""
        if not self.embedding.requires_grad:
            return token_losses(self._norm(x, self.last_norm), self.embedding, target)
        logits = self.logits(x).flatten(0, 1)
        return torch.nn.functional.cross_entropy(logits, target.repeat(len(x)), reduction="none").view(len(x), -1)

    def logits(self, x: Float[Tensor, "*N d"]) -> Float[Tensor, "*N V"]:
        """Of states at the top."""
        return self._norm(x, self.last_norm) @ self.embedding.T

    def _norm(self, x: Tensor, weight: Tensor) -> Tensor:
        if x.device.type == "cpu":
            return normed(x, weight, self.shape.eps)
        return torch.nn.functional.rms_norm(x, (x.shape[-1],), weight, self.shape.eps)

    def _heads(self, y: Tensor, turns: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values by head, the first two turned."""
        shape = self.shape
        narrow = shape.kv_heads * shape.head_dim
        qk, v = (part.unflatten(-1, (-1, shape.head_dim)) for part in y.split((shape.width + narrow, narrow), dim=-1))
        q, k = _turned(qk, *turns).split((shape.heads, shape.kv_heads), dim=-2)
        return q, k, v

    def _mixing(
        self, adapters: Any, turns: tuple[Tensor, Tensor], layout: Layout, cache: Cache | None, i: int
    ) -> Callable[[Tensor], Tensor]:
        shape = self.shape
        if cache is None and layout.ids.device.type == "cpu" and few_scores(layout, shape.heads, adapters.count):

            def mixed(y: Tensor) -> Tensor:
                heads = turned(y.unflatten(-1, (-1, shape.head_dim)), *turns, shape.heads + shape.kv_heads)
                return attend_by_products(heads, shape.kv_heads, layout)

            return mixed
        if cache is None and fits_attention(self.embedding, layout, shape.head_dim):

            def in_line(y: Tensor) -> Tensor:
                found = attend_in_line(y, *turns, layout, shape.heads, shape.kv_heads)
                return found.unflatten(-1, (-1, shape.head_dim))

            return in_line
        return lambda y: attend(*self._heads(y, turns), layout, cache, i)

    def _layer(
        self, x: Tensor, i: int, adapters: Any, mixing: Callable[[Tensor], Tensor], at: Tensor | None = None
    ) -> Tensor:
        held, (first, second) = self.weight[i], self.norms[i]
        mixed = mixing(adapters.product(self._norm(x, first), held["qkv"], i, "qkv")).flatten(-2)
        if at is not None:
            x, mixed = x.index_select(1, at), mixed.index_select(1, at)
        x = x + adapters.product(mixed, held["o"], i, "o")
        both = adapters.product(self._norm(x, second), held["gate_up"], i, "gate_up")
        if both.device.type == "cpu":
            inner = gated(both)
        else:
            inner = gated_rows(both) if has_kernels(both.device) else _gated(both)
        return x + adapters.product(inner, held["down"], i, "down")


def _gated(both: Float[Tensor, "*N H"]) -> Float[Tensor, "*N h"]:
    gate, up = both.chunk(2, dim=-1)
    return torch.nn.functional.silu(gate) * up


def _turned(x: Float[Tensor, "*N H h"], cosine: Tensor, sine: Tensor) -> Float[Tensor, "*N H h"]:
    left, right = x.chunk(2, dim=-1)
    return x * cosine + torch.cat([-right, left], dim=-1) * sine
