"""What does an adapter's every module hold? Norms, singular values, kinds of rank: from the factors, never from B·A."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.config import Config
from lora_viz.adapters.keys import Pair, Place, find_pairs, places
from lora_viz.adapters.opening import Opened
from lora_viz.adapters.stored import SIZES, AdapterError, Weights, short
from lora_viz.spectra import Ranks, ranks

__all__ = ["LEVELS", "RANK_MOST", "Module", "Other", "Report", "inspect", "noise_floor", "read_factors"]

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


def inspect(
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
    return Report(
        name=opened.name,
        kind=weights.kind,
        schemes=tuple(sorted({pair.scheme for pair in pairs})),
        modules=tuple(modules),
        others=others,
        size=sum(e.count * SIZES.get(e.dtype, 1) for e in weights.entries.values()),
        notes=_notes(opened.config, pairs),
    )


def _notes(config: Config | None, pairs: tuple[Pair, ...]) -> tuple[str, ...]:
    notes = []
    if config is not None and config.moves_base:
        notes.append(
            f"It was started as {short(config.init, 20)}, which moves the base weight: the numbers are those of s·BA, "
            "and ΔW is s·(BA − B₀A₀)."
        )
    if any(pair.magnitude for pair in pairs):
        notes.append("It is a DoRA adapter: the numbers are those of its low-rank part, before W + s·BA is rescaled.")
    return tuple(notes)


def read_factors(weights: Weights, pair: Pair) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """The factors of a pair as matrices, A (r, d_in) and B (d_out, r); convolutions are flattened.

    loralib's fused layers hold several updates in one pair: each is answered by itself, with a name for it. Raises
    AdapterError for shapes that do not fit.
    """
    A, B = (_matrix(weights, name) for name in (pair.A, pair.B))
    if len(B) and B.shape[1] and pair.scheme == "loralib" and len(A) in (2 * B.shape[1], 3 * B.shape[1]):
        parts = len(A) // B.shape[1]
        if len(B) % parts == 0:
            split = zip(np.split(A, parts), np.split(B, parts), strict=True)
            return [(f" (part {i + 1} of {parts})", a, b) for i, (a, b) in enumerate(split)]
    if len(A) != B.shape[1]:
        raise AdapterError(
            f"{short(pair.path)}: A is {len(A)}×{A.shape[1]} and B is {len(B)}×{B.shape[1]}: B needs as many columns as "
            "A has rows."
        )
    if not 1 <= len(A) <= RANK_MOST or not len(B) or not A.shape[1]:
        raise AdapterError(f"{short(pair.path)} has rank {len(A)}: read are 1 to {RANK_MOST} in a layer of some size.")
    return [("", A, B)]


def _matrix(weights: Weights, name: str) -> np.ndarray:
    found = weights.read(name)
    if found.ndim < 2:
        raise AdapterError(f"{short(name)} has shape {found.shape}: a LoRA factor is a matrix.")
    return found.reshape(found.shape[0], -1)


def _measured(
    weights: Weights, pair: Pair, place: Place, config: Config | None, alpha: float | None
) -> list[Module]:
    dtypes = {weights.entries[name].dtype for name in (pair.A, pair.B)}
    found = []
    for part, A, B in read_factors(weights, pair):
        scaling, words = _scaling(weights, pair, len(A), config, alpha)
        s = 1.0 if scaling is None else scaling
        bad = int(np.size(A) - np.isfinite(A).sum() + np.size(B) - np.isfinite(B).sum())
        sigma = np.full(min(len(A), len(B), A.shape[1]), np.nan) if bad else abs(s) * _sigma(A, B)
        kinds = ranks(np.nan_to_num(sigma), bound=len(A))
        found.append(
            Module(
                pair=pair._replace(path=pair.path + part),
                place=place._replace(kind=place.kind + part),
                d_out=len(B),
                d_in=A.shape[1],
                rank=len(A),
                dtype="/".join(sorted(dtypes)),
                scaling=scaling,
                scaling_words=words,
                norm_A=_norm(A),
                norm_B=_norm(B),
                norm_delta=float("nan") if bad else _norm(sigma),
                sigma=sigma,
                kinds=kinds,
                needs=needs(sigma),
                not_finite=bad,
                dead=int(((A == 0).all(axis=1) | (B == 0).all(axis=0)).sum()),
            )
        )
    return found


def _scaling(
    weights: Weights, pair: Pair, rank: int, config: Config | None, alpha: float | None
) -> tuple[float | None, str]:
    if pair.alpha is not None:
        given = weights.read(pair.alpha)
        if given.size != 1 or not np.isfinite(given).all():
            raise AdapterError(f"{short(pair.alpha)} has shape {given.shape}: an α is one finite number.")
        return float(given.ravel()[0]) / rank, f"α/r = {float(given.ravel()[0]):g}/{rank}, in the file"
    if config is not None:
        return config.scaling(pair.path, rank)
    if alpha is not None:
        return alpha / rank, f"α/r = {alpha:g}/{rank}, as you said"
    if pair.scheme == "kohya":
        return 1.0, "no α in the file: α = r by kohya's rule"
    return None, "not in the file"


def _sigma(A: np.ndarray, B: np.ndarray) -> Float[np.ndarray, "k"]:
    """Singular values of B·A: QR of both factors, SVD of the small product of what is left, in float64."""
    size = [float(np.abs(m).max(initial=0.0)) for m in (A, B)]
    if 0.0 in size:
        return np.zeros(min(len(A), len(B), A.shape[1]))
    right, left = (np.linalg.qr(m.astype(np.float64) / n, mode="r") for m, n in zip((A.T, B), size, strict=True))
    return size[0] * size[1] * np.linalg.svd(left @ right.T, compute_uv=False)


def _norm(values: np.ndarray) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.sqrt(np.sum(np.square(values, dtype=np.float64))))


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
    moved = []
    for name in (module.pair.A, module.pair.B):
        m = _matrix(weights, name).astype(np.float64)
        unit = _UNIT[weights.entries[name].dtype]
        exact = np.exp2(np.floor(np.log2(np.abs(m), out=np.full(m.shape, -1000.0), where=m != 0)))
        moved.append((m, m + unit * exact * rng.uniform(-1, 1, m.shape)))
    (A, A2), (B, B2) = moved
    s = 1.0 if module.scaling is None else abs(module.scaling)
    return s * float(_sigma(np.vstack([A2, A]), np.hstack([B2, -B]))[0])


def by_path(report: Report) -> Mapping[str, Module]:
    """The modules by the path they belong to."""
    return {module.path: module for module in report.modules}
