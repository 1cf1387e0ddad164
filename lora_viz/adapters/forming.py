"""From a module's tensors to factors of its update: every kind's ΔW as B·A, not formed where that is possible."""

from __future__ import annotations

import math
import re
from typing import NamedTuple, NoReturn

import numpy as np

from lora_viz.adapters.factors import RANK_MOST, Factors, Tall
from lora_viz.adapters.keys import Pair
from lora_viz.adapters.stored import AdapterError, Weights, short
from lora_viz.i18n.language import say

__all__ = ["Stack", "read_factors"]

DENSE_MOST = 1_500_000  # numbers of a ΔW that is formed where its factors would be wider than the layer
FACTORS_MOST = 30_000_000


class Stack(NamedTuple):
    """Has PEFT stacked experts in a module? ``rank`` is that of each, 0 where nothing is said."""

    rank: int = 0
    experts: bool = False


def read_factors(weights: Weights, pair: Pair, stack: Stack | None = None) -> list[Factors]:
    """The factors of a module's updates, those of a plain pair not widened. Raises AdapterError: they do not fit.

    A pair of tensors may hold several updates (fused layers, experts): each is answered by itself, with a name for it.
    """
    match pair.form:
        case "loha":
            found = _loha(weights, pair)
        case "lokr":
            found = _lokr(weights, pair)
        case "vera":
            found = _vera(weights, pair)
        case "mid":
            found = _mid(weights, pair)
        case _:
            return [_fitting(pair, one) for one in _pairs(weights, pair, stack or Stack())]
    return [_fitting(pair, found)]


