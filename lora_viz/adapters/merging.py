"""What would each way of merging two adapters give? Added, averaged, their factors added, TIES, DARE: measured on both.

TIES (Yadav et al. 2023): of each update only the largest entries are kept, each entry takes the sign that weighs more,
and those that agree with it are averaged. DARE (Yu et al. 2024): entries are dropped at random, the rest made larger.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.compare import Comparison
from lora_viz.adapters.opening import Opened
from lora_viz.adapters.report import Report, needs
from lora_viz.adapters.stored import AdapterError, short
from lora_viz.i18n.language import say, to_say

__all__ = ["WAYS", "Merge", "advice", "merges", "ties"]

DENSITY = 0.5
SAMPLED, NUMBERS_MOST = 8, 1_500_000  # modules that are formed, and how large one may be
WAYS = {
    "add": to_say("added (concatenated: the same ΔW)"),
    "average": to_say("averaged"),
    "factors": to_say("factors added (PEFT's linear)"),
    "ties": "TIES",
    "dare": "DARE",
}


class Merge(NamedTuple):
    """One way, over the modules looked at. ``kept`` are ⟨M, ΔWᵢ⟩/‖ΔWᵢ‖² of both, medians: 1 where all of an adapter
    acts, 0 where nothing does. ``apart`` is ‖M − (ΔW₁ + ΔW₂)‖/‖ΔW₁ + ΔW₂‖, ``rank`` what 95 % of M's energy needs.
    """

    way: str
    kept: tuple[float, float]
    apart: float
    rank: float
    modules: int


def merges(first: tuple[Opened, Report], second: tuple[Opened, Report], seed: int = 0) -> tuple[Merge, ...]:
    """Every way on up to 8 modules that both have. Raises AdapterError where there is none that can be formed."""
    others = {(m.path, m.d_out, m.d_in): m for m in second[1].modules}
    both = [(m, others[m.path, m.d_out, m.d_in]) for m in first[1].modules if (m.path, m.d_out, m.d_in) in others]
    both = [
        (m, n) for m, n in both
        if m.factored and n.factored and m.norm_delta > 0 and n.norm_delta > 0 and m.d_out * m.d_in <= NUMBERS_MOST
    ]  # fmt: skip
    both = both[:: max(1, len(both) // SAMPLED)][:SAMPLED]
    if not both:
        raise AdapterError(say("{first} and {second} have no module that could be merged to try it.",
                               first=short(first[1].name), second=short(second[1].name)))  # fmt: skip
    rows: dict[str, list[tuple[float, float, float, float]]] = {way: [] for way in WAYS}
    for i, (m, n) in enumerate(both):
        p, q = m.factors(first[0].weights).product(m.scale), n.factors(second[0].weights).product(n.scale)
        one, other = p.dense(), q.dense()
        made = {"add": one + other, "average": (one + other) / 2, "ties": ties(one, other),
                "dare": _dare(one, seed + 2 * i) + _dare(other, seed + 2 * i + 1)}  # fmt: skip
        if p.rank == q.rank:
            roots = [np.sqrt(abs(x.scaling)) for x in (p, q)]
            A, B = roots[0] * p.A + roots[1] * q.A, roots[0] * p.B + roots[1] * q.B
            made["factors"] = B @ A
        for way, merged in made.items():
            rows[way].append(_measured(merged, one, other))
    return tuple(_median(way, found) for way, found in rows.items() if found)


def _measured(M: np.ndarray, one: np.ndarray, other: np.ndarray) -> tuple[float, float, float, float]:
    total = one + other
    size = float(np.linalg.norm(total))
    sigma = np.linalg.svd(M, compute_uv=False)
    return (float(np.sum(M * one) / np.sum(one**2)), float(np.sum(M * other) / np.sum(other**2)),
            float(np.linalg.norm(M - total)) / size if size else float("nan"), float(needs(sigma)[1]))  # fmt: skip


def _median(way: str, rows: list[tuple[float, float, float, float]]) -> Merge:
    a, b, apart, rank = (float(np.median(column)) for column in zip(*rows, strict=True))
    return Merge(way, (a, b), apart, rank, len(rows))


def ties(
    one: Float[np.ndarray, "m n"], other: Float[np.ndarray, "m n"], density: float = DENSITY
) -> Float[np.ndarray, "m n"]:
    """Trim, elect a sign, average what agrees with it."""
    kept = [_trimmed(m, density) for m in (one, other)]
    sign = np.sign(kept[0] + kept[1])
    agree = [np.where(np.sign(m) == sign, m, 0.0) for m in kept]
    count = (agree[0] != 0).astype(int) + (agree[1] != 0)
    return (agree[0] + agree[1]) / np.maximum(count, 1)


def _trimmed(m: np.ndarray, density: float) -> np.ndarray:
    count = max(1, int(density * m.size))
    least = np.partition(np.abs(m), m.size - count, axis=None)[m.size - count]
    return np.where(np.abs(m) >= least, m, 0.0)


def _dare(m: np.ndarray, seed: int) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(m.shape) < DENSITY, m / DENSITY, 0.0)


def advice(found: Comparison) -> str:
    """What the angles between the two suggest: a hypothesis, in one sentence."""
    known = [m for m in found.modules if np.isfinite(m.cosine)]
    if not known:
        return say("In every module one of the two updates is 0: there is nothing to merge.")
    cosine = float(np.median([m.cosine for m in known]))
    shared = float(np.median([m.overlap_in for m in known])) > 4 * float(np.median([m.chance_in for m in known]))
    if cosine > 0.5:
        return say("They do much the same (median cosine {cosine:.2f}): adding doubles it, so try the average first.",
                   cosine=cosine)  # fmt: skip
    if cosine < -0.1:
        return say("They pull against each other (median cosine {cosine:.2f}): try TIES, or use one at a time.",
                   cosine=cosine)  # fmt: skip
    if shared:
        return say("They share directions without agreeing (median cosine {cosine:.2f}): try adding at lower "
                   "strengths, and TIES.", cosine=cosine)  # fmt: skip
    return say("They hardly meet (median cosine {cosine:.2f}): added, each keeps what it does. Concatenating the "
               "factors writes that sum exactly.", cosine=cosine)  # fmt: skip
