"""Do two adapters work in the same directions, and what would their sum be? From both pairs of factors alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.factors import Factors, reduced
from lora_viz.adapters.opening import Opened
from lora_viz.adapters.places import Place
from lora_viz.adapters.report import Module, Report
from lora_viz.adapters.stored import AdapterError, short
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.spectra import Ranks, ranks
from lora_viz.i18n.language import say

__all__ = ["Comparison", "Meeting", "compare"]


class Meeting(NamedTuple):
    """One module in both adapters.

    ``overlap_in`` is the mean cos² of the principal angles between the input directions (top right singular vectors)
    that carry 90 % of each update's energy, i of one and j of the other: φ of Hu et al. (2021), eq. 4; two subspaces
    drawn at random give ``chance_in`` = max(i, j)/d_in. ``overlap_out`` is the same of the output directions.
    ``cosine`` is ⟨ΔW₁, ΔW₂⟩/‖ΔW₁‖‖ΔW₂‖, ``sigma`` (3, k) the spectra of ΔW₁, ΔW₂ and ΔW₁ + ΔW₂.
    """

    path: str
    place: Place
    rank: tuple[int, int]
    kept: tuple[int, int]
    overlap_in: float
    overlap_out: float
    chance_in: float
    chance_out: float
    cosine: float
    sigma: Float[np.ndarray, "3 k"]
    kinds: tuple[Ranks, Ranks, Ranks]
    norm: tuple[float, float, float]


class Comparison(NamedTuple):
    """Two adapters, module by module; ``only`` counts the modules that one of them has alone or in another shape."""

    names: tuple[str, str]
    modules: tuple[Meeting, ...]
    only: tuple[int, int]


def compare(
    first: tuple[Opened, Report], second: tuple[Opened, Report], progress: Callable[[float], None] = lambda share: None
) -> Comparison:
    """Every module that both adapters have, at the scale each file gives. Raises AdapterError if there is none."""
    others = {(m.path, m.d_out, m.d_in): m for m in second[1].modules}
    both = [(m, others[m.path, m.d_out, m.d_in]) for m in first[1].modules if (m.path, m.d_out, m.d_in) in others]
    whole = [(m, n) for m, n in both if not m.not_finite and not n.not_finite and m.factored and n.factored]
    if not whole:
        raise AdapterError(say("{first} and {second} have no module in common: they are for different models.",
                               first=short(first[1].name), second=short(second[1].name)))  # fmt: skip
    modules = []
    for i, (m, n) in enumerate(whole):
        modules.append(_meet(first[0], m, second[0], n))
        progress((i + 1) / len(whole))
    return Comparison(
        names=(first[1].name, second[1].name),
        modules=tuple(modules),
        only=(len(first[1].modules) - len(whole), len(second[1].modules) - len(whole)),
    )


def _meet(first: Opened, m: Module, second: Opened, n: Module) -> Meeting:
    left, right = (x.factors(opened.weights) for opened, x in ((first, m), (second, n)))
    one, other = _products(left, m.scale, right, n.scale)
    (u1, s1, v1), (u2, s2, v2) = one.svd(), other.svd()
    i, j = m.needs[0], n.needs[0]
    s3 = (one + other).singular_values()
    spectra = np.zeros((3, max(len(s1), len(s2), len(s3))))
    for row, found in zip(spectra, (s1, s2, s3), strict=True):
        row[: len(found)] = found
    sizes = float(np.linalg.norm(s1)), float(np.linalg.norm(s2)), float(np.linalg.norm(s3))
    inner = one.scaling * other.scaling * float(np.sum((one.B.T @ other.B) * (one.A @ other.A.T)))
    return Meeting(path=m.path, place=m.place, rank=(m.rank, n.rank), kept=(i, j), overlap_in=_phi(v1[:i].T, v2[:j].T),
                   overlap_out=_phi(u1[:, :i], u2[:, :j]), chance_in=max(i, j) / m.d_in, chance_out=max(i, j) / m.d_out,
                   cosine=inner / (sizes[0] * sizes[1]) if min(sizes[:2]) > 0 else float("nan"), sigma=spectra,
                   kinds=(ranks(spectra[0], bound=m.rank),
                          ranks(spectra[1], bound=n.rank),
                          ranks(spectra[2], bound=m.rank + n.rank)), norm=sizes)  # fmt: skip


def _products(left: Factors, s: float, right: Factors, t: float) -> tuple[FactoredMatrix, FactoredMatrix]:
    """Both updates; where one is large, both reduced on one basis: angles and sizes stay as they are."""
    if not (left.large or right.large):
        return left.product(s), right.product(t)
    A, A2 = reduced(left.A, right.A)
    B, B2 = reduced(left.B, right.B)
    return FactoredMatrix(A.T, B, s), FactoredMatrix(A2.T, B2, t)


def _phi(left: Float[np.ndarray, "d i"], right: Float[np.ndarray, "d j"]) -> float:
    fewer = min(left.shape[1], right.shape[1])
    return float(np.sum((left.T @ right) ** 2) / fewer) if fewer else float("nan")
