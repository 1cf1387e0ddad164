"""Merging a trained adapter, really: in four dtypes, at many sizes, rightly and wrongly."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.random_streams import stream
from lora_viz.core.run import MergeReport, Run
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.lora import LoRALinear

__all__ = ["DTYPES", "MISTAKES", "SIZES", "merge_report", "unchanged_share"]

DTYPES = ("float64", "float32", "float16", "bfloat16")
SIZES = tuple(10 ** (k / 8) for k in range(-40, 1))  # ‖ΔW‖/‖W‖ from 1e-5 to 1
MISTAKES = (to_say("right"), to_say("twice"), to_say("no s"), to_say("dropout"), "ΔWᵀ")
TOKENS = 64


def merge_report(run: Run, *, shown: str = "bfloat16", sizes: tuple[float, ...] = SIZES) -> MergeReport:
    """Merge a run's last adapter at each relative size, and measure what is the same afterwards and what is lost.

    The trained ΔW is rescaled (through B) to ``sizes`` times ‖W‖; weights, factors and inputs are all stored in the
    dtype under test. The layer must be square, so that a transposed ΔW is a mistake that goes unnoticed. Raises
    ExperimentError.
    """
    e, task = run.experiment, run.task
    if shown not in DTYPES:
        raise ExperimentError(
            say("dtype={given} is unknown. Valid values: {allowed}.", given=shown, allowed=", ".join(DTYPES))
        )
    if e.d_in != e.d_out:
        raise ExperimentError(
            say(
                "a layer of {d_out}×{d_in} is not square: the merge lesson needs d_in = d_out.",
                d_out=e.d_out,
                d_in=e.d_in,
            )
        )
    last = run.last()
    A, B = run.A[0][last], run.B[0][last]
    trained = float(np.linalg.norm(e.scaling * B @ A) / np.linalg.norm(task.base_weight))
    x = torch.tensor(stream("tokens", e.seed).standard_normal((TOKENS, e.d_in)))
    measured = np.zeros((5, len(sizes), len(DTYPES)))
    weights = np.zeros((3, len(sizes), e.d_out, e.d_in))
    mistakes = np.zeros((len(sizes), len(MISTAKES)))
    with torch.inference_mode():
        for row, size in enumerate(sizes):
            scaled = B * (size / trained) if trained else B
            delta = torch.tensor(e.scaling * scaled @ A)
            for column, name in enumerate(DTYPES):
                layer = _layer(task.base_weight, A, scaled, e.scaling, getattr(torch, name))
                numbers, merged, base = _merge_once(layer, x.to(getattr(torch, name)), delta)
                measured[:, row, column] = numbers
                if name == shown:
                    weights[:, row] = torch.stack((delta, merged, merged - base))
                if name == "float32":
                    mistakes[row] = _mistakes(layer, x.float())
        shown_base = torch.tensor(task.base_weight).to(getattr(torch, shown)).double().numpy()
    return MergeReport(
        dtypes=DTYPES,
        sizes=np.array(sizes),
        max_difference=measured[0],
        relative_difference=measured[1],
        unmerge_drift=measured[2],
        unchanged=measured[3],
        lost=measured[4],
        shown=DTYPES.index(shown),
        base=shown_base,
        delta=weights[0],
        merged=weights[1],
        arrived=weights[2],
        mistake_names=MISTAKES,
        mistakes=mistakes,
        trained_size=trained,
    )


def unchanged_share(run: Run, at: int, dtype: str = "bfloat16") -> float:
    """The fraction of the weights that ΔW asks to change and that stay as they are, merged at record ``at``.

    1 where ΔW is 0: nothing changes.
    """
    e = run.experiment
    with torch.inference_mode():
        layer = _layer(run.task.base_weight, run.A[0][at], run.B[0][at], e.scaling, getattr(torch, dtype))
        base = layer.base.weight.clone()
        layer.merge()
        asked = torch.tensor(run.B[0][at] @ run.A[0][at]) != 0
        same = (layer.base.weight == base) & asked
    return float(same.sum() / asked.sum()) if asked.any() else 1.0


def _layer(
    base_weight: Float[np.ndarray, "d_out d_in"],
    A: Float[np.ndarray, "r d_in"],
    B: Float[np.ndarray, "d_out r"],
    scaling: float,
    dtype: torch.dtype,
) -> LoRALinear:
    base = nn.Linear(base_weight.shape[1], base_weight.shape[0], bias=False, dtype=dtype)
    layer = LoRALinear(base, rank=A.shape[0], alpha=scaling * A.shape[0])
    base.weight.copy_(torch.tensor(base_weight))
    layer.lora_A.copy_(torch.tensor(A))
    layer.lora_B.copy_(torch.tensor(B))
    return layer.eval()


def _merge_once(layer: LoRALinear, x: Tensor, delta: Tensor) -> tuple[list[float], Tensor, Tensor]:
    """Outputs before and after, drift after unmerging, and what arrived; the layer is unmerged and restored again."""
    base = layer.base.weight.clone()
    before = layer(x).double()
    layer.merge()
    after, merged = layer(x).double(), layer.base.weight.clone()
    layer.unmerge()
    drift = (layer.base.weight.double() - base.double()).abs().max()
    layer.base.weight.copy_(base)
    arrived = merged.double() - base.double()
    counted = delta != 0
    unchanged = ((merged == base) & counted).sum() / counted.sum().clamp(min=1)
    lost = (arrived - delta).norm() / delta.norm() if counted.any() else torch.zeros(())
    numbers = [(after - before).abs().max(), (after - before).norm() / before.norm(), drift, unchanged, lost]
    return [float(n) for n in numbers], merged.double(), base.double()


def _mistakes(layer: LoRALinear, x: Tensor) -> list[float]:
    """Relative output error of merging right, twice, without s, with dropout left on, and transposed."""
    right = layer(x).double()
    W, delta = layer.base.weight, layer.delta_weight()
    noisy = x * (torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) >= 0.1).to(x.dtype) / 0.9
    outputs = (
        nn.functional.linear(x, W + delta),
        nn.functional.linear(x, W + delta + delta),
        nn.functional.linear(x, W + (delta.double() / layer.scaling).to(W.dtype)),
        layer.base(x) + (noisy @ layer.lora_A.T @ layer.lora_B.T) * layer.scaling,
        nn.functional.linear(x, W + delta.T),
    )
    return [float((y.double() - right).norm() / right.norm()) for y in outputs]
