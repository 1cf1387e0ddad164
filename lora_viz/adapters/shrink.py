"""Which rank would each module have needed? The smallest that keeps its energy, and the adapter cut to those ranks.

Cutting the SVD of ΔW is the best that a rank can do for the weights (Eckart & Young 1936); whether the network's
answers stay the same is another question, which only its data can answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.adapters.factors import Tall, reduced
from lora_viz.adapters.keys import Pair
from lora_viz.adapters.opening import Opened
from lora_viz.adapters.report import LEVELS, Module, Report
from lora_viz.adapters.stored import FLOATS, SIZES, AdapterError, short
from lora_viz.adapters.vouched import vouched_config, vouched_metadata
from lora_viz.adapters.writing import PREFIX, Packed, pack, peft_config, peft_folder, rounded, write_safetensors
from lora_viz.core.factored import FactoredMatrix
from lora_viz.i18n.language import say

__all__ = ["Plan", "Shrunk", "advised_ranks", "cut_name", "plan", "shrink"]

WIDE = 256  # ranks from which on an update is formed where it is no larger than its factors
FAR = 1e-6  # share of σ₁² that a Gram matrix gives to ten digits


class Shrunk(NamedTuple):
    """A cut adapter, ready to be saved. ``error`` is ‖ΔW − ΔW′‖/‖ΔW‖ of each module, rounding included; ``whole`` is
    the same over all modules together. Both are measured on the factors as they are written.
    """

    data: bytes
    file_name: str
    ranks: Int[np.ndarray, "M"]
    error: Float[np.ndarray, "M"]
    whole: float
    size: tuple[int, int]


class Plan(NamedTuple):
    """What a cut would do, from the spectra alone: ranks, parameters before and after, ‖ΔW − ΔW′‖/‖ΔW‖ of each module
    and of all together before rounding.
    """

    ranks: tuple[int, ...]
    parameters: tuple[int, int]
    error: Float[np.ndarray, "M"]
    whole: float
    note: str


def advised_ranks(report: Report, level: float | int) -> tuple[int, ...]:
    """The smallest rank of each module that keeps this share of Σσ²: 0.9, 0.95 or 0.99. At least 1, PEFT's least.

    A whole number is a rank: each module gets it, where it has more.
    """
    if isinstance(level, int):
        return tuple(m.rank if m.not_finite or not m.alone else min(m.rank, level) for m in report.modules)
    at = LEVELS.index(level)
    return tuple(
        module.rank if module.not_finite or not module.alone else max(1, module.needs[at]) for module in report.modules
    )


def plan(opened: Opened, report: Report, level: float | int) -> Plan:
    """What cutting to the ranks advised at this level would do. Raises AdapterError where it is not possible."""
    config = opened.config
    if config is not None and config.moves_base:
        raise AdapterError(say("An adapter started as {init} cannot be cut: its base weight was moved by its own first "
                               "factors.", init=short(config.init, 20)))  # fmt: skip
    if (shared := next((m for m in report.modules if not m.alone), None)) is not None:
        raise AdapterError(say("{path} is not a pair of factors of its own: convert the adapter to PEFT first, then "
                               "cut it.", path=short(shared.path)))  # fmt: skip
    if len({_written(module.pair, "A") for module in report.modules}) < len(report.modules):
        raise AdapterError(say("Two modules of this file would be written under one name: it cannot be cut."))
    ranks = advised_ranks(report, level)
    cuts = list(zip(report.modules, ranks, strict=True))
    lost = np.array([0.0 if m.not_finite else float(np.sum(np.square(m.sigma[r:]))) for m, r in cuts])
    kept = np.array([0.0 if m.not_finite else m.norm_delta**2 for m in report.modules])
    unscaled = any(module.scaling is None for module in report.modules)
    note = say("The scale is not in the file, so B·A is written as it is, with s = 1: multiply lora_alpha by your s.")
    return Plan(ranks=ranks,
                parameters=(sum(m.parameters for m in report.modules), sum(r * (m.d_in + m.d_out) for m, r in cuts)),
                error=np.sqrt(np.divide(lost, kept, out=np.zeros(len(kept)), where=kept > 0)),
                whole=float(np.sqrt(lost.sum() / kept.sum())) if kept.any() else 0.0,
                note=note if unscaled else "")  # fmt: skip


def shrink(
    opened: Opened, report: Report, level: float | int, progress: Callable[[float], None] = lambda share: None
) -> Shrunk:
    """Cut every module to the rank advised at this level and write the adapter again, in its own number formats.

    PEFT and loralib files become a PEFT folder with s = 1 (the scale is folded into the factors); the others keep
    their own names. Modules that are not finite stay as they are. Raises AdapterError as ``plan`` does: an adapter on a
    moved base weight subtracts something that would change with its rank.
    """
    config = opened.config
    planned = plan(opened, report, level)
    ranks = planned.ranks
    tensors: dict[str, Packed] = {}
    error = np.zeros(len(report.modules))
    lost = kept = 0.0
    for i, (module, rank) in enumerate(zip(report.modules, ranks, strict=True)):
        left, right, away = _cut(opened, module, rank)
        error[i] = away / module.norm_delta if module.norm_delta > 0 else 0.0
        if not module.not_finite:
            lost, kept = lost + away**2, kept + module.norm_delta**2
        tensors |= {_written(module.pair, "A"): right, _written(module.pair, "B"): left}
        if module.pair.alpha is not None:
            kind = opened.weights.entries[module.pair.alpha].dtype
            tensors[module.pair.alpha] = pack(np.array(float(rank)), kind if kind in FLOATS else "F32")
        if module.pair.magnitude is not None:
            tensors[module.pair.magnitude] = _copied(opened, module.pair.magnitude)
        progress((i + 1) / len(ranks))
    as_peft = all(_is_peft(module.pair) for module in report.modules)
    for other in report.others:
        if other.dtype in SIZES:
            prefix = PREFIX if as_peft and not other.name.startswith(PREFIX) else ""
            tensors[prefix + other.name] = _copied(opened, other.name)
    if as_peft:
        saved = {n.removeprefix(PREFIX).rpartition(".")[0] for n in tensors if ".lora_" not in n}
        usual = {"modules_to_save": sorted(saved)} if saved and config is None else {}
        given = {**usual, **({} if config is None else vouched_config(config.raw))}
        by_path = {module.path: rank for module, rank in zip(report.modules, ranks, strict=True)}
        data = peft_folder(peft_config(by_path, given=given), tensors, {})
    else:
        data = write_safetensors(tensors, vouched_metadata(opened.weights.metadata))
    return Shrunk(data=data, file_name=cut_name(report, level), ranks=np.array(ranks), error=error,
                  whole=float(np.sqrt(lost / kept)) if kept else 0.0, size=(report.size, len(data)))  # fmt: skip


def cut_name(report: Report, level: float | int) -> str:
    """What the file of a cut adapter is called, and so of which kind it is."""
    as_peft = all(_is_peft(module.pair) for module in report.modules)
    called = f"r{level}" if isinstance(level, int) else f"{100 * level:.0f}"
    return f"adapter_{called}.{'zip' if as_peft else 'safetensors'}"


def _is_peft(pair: Pair) -> bool:
    return pair.scheme == "loralib" or (pair.scheme == "PEFT" and pair.A.startswith(PREFIX))


def _written(pair: Pair, which: str) -> str:
    name: str = getattr(pair, which)
    return f"{PREFIX}{pair.path}.lora_{which}.weight" if pair.scheme == "loralib" else name


def _copied(opened: Opened, name: str) -> Packed:
    entry = opened.weights.entries[name]
    return entry.dtype, entry.shape, opened.weights.raw_bytes(name)


def _cut(opened: Opened, module: Module, rank: int) -> tuple[Packed, Packed, float]:
    """B′ and A′ of this rank as they are written, s folded in, and ‖s·B A − B′A′‖_F.

    With R_B R_Aᵀ = u σ vᵀ of what QR leaves of the factors, A′ = σ^−½ uᵀ R_B·A and B′ = B·R_Aᵀ v σ^−½: a large
    module is cut and written a block at a time.
    """
    pair = module.pair
    shapes = [list(opened.weights.entries[name].shape) for name in (pair.B, pair.A)]
    if pair.turned:
        shapes = [shape[::-1] for shape in shapes]
    found = module.factors(opened.weights)
    kind_B, kind_A = (kind if kind in FLOATS else "BF16" for kind in (found.B.dtype, found.A.dtype))

    def packed(left: np.ndarray, right: np.ndarray, away: float) -> tuple[Packed, Packed, float]:
        if pair.turned:
            return _packed(left.T, kind_B, shapes[0][::-1]), _packed(right.T, kind_A, shapes[1][::-1]), away
        return _packed(left, kind_B, shapes[0]), _packed(right, kind_A, shapes[1]), away

    if module.not_finite:  # as it is, but for s
        right = found.A.raw.T if kind_A == found.A.dtype else rounded(found.A.whole().T, kind_A)
        return packed(np.concatenate([rounded(b * module.scale, kind_B) for b in found.B.blocks()]), right, 0.0)
    d_out, d_in = found.shape
    if d_out * d_in <= found.rank * (d_out + d_in) and found.rank >= WIDE:
        left, right, away = _cut_whole(found.product(module.scale).dense(), rank, kind_B, kind_A)
        shapes[0][1] = shapes[1][0] = left.shape[1]
        return packed(left, right, away)
    if not found.large:
        whole = found.product(module.scale)
        u, sigma, vt = whole.svd()
        cut = FactoredMatrix.from_svd(u[:, :rank], sigma[:rank], vt[:rank])
        left, right = rounded(cut.B, kind_B), rounded(cut.A, kind_A)
        shapes[0][1] = shapes[1][0] = cut.rank
        written = FactoredMatrix(Tall(right, kind_A).whole(), Tall(left, kind_B).whole())
        return packed(left, right, float((whole - written).norm()))
    (R_A,), (R_B,) = reduced(found.A), reduced(found.B)
    u, sigma, vt = FactoredMatrix(R_A.T, R_B, module.scale).svd()
    root = np.sqrt(sigma[:rank])
    smaller = np.divide(1.0, root, out=np.zeros(len(root)), where=root > 0)
    to_A = module.scale * smaller[:, None] * (u[:, :rank].T @ R_B)
    to_B = module.scale * (R_A.T @ vt[:rank].T) * smaller
    B, A = _Written.of(found.B, R_B, to_B, kind_B), _Written.of(found.A, R_A, to_A.T, kind_A)
    shapes[0][1] = shapes[1][0] = len(root)
    return packed(B.raw, A.raw.T, _away(B, A, module.scale))


def _cut_whole(
    delta: Float[np.ndarray, "d_out d_in"], rank: int, kind_B: str, kind_A: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """B′ and A′ of this rank as they are written, of an update no larger than its factors; and their distance."""
    turned = len(delta) > delta.shape[1]
    left, right = _halves(delta.T if turned else delta, rank)
    B, A = (right.T, left.T) if turned else (left, right)
    B, A = rounded(B, kind_B), rounded(A, kind_A)
    return B, A, float(np.linalg.norm(delta - Tall(B, kind_B).whole() @ Tall(A, kind_A).whole()))


def _halves(wide: Float[np.ndarray, "m n"], rank: int) -> tuple[np.ndarray, np.ndarray]:
    """u σ^½ and σ^½ vᵀ of the largest singular values of a matrix with m ≤ n.

    u are eigenvectors of its Gram matrix, in half the time of an SVD, where that is as exact: what they miss of the
    energy is rounding of σ₁², which is nothing beside what is cut if that is ``FAR`` of it, and the smallest σ² kept
    is ``FAR`` of it too. Else the SVD says it.
    """
    rank = min(rank, len(wide))
    top = float(np.abs(wide).max(initial=0.0))
    if 2.0**-300 < top < 2.0**300:
        values, vectors = np.linalg.eigh(wide @ wide.T)
        values, u = values[::-1], vectors[:, ::-1][:, :rank]
        if values[rank:].sum() > FAR * values.sum() and values[rank - 1] > FAR * values[0]:
            root = values[:rank] ** 0.25
            return u * root, (u / root).T @ wide
    u, sigma, vt = np.linalg.svd(wide, full_matrices=False)
    root = np.sqrt(sigma[:rank])
    return u[:, :rank] * root, root[:, None] * vt[:rank]


class _Written(NamedTuple):
    """A factor F (d, r) times a small matrix as it is written, F·by + E with what rounding makes of it; R is what QR
    leaves of F.
    """

    raw: np.ndarray
    R: Float[np.ndarray, "j r"]
    by: Float[np.ndarray, "r k"]
    FE: Float[np.ndarray, "r k"]
    EE: Float[np.ndarray, "k k"]

    @classmethod
    def of(cls, factor: Tall, R: np.ndarray, by: np.ndarray, kind: str) -> _Written:
        """F·by in a file's number format, a block at a time."""
        raw, FE, EE = list[np.ndarray](), np.zeros(by.shape), np.zeros((by.shape[1], by.shape[1]))
        for block in factor.blocks():
            exact = block @ by
            raw.append(rounded(exact, kind))
            moved = np.nan_to_num(Tall(raw[-1], kind).whole(), posinf=0, neginf=0) - exact
            FE += block.T @ moved
            EE += moved.T @ moved
        return cls(np.concatenate(raw), R, by, FE, EE)


