"""Products with a frozen matrix, forth and back. On a GPU a float32 one is formed of three TF32 products.

That keeps float32's rounding (Ootomo & Yokota 2022) at 1.5 times the rate of the card's plain float32 units.
"""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

__all__ = ["add_times_transposed", "has_kernels", "times", "times_transposed"]

BM, BN, BK = 128, 64, 32  # the fastest measured on an H200, at every shape of SmolLM2

# A matrix whose columns are read as rows on the way back: the tensor cores want both sides along the summed index.
_transposed = WeakTensorKeyDictionary()


@cache
def has_kernels(device: torch.device) -> bool:
    """Whether this is a GPU for which Triton can build programs."""
    if device.type != "cuda" or importlib.util.find_spec("triton") is None:
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def _taken(x: Tensor, weight: Tensor, summed: int) -> bool:
    if x.device.type == "cpu" or x.dtype != torch.float32 or summed % BK or not has_kernels(x.device):
        return False
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad):  # autograd asks for torch's own product
        return False
    return torch.get_float32_matmul_precision() == "highest" and x.numel() // summed >= BM


def _multiplied(x: Tensor, weight: Tensor) -> Tensor:
    import triton

    from lora_viz.networks.llama_kernels import multiply

    rows, (N, K) = x.reshape(-1, x.shape[-1]).contiguous(), weight.shape
    out = x.new_empty(*x.shape[:-1], N)
    grid = (triton.cdiv(len(rows), BM) * triton.cdiv(N, BN),)
    multiply[grid](rows, weight, out, len(rows), N, K, weight.stride(0), BM=BM, BN=BN, BK=BK, num_warps=4)
    return out


def times(x: Float[Tensor, "*M k"], weight: Float[Tensor, "n k"]) -> Float[Tensor, "*M n"]:
    """x Wᵀ."""
    return _multiplied(x, weight) if _taken(x, weight, weight.shape[1]) else x @ weight.T


def times_transposed(x: Float[Tensor, "*M n"], weight: Float[Tensor, "n k"]) -> Float[Tensor, "*M k"]:
    """x W. W must be frozen: its transposed copy is kept as long as it lives."""
    if not _taken(x, weight, weight.shape[0]):
        return x @ weight
    found = _transposed.get(weight)
    if found is None:
        found = _transposed[weight] = weight.detach().T.contiguous()
    return _multiplied(x, found)


def add_times_transposed(found: Float[Tensor, "m k"], x: Float[Tensor, "m n"], weight: Float[Tensor, "n k"]) -> None:
    """``found`` += x W, in place."""
    if x.device.type == "cpu":
        found.addmm_(x, weight)
    else:
        found.add_(times_transposed(x, weight))
