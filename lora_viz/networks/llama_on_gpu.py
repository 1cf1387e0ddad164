"""Attention over texts in a line, and the gate, as one GPU program each: what autograd's chain would read many times.

Attention turns queries and keys by their rotary angles on the way, so that nothing is gathered, padded or copied. Sums
are formed in one order always: two runs give the same bits.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from lora_viz.engine.kernels.fused import allows_tf32
from lora_viz.networks.frozen_products import has_kernels
from lora_viz.networks.packed_texts import Layout

__all__ = ["attend_in_line", "fits_attention", "gated_rows"]

LAUNCH = {"num_warps": 2, "num_stages": 2}  # the fastest measured on an H200, at SmolLM2's sizes
LONGEST = 64  # tokens of a text, or of the beginning, that a program holds on the chip


def _power(n: int) -> int:
    return max(16, 1 << (n - 1).bit_length())


def fits_attention(y: Tensor, layout: Layout, head_dim: int) -> bool:
    """Whether ``attend_in_line`` takes these: float32, heads of 32 to 128 numbers, texts that fit on the chip."""
    if y.dtype != torch.float32 or head_dim not in (32, 64, 128) or not has_kernels(y.device):
        return False
    return max(layout.prefix, layout.slot.shape[1]) <= LONGEST


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, turns: Tensor, layout: Layout, heads: int, kv_heads: int) -> Tensor:
        from lora_viz.networks.llama_kernels import attend_forward

        y = y.contiguous()
        count, N = y.shape[:2]
        head_dim = y.shape[2] // (heads + 2 * kv_heads)
        texts, p = len(layout.slot), layout.prefix
        begun = torch.cat([layout.slot[:, 0] + p, layout.slot.new_tensor([0])]).int()
        long = torch.cat([layout.there.sum(1), layout.slot.new_tensor([p])]).int()
        rows = {"P": _power(p), "T": _power(max(p, layout.slot.shape[1]))}
        precision = "tf32" if allows_tf32() else "tf32x3"
        ctx.sizes = {"HEADS": heads, "SHARED": kv_heads, "D": head_dim // 2, **rows, "PRECISION": precision, **LAUNCH}
        ctx.grid, ctx.given = (count, kv_heads, texts + bool(p)), (N, p, texts, head_dim**-0.5)
        out = y.new_empty(count, N, heads * head_dim)
        attend_forward[ctx.grid](y, turns, begun, long, out, *ctx.given, **ctx.sizes)
        ctx.save_for_backward(y, turns, begun, long)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        from lora_viz.networks.llama_kernels import attend_backward

        y, turns, begun, long = ctx.saved_tensors
        _, p, texts, _ = ctx.given
        narrow = 4 * ctx.sizes["SHARED"] * ctx.sizes["D"]
        found = torch.empty_like(y)
        shares = y.new_empty(len(y), texts + 1, p, narrow)
        attend_backward[ctx.grid](y, turns, begun, long, gradient.contiguous(), found, shares, *ctx.given, **ctx.sizes)
        if p:
            found[:, :p, -narrow:] += shares[:, :texts].sum(1)
        return found, None, None, None, None


def attend_in_line(
    y: Float[Tensor, "G N A"], cosine: Float[Tensor, "N 1 h"], sine: Float[Tensor, "N 1 h"], layout: Layout, heads: int,
    kv_heads: int,
) -> Float[Tensor, "G N H"]:  # fmt: skip
    """Each token over the beginning and its text, up to itself: queries, keys and values by head to mixed values.

    Queries and keys are turned by their rotary angles (Su et al. 2021) first.
    """
    half = cosine.shape[-1] // 2
    turns = torch.cat([cosine[:, 0, :half], sine[:, 0, :half]], dim=-1)
    found: Tensor = _Attention.apply(y, turns, layout, heads, kv_heads)
    return found


BLOCK = 1024


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        from lora_viz.networks.llama_kernels import gate_forward

        both = both.contiguous()
        ctx.save_for_backward(both)
        inner = both.shape[-1] // 2
        out = both.new_empty(*both.shape[:-1], inner)
        gate_forward[out.numel() // inner, -(-inner // BLOCK)](both, out, inner, BLOCK=BLOCK)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        from lora_viz.networks.llama_kernels import gate_backward

        (both,) = ctx.saved_tensors
        found, inner = torch.empty_like(both), both.shape[-1] // 2
        grid = (gradient.numel() // inner, -(-inner // BLOCK))
        gate_backward[grid](both, gradient.contiguous(), found, inner, BLOCK=BLOCK)
        return found


def gated_rows(both: Float[Tensor, "*N H"]) -> Float[Tensor, "*N h"]:
    """silu(first half) · second half (Shazeer 2020)."""
    found: Tensor = _Gated.apply(both)
    return found
