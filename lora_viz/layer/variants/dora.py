"""DoRA: a length for every row of the weight, and a low-rank change of its direction."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.parametrisation import Arrays, Parametrisation, PlainTorch, State, Variant
from lora_viz.layer.starts import base_shift, initial_factors

PLACE = 5


class WeightDecomposed(Parametrisation):
    """W′ = diag(m/‖V‖) V with V = W + s·B A, the norms taken along each row and, as in PEFT, held out of the gradient.

    The paper (§4.3) suggests leaving the norm's gradient out; it writes column norms of a weight that is stored
    transposed, which are the rows here. ∇m = ⟨G, V/‖V‖⟩ by rows, ∇V = (m/‖V‖) G.
    """

    sides: ClassVar[Mapping[str, Literal["A", "B"]]] = {"A": "A", "B": "B", "magnitude": "B"}

    def start(self, e: Experiment, task: Task) -> tuple[Arrays, Arrays]:
        a, b = initial_factors(e, task)
        shift = base_shift(e, task)
        base = task.base_weight if shift is None else task.base_weight + shift
        magnitude = np.linalg.norm(base + e.scaling * (b @ a), axis=1)
        return {"A": a, "B": b, "magnitude": magnitude}, {"base": base, "original": task.base_weight}

    def _rows(self, p: State, fixed: State, s: Tensor) -> tuple[Tensor, Tensor]:
        V = fixed["base"] + s * (p["B"] @ p["A"])
        return V, V.norm(dim=-1, keepdim=True)

    def delta(self, p: State, fixed: State, s: Tensor) -> Tensor:
        V, norm = self._rows(p, fixed, s)
        return V * (p["magnitude"][..., None] / norm) - fixed["original"]

    def gradients(self, p: State, fixed: State, s: Tensor, G: Tensor) -> State:
        V, norm = self._rows(p, fixed, s)
        along = s * G * (p["magnitude"][..., None] / norm)
        return {"A": p["B"].mT @ along, "B": along @ p["A"].mT, "magnitude": (G * V / norm).sum(dim=-1)}

    def factors(self, p: State, fixed: State, s: Tensor) -> tuple[Tensor, Tensor]:
        return p["A"], p["B"]

    def rest(self, p: State, fixed: State, s: Tensor) -> Tensor:
        return self.delta(p, fixed, s) - s * (p["B"] @ p["A"])

    def in_torch(self, e: Experiment, fixed: Arrays) -> PlainTorch:
        base = "W" if (fixed["base"] == fixed["original"]).all() else "base"
        return PlainTorch(f"""
V = {base} + s * B @ A
length = V.norm(dim=1, keepdim=True).detach()  # as in PEFT: no gradient through the norm
return x @ (magnitude[:, None] / length * V).T
""")


VARIANT = Variant(
    name="dora",
    title="DoRA",
    rule=r"W' = \operatorname{diag}(m/\|V\|_\mathrm{row})\,V, \quad V = W + s\,BA",
    authors="Liu et al.",
    year=2024,
    arxiv="2402.09353",
    parameters=lambda e: e.rank * (e.d_in + e.d_out) + e.d_out,
    form=WeightDecomposed(),
    remark=to_say("As in PEFT: norms by row of the stored weight, and no gradient through them."),
)
