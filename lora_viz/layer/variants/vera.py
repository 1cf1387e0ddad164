"""VeRA: random factors that all layers share, frozen; two vectors scale their rows and columns."""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.run import Task
from lora_viz.layer.parametrisation import Arrays, Parametrisation, PlainTorch, State, Variant

PLACE = 11

D_INITIAL = 0.1


class ScaledRandom(Parametrisation):
    """ΔW = s·diag(b) B diag(d) A with A and B frozen: Kaiming-uniform of gain √2, U(±√(6/fan_in)); d = 0.1, b = 0."""

    sides: ClassVar[Mapping[str, Literal["A", "B"]]] = {"d": "A", "b": "B"}

    def start(self, e: Experiment, task: Task) -> tuple[Arrays, Arrays]:
        A = stream("vera A", e.seed, e.init_seed).uniform(-1, 1, (e.rank, e.d_in)) * math.sqrt(6 / e.d_in)
        B = stream("vera B", e.seed, e.init_seed).uniform(-1, 1, (e.rank, e.d_out)).T * math.sqrt(6 / e.rank)
        return {"d": np.full(e.rank, D_INITIAL), "b": np.zeros(e.d_out)}, {"A": A, "B": B}

    def factors(self, p: State, fixed: State, s: Tensor) -> tuple[Tensor, Tensor]:
        return p["d"][..., None] * fixed["A"], p["b"][..., None] * fixed["B"]

    def delta(self, p: State, fixed: State, s: Tensor) -> Tensor:
        a, b = self.factors(p, fixed, s)
        return s * (b @ a)

    def gradients(self, p: State, fixed: State, s: Tensor, G: Tensor) -> State:
        a, b = self.factors(p, fixed, s)
        of_a, of_b = s * (b.mT @ G), s * (G @ a.mT)
        return {"d": (of_a * fixed["A"]).sum(dim=-1), "b": (of_b * fixed["B"]).sum(dim=-1)}

    def in_torch(self, e: Experiment, fixed: Arrays) -> PlainTorch:
        return PlainTorch("return x @ W.T + s * b * ((d * (x @ A.T)) @ B.T)  # only the vectors d and b train")


VARIANT = Variant(
    name="vera",
    title="VeRA",
    rule=(r"\Delta W = \operatorname{diag}(b)\,B\operatorname{diag}(d)\,A, \quad A = A_0, \; B = B_0, \; b_0 = 0"),
    authors="Kopiczko, Blankevoort & Asano",
    year=2023,
    arxiv="2310.11454",
    parameters=lambda e: e.rank + e.d_out,
    form=ScaledRandom(),
    beside=lambda e: min(e.d_in, e.d_out),
    sets={"scaling_rule": "constant", "alpha": 1.0},
)