def _pairs(weights: Weights, pair: Pair, stack: Stack) -> list[Factors]:
    shapes = [weights.entries[name].shape for name in (pair.A, pair.B)]
    stored = [weights.stored(name) for name in (pair.A, pair.B)]
    kinds = [weights.entries[name].dtype for name in (pair.A, pair.B)]
    for name, shape in zip((pair.A, pair.B), shapes, strict=True):
        if len(shape) < 2:
            raise AdapterError(
                say("{name} has shape {shape}: a LoRA factor is a matrix.", name=short(name), shape=shape)
            )
    if len(shapes[0]) == len(shapes[1]) == 3 and shapes[0][0] == shapes[1][0] and shapes[1][2] != 1:
        return _each(pair, stored[0], stored[1], kinds[0], kinds[1])
    if math.prod(shapes[1][2:]) != 1:
        raise AdapterError(say("{name} has shape {shape}: only A may be wider than one point.", name=short(pair.B),
                               shape=shapes[1]))  # fmt: skip
    a, b = (m.reshape(len(m), math.prod(m.shape[1:])) for m in stored)
    if pair.turned:
        a, b = a.T, b.T
    A, B = Tall(a.T, kinds[0]), Tall(b, kinds[1])
    if pair.form in ("ada", "diag"):
        return [_with_diagonal(weights, pair, A, B)]
    r = b.shape[1]
    if stack.experts:
        return _stacked(pair, a, b, kinds, stack.rank)
    if r and len(b) and pair.scheme in ("loralib", "own layers") and len(a) in (2 * r, 3 * r):
        return _fused(pair, a, b, kinds, len(a) // r)
    if len(a) != r:
        raise AdapterError(say("{path}: A is {A} and B is {B}: B needs a column for every row of A.",
                               path=short(pair.path), A=f"{len(a)}×{a.shape[1]}", B=f"{len(b)}×{r}"))  # fmt: skip
    return [Factors("", A, B)]


def _each(pair: Pair, a: np.ndarray, b: np.ndarray, kind_a: str, kind_b: str) -> list[Factors]:
    """Experts that lie one behind the other: A (E, r, d_in) and B (E, d_out, r), or both turned."""
    turned = a.shape[2] == b.shape[1] and (a.shape[1] != b.shape[2] or a.shape[2] < a.shape[1])
    if not turned and a.shape[1] != b.shape[2]:
        raise AdapterError(say("{path}: A is {A} and B is {B}: B needs a column for every row of A.",
                               path=short(pair.path), A="×".join(map(str, a.shape)),
                               B="×".join(map(str, b.shape))))  # fmt: skip
    return [
        Factors(f" (expert {e + 1} of {len(a)})", Tall(a[e] if turned else a[e].T, kind_a),
                Tall(b[e].T if turned else b[e], kind_b))
        for e in range(len(a))
    ]  # fmt: skip


def _stacked(pair: Pair, a: np.ndarray, b: np.ndarray, kinds: list[str], rank: int) -> list[Factors]:
    """PEFT's ``target_parameters``: E experts of rank r, their rows of A in turn, their columns of B interleaved."""
    if len(a) != b.shape[1] or not rank or len(a) % rank:
        raise AdapterError(say("{path} stacks experts (target_parameters): A has {rows} rows, and the rank r of each "
                               "expert is not known. Give the adapter_config.json with its r.",
                               path=short(pair.path), rows=len(a)))  # fmt: skip
    E = len(a) // rank
    return [
        Factors(f" (expert {e + 1} of {E})" if E > 1 else "", Tall(a[e * rank : (e + 1) * rank].T, kinds[0]),
                Tall(b[:, e::E], kinds[1]))
        for e in range(E)
    ]  # fmt: skip


def _fused(pair: Pair, a: np.ndarray, b: np.ndarray, kinds: list[str], parts: int) -> list[Factors]:
    """loralib's and LitGPT's fused layers: queries, keys and values (or two of them), of equal sizes or grouped.

    With grouped queries, which LitGPT has, the first part has as many rows as the layer has inputs, the others share
    the rest.
    """
    rows, wide = len(b), a.shape[1]
    cuts = [rows // parts * i for i in range(1, parts)]
    rest = rows - wide
    grouped = re.search(r"(^|[._])(attn\.attn|qkv)$", pair.module) is not None  # LitGPT's names
    if grouped and rows != parts * wide and 0 < rest < (parts - 1) * wide and rest % (parts - 1) == 0:
        cuts = [wide + rest // (parts - 1) * i for i in range(parts - 1)]
    elif rows % parts:
        raise AdapterError(say("{path} is a fused layer: {rows} rows of B cannot be told apart into {parts} parts.",
                               path=short(pair.path), rows=rows, parts=parts))  # fmt: skip
    split = zip(np.split(a, parts), np.split(b, cuts), strict=True)
    return [
        Factors(f" (part {i + 1} of {parts})", Tall(one.T, kinds[0]), Tall(other, kinds[1]))
        for i, (one, other) in enumerate(split)
    ]


def _with_diagonal(weights: Weights, pair: Pair, A: Tall, B: Tall) -> Factors:
    """AdaLoRA's and KaSA's B·diag(λ)·A, λ multiplied into A. AdaLoRA divides its α by r + 10⁻⁵."""
    values = weights.numbers(pair.role("E") or pair.role("diag") or "").ravel().astype(np.float64)
    if len(values) != A.raw.shape[1] or len(values) != B.raw.shape[1]:
        raise AdapterError(say("{path} has {count} diagonal values for rank {rank}: as many are needed.",
                               path=short(pair.path), count=len(values), rank=A.raw.shape[1]))  # fmt: skip
    with np.errstate(all="ignore"):
        scaled = A.whole() * values
    return Factors("", Tall(scaled, "F64"), B, divisor=len(values) + (1e-5 if pair.form == "ada" else 0.0))


def _matrix(weights: Weights, name: str | None) -> np.ndarray:
    """A small tensor in float64, at least two-dimensional."""
    found = weights.numbers(name or "")
    if found.ndim < 2:
        raise AdapterError(say("{name} has shape {shape}: a LoRA factor is a matrix.", name=short(name or ""),
                               shape=found.shape))  # fmt: skip
    with np.errstate(invalid="ignore"):
        return np.asarray(found, dtype=np.float64)


def _flat(m: np.ndarray) -> np.ndarray:
    return m.reshape(len(m), math.prod(m.shape[1:]))


def _product(pair: Pair, *given: tuple[str, tuple[int, ...]]) -> NoReturn:
    """Raise the one sentence for factors that do not fit."""
    listed = ", ".join(f"{name} {'×'.join(map(str, shape))}" for name, shape in given)
    raise AdapterError(say("{path}: the shapes {listed} do not fit together.", path=short(pair.path), listed=listed))


def _mid(weights: Weights, pair: Pair) -> Factors:
    """LoCon with a middle factor: ΔW = up·(mid·down), a pair whose A is as wide as the kernel."""
    down, mid, up = (_matrix(weights, name) for name in (pair.A, pair.role("mid"), pair.B))
    a, b = _flat(down), _flat(up)
    if mid.ndim < 2 or mid.shape[0] != b.shape[1] or mid.shape[1] != len(a) or down.size != a.size:
        _product(pair, ("down", down.shape), ("mid", mid.shape), ("up", up.shape))
    with np.errstate(all="ignore"):
        A = np.einsum("ijk,jp->ipk", mid.reshape(*mid.shape[:2], math.prod(mid.shape[2:])), a)
    return Factors("", Tall(A.reshape(len(A), -1).T, "F64"), Tall(b, "F64"), divisor=len(a))


def _low(weights: Weights, pair: Pair, a: str, b: str, t: str) -> tuple[np.ndarray, np.ndarray]:
    """LyCORIS' a·b, or with a Tucker core t its Σ t·b·a: (d_out, r) and (r, d_in·kernel)."""
    one, other = (_matrix(weights, pair.role(name)) for name in (a, b))
    core_name = pair.role(t)
    if core_name is None:
        one, other = _flat(one), _flat(other)
        if one.shape[1] != len(other):
            _product(pair, (a, one.shape), (b, other.shape))
        return one, other
    core = _matrix(weights, core_name)
    if one.ndim != 2 or other.ndim != 2 or core.shape[:2] != (len(one), len(other)):
        _product(pair, (t, core.shape), (a, one.shape), (b, other.shape))
    with np.errstate(all="ignore"):
        wide = np.einsum("ijk,jr->irk", core.reshape(*core.shape[:2], math.prod(core.shape[2:])), other)
    return one.T, wide.reshape(len(wide), math.prod(wide.shape[1:]))


def _loha(weights: Weights, pair: Pair) -> Factors:
    """(B₁A₁) ⊙ (B₂A₂) is a product of rank r₁·r₂: each row of B is one of B₁ times one of B₂ in every combination."""
    (b1, a1), (b2, a2) = (_low(weights, pair, f"hada_w{i}_a", f"hada_w{i}_b", f"hada_t{i}") for i in (1, 2))
    if len(b1) != len(b2) or a1.shape[1] != a2.shape[1]:
        _product(pair, ("hada_w1", (len(b1), a1.shape[1])), ("hada_w2", (len(b2), a2.shape[1])))
    rank, shape = len(a1) * len(a2), (len(b1), a1.shape[1])
    with np.errstate(all="ignore"):
        if rank > min(shape) and math.prod(shape) <= DENSE_MOST:
            return _dense((b1 @ a1) * (b2 @ a2), len(a1))
        _bounded(pair, rank, shape)
        B = (b1[:, :, None] * b2[:, None, :]).reshape(shape[0], rank)
        A = (a1[:, None, :] * a2[None, :, :]).reshape(rank, shape[1])
    return Factors("", Tall(A.T, "F64"), Tall(B, "F64"), divisor=len(a1))


def _dense(delta: np.ndarray, divisor: float) -> Factors:
    """A small ΔW as itself times the identity."""
    rows, columns = delta.shape
    if rows <= columns:
        return Factors("", Tall(delta.T, "F64"), Tall(np.eye(rows), "F64"), divisor=divisor)
    return Factors("", Tall(np.eye(columns), "F64"), Tall(delta, "F64"), divisor=divisor)


def _bounded(pair: Pair, rank: int, shape: tuple[int, int]) -> None:
    if rank > RANK_MOST or rank * sum(shape) > FACTORS_MOST:
        raise AdapterError(say("{path} has an update of rank {rank} in a layer of {shape}: up to rank {most} and "
                               "{numbers:,} numbers are formed.", path=short(pair.path), rank=rank,
                               shape="×".join(map(str, shape)), most=RANK_MOST, numbers=FACTORS_MOST))  # fmt: skip


def _lokr(weights: Weights, pair: Pair) -> Factors:
    """W₁ ⊗ W₂ = (B₁ ⊗ B₂)(A₁ ⊗ A₂). Where both are whole, or too large for that, σ are all products of theirs."""
    sides, divisor = [], 0.0
    for i in (1, 2):
        if pair.role(f"lokr_w{i}") is not None:
            whole = _flat(_matrix(weights, pair.role(f"lokr_w{i}")))
            sides.append(_split(whole))
        else:
            b, a = _low(weights, pair, f"lokr_w{i}_a", f"lokr_w{i}_b", "lokr_t2" if i == 2 else "")
            divisor = divisor or float(len(a))
            sides.append((b, a))
    (b1, a1), (b2, a2) = sides
    rank, shape = len(a1) * len(a2), (len(b1) * len(b2), a1.shape[1] * a2.shape[1])
    if not rank or not all(shape):
        raise AdapterError(say("{path} has rank {rank}. Supported: 1 to {most}, in a layer that is not empty.",
                               path=short(pair.path), rank=rank, most=RANK_MOST))  # fmt: skip
    if rank <= min(RANK_MOST, *shape) and rank * sum(shape) <= FACTORS_MOST:
        with np.errstate(all="ignore"):
            return Factors("", Tall(np.kron(a1, a2).T, "F64"), Tall(np.kron(b1, b2), "F64"), divisor=divisor)
    if max(min(len(b1), a1.shape[1]), min(len(b2), a2.shape[1])) > RANK_MOST:
        _bounded(pair, rank, shape)
    return Factors("", Tall(a2.T, "F64"), Tall(b2, "F64"), divisor=divisor, times=(a1, b1))


def _split(whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A whole matrix as B·A with the identity on its shorter side."""
    rows, columns = whole.shape
    return (np.eye(rows), whole) if rows <= columns else (whole, np.eye(columns))


def _vera(weights: Weights, pair: Pair) -> Factors:
    """diag(b)·B·diag(d)·A, the shared factors cut to the layer: by the length of b, and to all columns of A."""
    d, b = (weights.numbers(name).ravel().astype(np.float64) for name in (pair.A, pair.B))
    A, B = _matrix(weights, pair.role("vera_A")), _matrix(weights, pair.role("vera_B"))
    if A.ndim != 2 or B.ndim != 2 or len(A) != len(d) or B.shape[1] != len(d) or len(b) > len(B):
        _product(pair, ("vera_A", A.shape), ("vera_B", B.shape), ("d", d.shape), ("b", b.shape))
    if len(b) < len(B):
        raise AdapterError(say("{path} is a VeRA layer of {rows} rows beside others of {most}: how many columns of the "
                               "shared A it uses is not in the file.", path=short(pair.path), rows=len(b),
                               most=len(B)))  # fmt: skip
    with np.errstate(all="ignore"):
        return Factors("", Tall((d[:, None] * A).T, "F64"), Tall(b[:, None] * B, "F64"), divisor=len(d))


def _fitting(pair: Pair, found: Factors) -> Factors:
    if not 1 <= found.A.raw.shape[1] <= RANK_MOST or not all(found.shape):
        raise AdapterError(say("{path} has rank {rank}. Supported: 1 to {most}, in a layer that is not empty.",
                               path=short(pair.path), rank=found.rank, most=RANK_MOST))  # fmt: skip
    return found
