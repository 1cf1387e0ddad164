"""What does an adapter's every module hold? Norms, singular values, kinds of rank: from the factors, never from B·A."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.config import Config
from lora_viz.adapters.keys import Pair, Place, find_pairs, places
from lora_viz.adapters.opening import Opened
from lora_viz.adapters.stored import SIZES, AdapterError, Weights, short
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.spectra import Ranks, ranks
from lora_viz.i18n.language import say

__all__ = [
    "LEVELS", "RANK_MOST", "Module", "Other", "Report", "inspect_adapter", "needs", "noise_floor", "read_factors",
]  # fmt: skip

LEVELS = (0.9, 0.95, 0.99)
RANK_MOST = 1024
_UNIT = {"BF16": 2.0**-9, "F16": 2.0**-11, "F32": 2.0**-24, "F64": 2.0**-53}  # half the gap to the next number, from 1


class Module(NamedTuple):
    """One LoRA pair, measured. ``scaling`` is None where the file does not say: all sizes are then those of B·A.

    ``sigma`` are the singular values of s·B·A, NaN where a factor is not finite; ``needs`` is the smallest rank that
    keeps 90, 95, 99 % of Σσ², 0 where ΔW = 0. ``dead`` components have a zero row in A or a zero column in B.
    """

    pair: Pair
    place: Place
    d_out: int
    d_in: int
    rank: int
    dtype: str
    scaling: float | None
    scaling_words: str
    norm_A: float
    norm_B: float
    norm_delta: float
    sigma: Float[np.ndarray, "k"]
    kinds: Ranks
    needs: tuple[int, int, int]
    not_finite: int
    dead: int

    @property
    def path(self) -> str:
        return self.pair.path

    @property
    def scale(self) -> float:
        """``scaling``, 1 where the file does not say."""
        return 1.0 if self.scaling is None else self.scaling

    @property
    def parameters(self) -> int:
        return self.rank * (self.d_in + self.d_out)


class Other(NamedTuple):
    """A tensor that is no LoRA factor."""

    name: str
    shape: tuple[int, ...]
    dtype: str


class Report(NamedTuple):
    """What a file holds: its LoRA modules and everything else. ``notes`` are sentences about the whole."""

    name: str
    kind: str
    schemes: tuple[str, ...]
    modules: tuple[Module, ...]
    others: tuple[Other, ...]
    size: int
    notes: tuple[str, ...]


def inspect_adapter(
    opened: Opened, *, alpha: float | None = None, progress: Callable[[float], None] = lambda share: None
) -> Report:
    """Measure every module of an opened adapter, one after the other. Raises AdapterError.

    ``alpha`` is used where the file does not say its own. ``progress`` is told the share that is done.
    """
    weights = opened.weights
    pairs, other_names = find_pairs(weights.entries)
    stand = places(pair.path for pair in pairs)
    modules = []
    for i, (pair, place) in enumerate(zip(pairs, stand, strict=True)):
        modules += _measured(weights, pair, place, opened.config, alpha)
        progress((i + 1) / len(pairs))
    others = tuple(Other(name, weights.entries[name].shape, weights.entries[name].dtype) for name in other_names)
    return Report(name=opened.name, kind=weights.kind, schemes=tuple(sorted({pair.scheme for pair in pairs})),
                  modules=tuple(modules), others=others,
                  size=sum(e.numel * SIZES.get(e.dtype, 1) for e in weights.entries.values()),
                  notes=_notes(opened.config, pairs))  # fmt: skip


def _notes(config: Config | None, pairs: tuple[Pair, ...]) -> tuple[str, ...]:
    notes = []
    if config is not None and config.moves_base:
        notes.append(say("It was started as {init}, which moves the base weight: the numbers are those of s·BA, and ΔW "
                         "is s·(BA − B₀A₀).", init=short(config.init, 20)))  # fmt: skip
    if any(pair.magnitude for pair in pairs):
        notes.append(
            say("It is a DoRA adapter: the numbers are those of its low-rank part, before W + s·BA is rescaled.")
        )
    return tuple(notes)


def read_factors(weights: Weights, pair: Pair, scaling: float = 1.0) -> list[tuple[str, FactoredMatrix]]:
    """The factors of a pair as matrices in float64, A (r, d_in) and B (d_out, r); convolutions are flattened.

    loralib's fused layers hold several updates in one pair: each is answered by itself, with a name for it. Raises
    AdapterError for shapes that do not fit.
    """
    A, B = (_matrix(weights, name) for name in (pair.A, pair.B))
    if len(B) and B.shape[1] and pair.scheme == "loralib" and len(A) in (2 * B.shape[1], 3 * B.shape[1]):
        parts = len(A) // B.shape[1]
        if len(B) % parts == 0:
            split = zip(np.split(A, parts), np.split(B, parts), strict=True)
            return [(f" (part {i + 1} of {parts})", FactoredMatrix(a, b, scaling)) for i, (a, b) in enumerate(split)]
    if len(A) != B.shape[1]:
        raise AdapterError(say("{path}: A is {A} and B is {B}: B needs a column for every row of A.",
                               path=short(pair.path), A=f"{len(A)}×{A.shape[1]}",
                               B=f"{len(B)}×{B.shape[1]}"))  # fmt: skip
    if not 1 <= len(A) <= RANK_MOST or not len(B) or not A.shape[1]:
        raise AdapterError(say("{path} has rank {rank}: read are 1 to {most} in a layer of some size.",
                               path=short(pair.path), rank=len(A), most=RANK_MOST))  # fmt: skip
    return [("", FactoredMatrix(A, B, scaling))]


def _matrix(weights: Weights, name: str) -> np.ndarray:
    found = weights.read(name)
    if found.ndim < 2:
        raise AdapterError(
            say("{name} has shape {shape}: a LoRA factor is a matrix.", name=short(name), shape=found.shape)
        )
    with np.errstate(invalid="ignore"):  # a damaged file may hold NaNs that signal
        return found.reshape(len(found), math.prod(found.shape[1:])).astype(np.float64)


def _measured(weights: Weights, pair: Pair, place: Place, config: Config | None, alpha: float | None) -> list[Module]:
    dtypes = {weights.entries[name].dtype for name in (pair.A, pair.B)}
    found = []
    for part, product in read_factors(weights, pair):
        A, B, rank = product.A, product.B, product.rank
        scaling, words = _scaling(weights, pair, rank, config, alpha)
        product = FactoredMatrix(A, B, 1.0 if scaling is None else scaling)
        bad = int(A.size - np.isfinite(A).sum() + B.size - np.isfinite(B).sum())
        sigma = product.singular_values()
        norm_delta = _norm(sigma)
        if not bad and not np.isfinite(norm_delta):
            raise AdapterError(
                say("{path} holds numbers too large to be multiplied in float64.", path=short(pair.path))
            )
        found.append(
            Module(
                pair=pair._replace(path=pair.path + part),
                place=place._replace(kind=place.kind + part),
                d_out=len(B),
                d_in=A.shape[1],
                rank=rank,
                dtype="/".join(sorted(dtypes)),
                scaling=scaling,
                scaling_words=words,
                norm_A=_norm(A),
                norm_B=_norm(B),
                norm_delta=norm_delta,
                sigma=sigma,
                kinds=ranks(np.nan_to_num(sigma), bound=rank),
                needs=needs(sigma),
                not_finite=bad,
                dead=int((~A.any(axis=1) | ~B.any(axis=0)).sum()),
            )
        )
    return found


def _scaling(
    weights: Weights, pair: Pair, rank: int, config: Config | None, alpha: float | None
) -> tuple[float | None, str]:
    if pair.alpha is not None:
        given = weights.read(pair.alpha)
        if given.size != 1 or not np.isfinite(given).all():
            raise AdapterError(
                say("{name} has shape {shape}: an α is one finite number.", name=short(pair.alpha), shape=given.shape)
            )
        own = float(given.ravel()[0])
        return own / rank, say("α/r = {alpha:g}/{rank}, in the file", alpha=own, rank=rank)
    if config is not None:
        return config.scaling(pair.path, rank)
    if alpha is not None:
        return alpha / rank, say("α/r = {alpha:g}/{rank}, as you said", alpha=alpha, rank=rank)
    if pair.scheme == "kohya":
        return 1.0, say("no α in the file: α = r by kohya's rule")
    return None, say("not in the file")


def _norm(values: np.ndarray) -> float:
    top = float(np.abs(values).max(initial=0.0))
    if not 0 < top < float("inf"):
        return top  # 0, ∞ or NaN
    return top * float(np.sqrt(np.sum((values / top) ** 2)))


def needs(sigma: Float[np.ndarray, "k"]) -> tuple[int, int, int]:
    """The smallest rank that keeps 90, 95 and 99 % of Σσ²; 0 of nothing."""
    top = sigma.max(initial=0.0)
    if not np.isfinite(sigma).all() or top == 0:
        return (0, 0, 0)
    energy = np.cumsum((sigma / top) ** 2)
    a, b, c = (int(np.searchsorted(energy, level * energy[-1] * (1 - 1e-12))) + 1 for level in LEVELS)
    return a, b, c


def noise_floor(weights: Weights, module: Module, seed: int = 0) -> float:
    """How large a singular value could the number format alone have made? ‖ΔW′ − ΔW‖₂, measured on the factors.

    ΔW′ has every stored number moved at random within its own rounding; by Weyl's inequality no singular value moves
    by more. The difference is [B′, −B]·[A′; A]: its factors are enough.
    """
    rng = np.random.default_rng(seed)
    factors = []
    for name in (module.pair.A, module.pair.B):
        m = _matrix(weights, name)
        unit = _UNIT[weights.entries[name].dtype]
        exact = np.exp2(np.floor(np.log2(np.abs(m), out=np.full(m.shape, -1000.0), where=m != 0)))
        factors.append((m, m + unit * exact * rng.uniform(-1, 1, m.shape)))
    stored, moved = (FactoredMatrix(A, B, module.scale) for A, B in zip(*factors, strict=True))
    return float((moved - stored).singular_values()[0])
