"""LoRA-XS: a small square matrix between W's own leading singular vectors."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.parametrisation import Arrays, Parametrisation, PlainTorch, State, Variant

PLACE = 12

STD = 1e-5


class InnerSquare(Parametrisation):
    """ΔW = s·B R A with B = U_r Σ_r and A = V_rᵀ of W = UΣVᵀ frozen, R (r, r) ~ N(0, 10⁻¹⁰) trained."""

    sides: ClassVar[Mapping[str, Literal["A", "B"]]] = {"R": "B"}

    def start(self, e: Experiment, task: Task) -> tuple[Arrays, Arrays]:
        u, sigma, vt = np.linalg.svd(task.base_weight, full_matrices=False)
        R = stream("lora_xs", e.seed, e.init_seed).standard_normal((e.rank, e.rank)) * STD
        return {"R": R}, {"A": vt[: e.rank], "B": u[:, : e.rank] * sigma[: e.rank]}

    def factors(self, p: State, fixed: State, s: Tensor) -> tuple[Tensor, Tensor]:
        R = p["R"]
        return fixed["A"].expand(*R.shape[:-2], *fixed["A"].shape[-2:]), fixed["B"] @ R

    def delta(self, p: State, fixed: State, s: Tensor) -> Tensor:
        return s * (fixed["B"] @ p["R"] @ fixed["A"])

    def gradients(self, p: State, fixed: State, s: Tensor, G: Tensor) -> State:
        return {"R": s * (fixed["B"].mT @ G @ fixed["A"].mT)}

    def in_torch(self, e: Experiment, fixed: Arrays) -> PlainTorch:
        return PlainTorch("return x @ W.T + s * (x @ A.T) @ R.T @ B.T  # only R trains")


VARIANT = Variant(
    name="lora_xs",
    title="LoRA-XS",
    rule=r"\Delta W = s\,U_r\Sigma_r\,R\,V_r^\top, \quad W = U\Sigma V^\top",
    authors="Bałazy et al.",
    year=2024,
    arxiv="2405.17604",
    parameters=lambda e: e.rank**2,
    form=InnerSquare(),
    beside=lambda e: min(2 * e.rank, e.d_in, e.d_out),
    remark=to_say("PEFT 0.21 has no LoRA-XS."),
)
