"""GaLore, for contrast: no adapter; the gradient itself is projected to a low rank, and the projection changes."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Task
from lora_viz.i18n.language import to_say
from lora_viz.layer.parametrisation import Arrays, Parametrisation, PlainTorch, State, Variant

PLACE = 15

REFRESH = 50


class ProjectedGradient(Parametrisation):
    """ΔW = merged + P Z (or Z P, where d_out ≥ d_in): Z steps along Pᵀ G, P = G's leading singular vectors.

    Every 50 steps P Z goes into ``merged`` and P is taken from the gradient of that step; the optimiser's moments stay,
    as in the authors' code. GaLore's own scale factor is 1 here. The rank of ΔW is bounded by no r.
    """

    sides: ClassVar[Mapping[str, Literal["A", "B"]]] = {"Z": "A"}
    moving: ClassVar[tuple[str, ...]] = ("P", "merged")

    def start(self, e: Experiment, task: Task) -> tuple[Arrays, Arrays]:
        from_the_right = e.d_out >= e.d_in
        Z = np.zeros((e.d_out, e.rank) if from_the_right else (e.rank, e.d_in))
        P = np.zeros((e.rank, e.d_in) if from_the_right else (e.d_out, e.rank))
        return {"Z": Z}, {"P": P, "merged": np.zeros((e.d_out, e.d_in))}

    @staticmethod
    def _from_the_right(fixed: State) -> bool:
        d_out, d_in = fixed["merged"].shape[-2:]
        return d_out >= d_in

    def delta(self, p: State, fixed: State, s: Tensor) -> Tensor:
        P, Z = fixed["P"], p["Z"]
        return fixed["merged"] + (Z @ P if self._from_the_right(fixed) else P @ Z)

    def gradients(self, p: State, fixed: State, s: Tensor, G: Tensor) -> State:
        P = fixed["P"].mT
        return {"Z": G @ P if self._from_the_right(fixed) else P @ G}

    def refresh(self, k: int, G: Tensor, p: State, fixed: State) -> None:
        if k % REFRESH:
            return
        fixed["merged"].copy_(self.delta(p, fixed, G))
        p["Z"].zero_()
        u, _, vt = torch.linalg.svd(torch.nan_to_num(G), full_matrices=False)
        rank = min(fixed["P"].shape[-2:])
        # The SVD leaves each vector's sign open, and moments that stay would feel it: the largest entry is positive.
        right = self._from_the_right(fixed)
        P = vt[..., :rank, :] if right else u[..., :rank].mT
        P = P * P.gather(-1, P.abs().argmax(dim=-1, keepdim=True)).sign()
        fixed["P"].copy_(P if right else P.mT)

    def factors(self, p: State, fixed: State, s: Tensor) -> tuple[Tensor, Tensor]:
        """None: rank 0."""
        n, d_out, d_in = fixed["merged"].shape
        return p["Z"].new_zeros(n, 0, d_in), p["Z"].new_zeros(n, d_out, 0)

    def rest(self, p: State, fixed: State, s: Tensor) -> Tensor:
        return self.delta(p, fixed, s)

    def in_torch(self, e: Experiment, fixed: Arrays) -> PlainTorch:
        right = e.d_out >= e.d_in
        update, along = ("Z @ P", 1) if right else ("P @ Z", 0)
        leading = f"Vt[:{e.rank}]" if right else f"U[:, :{e.rank}]"
        return PlainTorch(
            f"return x @ (W + {update}).T",
            refresh=f"""
if k % {REFRESH} == 0:  # W takes what was learnt; P: the leading singular vectors of the gradient now
    with torch.no_grad():
        G = (layer(x) - t).T @ x / len(x)
        W += {update}
        Z.zero_()
        U, _, Vt = torch.linalg.svd(G, full_matrices=False)
        P.copy_({leading})
        P *= P.gather({along}, P.abs().argmax({along}, keepdim=True)).sign()  # the SVD leaves the signs open
""",
        )


VARIANT = Variant(
    name="galore",
    title=to_say("GaLore (no adapter)"),
    rule=r"W \leftarrow W - \eta\,P\,\mathrm{Adam}(P^\top G), \quad P \leftarrow U_r(G_k), \; k = 0, 50, 100, \ldots",
    authors="Zhao et al.",
    year=2024,
    arxiv="2403.03507",
    parameters=lambda e: e.d_in * e.d_out,
    form=ProjectedGradient(),
    remark=to_say("All of W trains; what is small is the optimiser's state. PEFT 0.21 has no GaLore."),
)
