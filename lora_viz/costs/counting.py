"""What does a real layer count? torch's own FLOP counter, saved tensors, gradients and Adam's states of one step."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lora_viz.costs.budget import LayerTally
from lora_viz.layer.lora import LoRALinear

__all__ = ["count_layer", "numbers_saved"]


def count_layer(d_out: int, d_in: int, rank: int, tokens: int = 16, *, device: str = "cpu") -> LayerTally:
    """One AdamW step of a bare layer (all weights train) and of the same layer with LoRA, counted by torch.

    ``device`` "meta" counts without storing a number: the same operations on shapes alone.
    """
    full = nn.Linear(d_in, d_out, bias=False, device=device)
    adapted = LoRALinear(nn.Linear(d_in, d_out, bias=False, device=device), rank=rank, alpha=float(rank))
    full_counts, lora_counts = (
        _one_step(layer, *(torch.zeros(tokens, d_in, device=device, requires_grad=True) for _ in range(2)))
        for layer in (full, adapted)
    )
    pairs = list(zip(full_counts, lora_counts, strict=True))
    return LayerTally(d_out, d_in, rank, tokens, device != "meta", *pairs)


def _one_step(layer: nn.Module, x: torch.Tensor, again: torch.Tensor) -> tuple[int, ...]:
    """Multiply–adds a token, forward and in all; numbers saved, of gradients, of Adam's states."""
    with FlopCounterMode(display=False) as counter:
        y = layer(x)
        forward = counter.get_total_flops() // (2 * len(x))
        y.sum().backward()
    training = counter.get_total_flops() // (2 * len(x))
    saved = numbers_saved(layer, again)
    trained = [p for p in layer.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, foreach=False)
    optimizer.step()
    gradients = sum(p.grad.numel() for p in trained if p.grad is not None)
    states = sum(s.numel() for p in trained for k, s in optimizer.state[p].items() if k != "step")
    return forward, training, saved, gradients, states


def numbers_saved(layer: nn.Module, x: torch.Tensor) -> int:
    """How many numbers does autograd keep for the backward pass? Each tensor once, weights included."""
    kept: dict[Any, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        base = tensor if tensor._base is None else tensor._base
        kept[id(base)] = base.numel()
        alive.append(base)
        return tensor

    alive: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(x)
    return sum(kept.values())