def _away(left: _Written, right: _Written, s: float) -> float:
    """‖s·B A − (B U + E)(V A + F)‖_F from products of r×r at most: B, U, E of ``left``, Aᵀ, Vᵀ, Fᵀ of ``right``.

    What was cut, s·B A − B U V A, is orthogonal to E V A and to B U F. Its size comes from what QR leaves of B and A,
    not from squares of B A, among which it would be lost.
    """
    BU, VA = left.R @ left.by, right.R @ right.by  # on bases of their own: B U, and (V A)ᵀ
    BU_E, VA_F = left.by.T @ left.FE, right.by.T @ right.FE  # (B U)ᵀE, V A Fᵀ
    cut = s * left.R @ right.R.T - BU @ VA.T
    squares = np.vdot(cut, cut) + np.vdot(left.EE, VA.T @ VA) + np.vdot(BU.T @ BU, right.EE)
    squares += np.vdot(left.EE, right.EE) + 2 * np.vdot(BU_E, VA_F.T)
    squares += 2 * (np.vdot(left.EE, VA_F) + np.vdot(BU_E, right.EE))
    squares -= 2 * np.vdot(left.FE, s * right.FE - left.by @ VA_F)
    return math.sqrt(max(0.0, float(squares)))


def _packed(raw: np.ndarray, dtype: str, shape: list[int]) -> Packed:
    return dtype, tuple(shape), np.ascontiguousarray(raw).tobytes()
