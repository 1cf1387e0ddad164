"""A LoRA layer: a torch module with PEFT's semantics."""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from lora_viz.core.experiment import Experiment, ExperimentError
from lora_viz.i18n.language import say
from lora_viz.layer.starts import base_shift, initial_factors

__all__ = ["LoRALinear"]


class LoRALinear(nn.Module):
    """A frozen linear layer with a low-rank update riding on it.

    y = W x + s·B(A dropout(x)) with W frozen, A (rank, d_in), B (d_out, rank) zero and s = α/r, or α/√r with
    ``use_rslora``. A is Kaiming-uniform(a=√5), i.e. U(±1/√d_in), or Gaussian with standard deviation 1/r, as in
    PEFT's ``lora/layer.py`` (Hu et al. 2021, §4.1; Kalajdzievski 2023 for α/√r). Raises ExperimentError.
    """

    def __init__(
        self,
        base: nn.Linear,
        *,
        rank: int,
        alpha: float,
        use_rslora: bool = False,
        init: str = "kaiming",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        most = min(base.in_features, base.out_features)
        if not 1 <= rank <= most:
            raise ExperimentError(
                say(
                    "rank={rank} is not possible: a layer of {out_features}×{in_features} allows 1 to {most}.",
                    rank=rank,
                    out_features=base.out_features,
                    in_features=base.in_features,
                    most=most,
                )
            )
        if init not in ("kaiming", "gaussian"):
            raise ExperimentError(say("init={init} is unknown. Valid values: kaiming, gaussian.", init=init))
        self.base = base.requires_grad_(False)
        self.rank = rank
        self.scaling = alpha / math.sqrt(rank) if use_rslora else alpha / rank
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        like = base.weight
        self.lora_A = nn.Parameter(like.new_empty(rank, base.in_features))
        self.lora_B = nn.Parameter(like.new_zeros(base.out_features, rank))
        if init == "kaiming":
            nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        else:
            nn.init.normal_(self.lora_A, std=1 / rank)
        self.merged = False

    @classmethod
    def from_experiment(cls, experiment: Experiment, base_weight: Float[np.ndarray, "d_out d_in"]) -> LoRALinear:
        """The layer that an experiment's adapter is at step 0, in the experiment's dtype, its base moved if need be."""
        e = experiment
        dtype = getattr(torch, e.dtype)
        base = nn.Linear(e.d_in, e.d_out, bias=False, dtype=dtype)
        layer = cls(base, rank=e.rank, alpha=float(e.alpha))
        layer.scaling = e.scaling
        a, b = initial_factors(e)
        shift = base_shift(e)
        with torch.no_grad():
            base.weight.copy_(torch.tensor(base_weight if shift is None else base_weight + shift))
            layer.lora_A.copy_(torch.from_numpy(a))
            layer.lora_B.copy_(torch.from_numpy(b))
        return layer

    def forward(self, x: Float[Tensor, "*batch d_in"]) -> Float[Tensor, "*batch d_out"]:
        """y = W x + s·B(A x), or W′x once merged."""
        if self.merged:
            return self.base(x)
        return self.base(x) + (self.dropout(x) @ self.lora_A.T @ self.lora_B.T) * self.scaling

    def delta_weight(self) -> Float[Tensor, "d_out d_in"]:
        """ΔW = s·B A; in half precision the product is formed in float32 and cast back, as PEFT does on a CPU."""
        half = self.lora_A.dtype in (torch.float16, torch.bfloat16)
        a, b = (self.lora_A.float(), self.lora_B.float()) if half else (self.lora_A, self.lora_B)
        return ((b @ a) * self.scaling).to(self.lora_A.dtype)

    @torch.no_grad()
    def merge(self) -> None:
        """Fold ΔW into the base weight; a second merge does nothing. Raises ExperimentError if ΔW is not finite."""
        if self.merged:
            return
        merged = self.base.weight + self.delta_weight().to(self.base.weight.dtype)
        if not torch.isfinite(merged).all():
            raise ExperimentError(say("the merged weight is not finite: the base weight was left as it is."))
        self.base.weight.copy_(merged)
        self.merged = True

    @torch.no_grad()
    def unmerge(self) -> None:
        """Take ΔW out of the base weight again: to rounding, not to the bit."""
        if self.merged:
            self.base.weight -= self.delta_weight().to(self.base.weight.dtype)
            self.merged = False
