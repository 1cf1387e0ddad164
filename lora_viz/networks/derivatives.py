"""Parts of a Llama whose derivatives are written out: each reads its arrays fewer times than autograd's chain would.

A step on a processor is bound by matrix products; what is written here keeps the rest of it small. The weights may be
trained in ``normed`` alone: every other function takes its frozen matrix as a constant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lora_viz.networks.frozen_products import add_times_transposed, times, times_transposed

__all__ = ["adapted_product", "gated", "normed", "token_losses", "turned"]

VOCABULARY_PART = {"cpu": 2048, "cuda": 8192}  # rows of the head whose logits are held at once


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        size = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        scale = size.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
        ctx.save_for_backward(x, weight, scale)
        return (x * scale).mul_(weight)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight, scale = ctx.saved_tensors
        own = (gradient * x).mul_(scale).flatten(0, -2).sum(0) if ctx.needs_input_grad[1] else None
        if not ctx.needs_input_grad[0]:
            return None, own, None
        found = gradient * weight
        along = (found * x).sum(-1, keepdim=True).mul_(scale.pow(3)).div_(x.shape[-1])
        return found.mul_(scale).addcmul_(x, along, value=-1), own, None


def normed(x: Float[Tensor, "*N d"], weight: Float[Tensor, "d"], eps: float) -> Float[Tensor, "*N d"]:
    """x / √(mean x² + eps) · weight: RMSNorm (Zhang & Sennrich 2019)."""
    found: Tensor = _Normed.apply(x, weight, eps)
    return found


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, both: Tensor) -> Tensor:
        gate, up = both.chunk(2, dim=-1)
        open_ = torch.sigmoid(gate)
        ctx.save_for_backward(both, open_)
        return (gate * open_).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        both, open_ = ctx.saved_tensors
        (gate, up), found = both.chunk(2, dim=-1), torch.empty_like(both)
        of_gate, of_up = found.chunk(2, dim=-1)
        silu = gate * open_
        torch.mul(gradient, silu, out=of_up)
        # silu' = σ + silu·(1 − σ): from silu to 1 by the share σ
        silu.lerp_(silu.new_ones(()).expand_as(silu), open_).mul_(up)
        torch.mul(gradient, silu, out=of_gate)
        return found


def gated(both: Float[Tensor, "*N H"]) -> Float[Tensor, "*N h"]:
    """silu(first half) · second half (Shazeer 2020)."""
    found: Tensor = _Gated.apply(both)
    return found


def _turn(x: Tensor, cosine: Tensor, sine: Tensor, heads: int) -> Tensor:
    found, half = torch.empty_like(x), x.shape[-1] // 2
    found[..., heads:, :] = x[..., heads:, :]
    own, given = found[..., :heads, :], x[..., :heads, :]
    torch.mul(given, cosine, out=own)
    own[..., :half].addcmul_(given[..., half:], sine[..., :half], value=-1)
    own[..., half:].addcmul_(given[..., :half], sine[..., half:])
    return found


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, cosine: Tensor, sine: Tensor, heads: int) -> Tensor:
        ctx.save_for_backward(cosine, sine)
        ctx.heads = heads
        return _turn(x, cosine, sine, heads)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        cosine, sine = ctx.saved_tensors
        return _turn(gradient, cosine, -sine, ctx.heads), None, None, None


def turned(
    x: Float[Tensor, "*N A h"], cosine: Float[Tensor, "*M 1 h"], sine: Float[Tensor, "*M 1 h"], heads: int
) -> Float[Tensor, "*N A h"]:
    """The first ``heads`` of A heads turned by their rotary angles (Su et al. 2021), the others as they are."""
    found: Tensor = _Turned.apply(x, cosine, sine, heads)
    return found


class _TokenLosses(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, head: Tensor, target: Tensor) -> Tensor:
        count, rows, learns = len(x), x.flatten(0, 1), ctx.needs_input_grad[0]
        wanted = target.repeat(count)[:, None]
        own = rows.new_zeros(len(rows), 1)
        # Over parts of the vocabulary, which stay in the processor's cache. The largest logit so far is what exp is
        # taken from; where it grows, what was added up before shrinks.
        most, total = rows.new_full((len(rows), 1), -math.inf), rows.new_zeros(len(rows), 1)
        found = torch.zeros_like(rows) if learns else rows
        size = VOCABULARY_PART[x.device.type]
        for start, part in zip(range(0, len(head), size), head.split(size), strict=True):
            logits = times(rows, part)
            here = (wanted >= start) & (wanted < start + len(part))
            own = torch.where(here, logits.gather(1, (wanted - start).clamp(0, len(part) - 1)), own)
            before, most = most, torch.maximum(most, logits.amax(1, keepdim=True))
            shrinks = (before - most).exp_()
            chances = logits.sub_(most).exp_()
            total.mul_(shrinks).add_(chances.sum(1, keepdim=True))
            if learns:
                add_times_transposed(found.mul_(shrinks), chances, part)
        if learns:
            ctx.save_for_backward(found.div_(total).sub_(head[wanted.squeeze(1)]).view_as(x))
        return (total.log_() + (most - own)).view(count, -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.saved_tensors[0] * gradient[..., None], None, None


def token_losses(
    x: Float[Tensor, "G K d"], head: Float[Tensor, "V d"], target: Int[Tensor, "K"]
) -> Float[Tensor, "G K"]:
    """The cross-entropy of each token in nats. Its gradient is computed at once, so that no logits are kept."""
    found: Tensor = _TokenLosses.apply(x, head, target)
    return found


class _AdaptedProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        scaling: Tensor,
        kept: Tensor | None,
        columns: Sequence[tuple[int, int]],
        A: Tensor,
        *B: Tensor,
    ) -> Tensor:
        y = times(x, weight)
        if len(y) != len(A):
            y = y.expand(len(A), *y.shape[1:]).contiguous()
        seen = x if kept is None else x * kept
        h = _product(A, seen.expand(len(A), *seen.shape[1:]).mT).mul_(scaling)  # (G, R, N): faster than its transpose
        for (start, stop), rows, part in zip(columns, h.chunk(len(B), 1), B, strict=True):
            _add_product(y[..., start:stop], rows.mT, part.mT)
        ctx.save_for_backward(seen, weight, scaling, kept, h, A, *B)
        ctx.columns, ctx.shared = columns, len(x) != len(A)
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        seen, weight, scaling, kept, h, A, *B = ctx.saved_tensors
        back, of_B = [], []
        for (start, stop), rows, part in zip(ctx.columns, h.chunk(len(B), 1), B, strict=True):
            given = gradient[..., start:stop]
            back.append(_product(part.mT, given.mT))
            of_B.append(_product(rows, given).mT)
        of_h = (torch.cat(back, 1) if len(back) > 1 else back[0]).mul_(scaling)
        of_A = _product(of_h, seen.expand(len(A), *seen.shape[1:]))
        found = None
        if ctx.needs_input_grad[0]:
            found = times_transposed(gradient, weight)
            if kept is None:
                _add_product(found, of_h.mT, A)
            else:
                found.addcmul_(of_h.mT @ A, kept)
            if ctx.shared:
                found = found.sum(0, keepdim=True)
        return found, None, None, None, None, of_A, *of_B


def _product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right, batch by batch."""
    return (left[0] @ right[0]).unsqueeze(0) if len(left) == 1 else torch.bmm(left, right)


def _add_product(y: Tensor, left: Tensor, right: Tensor) -> None:
    """y += left @ right, batch by batch, in place."""
    if len(y) == 1:
        y[0].addmm_(left[0], right[0])
    else:
        y.baddbmm_(left, right)


def adapted_product(
    x: Float[Tensor, "E N i"],
    weight: Float[Tensor, "o i"],
    scaling: Float[Tensor, "G 1 1"],
    A: Float[Tensor, "G R i"],
    B: Sequence[Float[Tensor, "G _ r"]],
    columns: Sequence[tuple[int, int]],
    kept: Float[Tensor, "G N i"] | None = None,
) -> Float[Tensor, "G N o"]:
    """W x with s·B(A x) added: the rows of A belong to the modules of ``B`` in turn, whose outputs are ``columns``.

    E is G, or 1 where x is common to all adapters. ``kept`` is what dropout multiplies x by before A. ``weight`` is
    frozen: it has no gradient.
    """
    found: Tensor = _AdaptedProduct.apply(x, weight, scaling, kept, tuple(columns), A, *B)
    return found
