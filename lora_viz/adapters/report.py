"""What does an adapter's every module hold? Norms, singular values, kinds of rank: from the factors, never from B·A."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.config import Config
from lora_viz.adapters.factors import Factors, reduced
from lora_viz.adapters.forming import Stack, read_factors
from lora_viz.adapters.keys import Pair, find_pairs
from lora_viz.adapters.opening import Opened
from lora_viz.adapters.orientation import oriented
from lora_viz.adapters.places import Place, places
from lora_viz.adapters.scale import Scales
from lora_viz.adapters.stored import SIZES, AdapterError, Weights, short
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.spectra import Ranks, ranks
from lora_viz.i18n.language import say

__all__ = [
    "LEVELS",
    "Module",
    "Other",
    "Report",
    "enough_in_each",
    "inspect_adapter",
    "leaves_scale_open",
    "needs",
    "noise_floor",
]

LEVELS = (0.9, 0.95, 0.99)
MODULES_FREE, MODULE_LEAST = 2000, 5000  # measured: one costs up to 0.5 ms beside its numbers, which 5 kB may take
_UNIT = {
    "F8_E4M3": 2.0**-4,
    "F8_E5M2": 2.0**-3,
    "F8_E4M3FNUZ": 2.0**-4,
    "F8_E5M2FNUZ": 2.0**-3,
    "F8_E8M0": 0.5,
    "BF16": 2.0**-9,
    "F16": 2.0**-11,
    "F32": 2.0**-24,
    "F64": 2.0**-53,
}  # half the gap to the next number, from 1


class Module(NamedTuple):
    """One update, measured. ``scaling`` is None where the file does not say: all sizes are then those of B·A.

    ``sigma`` are the singular values of s·B·A, NaN where a factor is not finite; ``needs`` is the smallest rank that
    keeps 90, 95, 99 % of Σσ², 0 where ΔW = 0. ``dead`` components have a zero row in A or a zero column in B.
    ``numbers`` are stored for it, ``at`` is its place among the updates of its tensors. ``alone``: a plain pair of
    tensors of its own, which can be written anew under its names; ``factored``: B·A is at hand at all.
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
    numbers: int
    at: int = 0
    stack: Stack = Stack()
    alone: bool = True
    factored: bool = True

    @property
    def path(self) -> str:
        return self.pair.path

    @property
    def scale(self) -> float:
        """``scaling``, 1 where the file does not say."""
        return 1.0 if self.scaling is None else self.scaling

    @property
    def parameters(self) -> int:
        """How many numbers the file holds for it."""
        return self.numbers

    def factors(self, weights: Weights) -> Factors:
        """Its factors, as the file has them."""
        return read_factors(weights, self.pair, self.stack)[self.at]


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
    left: tuple[str, ...] = ()
    asks_scale: bool = False


def inspect_adapter(
    opened: Opened, *, alpha: float | None = None, progress: Callable[[float], None] = lambda share: None
) -> Report:
    """Measure every module of an opened adapter, one after the other. Raises AdapterError.

    ``alpha`` is used where the file does not say its own. ``progress`` is told the share that is done.
    """
    weights, config = opened.weights, opened.config
    pairs, other_names = find_pairs(weights.entries, weights.kind)
    enough_in_each(weights, len(pairs))
    scales = Scales(weights, config, alpha)
    written = [config] if config is not None else [*scales.configs.values()]
    pairs, turned = oriented(weights, pairs, lambda path: written[0].rank_at(path) if written else 0)
    stand = places(pair.path for pair in pairs)
    modules: list[Module] = []
    for i, (pair, place) in enumerate(zip(pairs, stand, strict=True)):
        modules += _measured(weights, pair, place, scales, _stack(weights, pair, config))
        if len(modules) > len(pairs):
            enough_in_each(weights, len(modules))
        progress((i + 1) / len(pairs))
    others = tuple(Other(name, weights.entries[name].shape, weights.entries[name].dtype) for name in other_names)
    return Report(name=opened.name, kind=weights.kind, schemes=tuple(sorted({pair.scheme for pair in pairs})),
                  modules=tuple(modules), others=others,
                  size=sum(e.numel * SIZES.get(e.dtype, 1) for e in weights.entries.values()),
                  notes=(*opened.notes, *turned, *_notes(config, pairs), *_grouped(modules)), left=opened.left,
                  asks_scale=any(m.scaling is None for m in modules))  # fmt: skip


def leaves_scale_open(opened: Opened) -> bool:
    """Is there a module whose scale nothing says? Read from names, configuration and header alone. AdapterError."""
    pairs, _ = find_pairs(opened.weights.entries, opened.weights.kind)
    scales = Scales(opened.weights, opened.config, None)
    return any(scales.of(pair, 1.0)[0] is None for pair in pairs)


def _stack(weights: Weights, pair: Pair, config: Config | None) -> Stack:
    """Is it a stack of experts as PEFT writes one? The configuration says so, or the module's own name."""
    if pair.scheme != "PEFT" or pair.form != "pair" or len(weights.entries[pair.A].shape) != 2:
        return Stack()
    body = pair.module
    while body.endswith(".base_layer"):
        body = body.removesuffix(".base_layer")
    if config is not None and config.experts:
        return Stack(config.rank_at(pair.module), config.stacks(pair.module))
    rank = 0 if config is None else config.rank_at(pair.module)
    return Stack(rank, body.endswith("experts"))


def _notes(config: Config | None, pairs: tuple[Pair, ...]) -> tuple[str, ...]:
    notes = []
    if config is not None and config.moves_base:
        notes.append(say("It was started as {init}, which moves the base weight: the numbers are those of s·BA, and ΔW "
                         "is s·(BA − B₀A₀).", init=short(config.init, 20)))  # fmt: skip
    if any(pair.form == "diag" for pair in pairs):
        notes.append(say("It is a KaSA adapter, which also cuts the base weight: the numbers are those of "
                         "s·B·diag(λ)·A."))  # fmt: skip
    if any(pair.form == "vera" for pair in pairs):
        notes.append(say("It is a VeRA adapter: every layer is taken to use all columns of the shared A, which the "
                         "file does not say."))  # fmt: skip
    if any(pair.magnitude for pair in pairs):
        notes.append(
            say("It is a DoRA adapter: the numbers are those of its low-rank part, before W + s·BA is rescaled.")
        )
    return tuple(notes)


def _grouped(modules: list[Module]) -> tuple[str, ...]:
    """What is assumed of fused layers whose parts are not of one size."""
    fused = [m for m in modules if m.at and m.pair.scheme in ("loralib", "own layers")]
    first = {m.pair.A: m for m in modules if not m.at}
    if all(m.d_out == first[m.pair.A].d_out for m in fused):
        return ()
    return (say("Fused layers with grouped queries are split as if their queries had as many rows as the layer has "
                "inputs, which the file does not say."),)  # fmt: skip


def enough_in_each(weights: Weights, count: int) -> None:
    """Each module costs time beside its numbers: so many empty ones are no adapter. Raises AdapterError."""
    size = sum(e.numel * SIZES.get(e.dtype, 1) for e in weights.entries.values())
    if count > MODULES_FREE + size // MODULE_LEAST:
        raise AdapterError(say("The file has {count:,} modules in {size:.1f} MB of numbers: more than {free:,} are "
                               "read where each has at least {least:,} bytes.", count=count, size=size / 1e6,
                               free=MODULES_FREE, least=MODULE_LEAST))  # fmt: skip


def _measured(weights: Weights, pair: Pair, place: Place, scales: Scales, stack: Stack) -> list[Module]:
    dtypes = {weights.entries[name].dtype for name in pair.tensors}
    updates = read_factors(weights, pair, stack)
    plain = pair.form == "pair" and len(updates) == 1 and " (part" not in pair.path
    held = sum(weights.entries[name].numel for name in pair.tensors if "vera_" not in name) // len(updates)
    found = []
    for at, factors in enumerate(updates):
        rank, part = factors.rank, factors.part
        scaling, words = scales.of(pair, factors.rank if factors.divisor is None else factors.divisor)
        A, B, bad, dead = _sides(factors)
        if bad:
            sigma = np.full(min(rank, *factors.shape), np.nan)
        else:
            sigma = FactoredMatrix(A, B, 1.0 if scaling is None else scaling).singular_values()
            if factors.times is not None:
                own = FactoredMatrix(*factors.times).singular_values()
                with np.errstate(all="ignore"):
                    sigma = np.sort(np.outer(sigma, own), axis=None)[::-1]
            sigma = sigma[: min(rank, *factors.shape)]
        norm_delta = _norm(sigma)
        with np.errstate(all="ignore"):  # a damaged file's numbers may be too small to be divided by
            kinds = ranks(np.nan_to_num(sigma), bound=rank)
        if not bad and not np.isfinite(norm_delta):
            raise AdapterError(
                say("{path} holds numbers too large to be multiplied in float64.", path=short(pair.path))
            )
        found.append(
            Module(
                pair=pair._replace(path=pair.path + part),
                place=place._replace(kind=place.kind + part),
                d_out=factors.shape[0],
                d_in=factors.shape[1],
                rank=rank,
                dtype="/".join(sorted(dtypes)),
                scaling=scaling,
                scaling_words=words,
                norm_A=_norm(A) if not bad else float("nan"),
                norm_B=_norm(B) if not bad else float("nan"),
                norm_delta=norm_delta,
                sigma=sigma,
                kinds=kinds,
                needs=needs(sigma),
                not_finite=bad,
                dead=dead,
                numbers=held,
                at=at,
                stack=stack,
                alone=plain,
                factored=factors.times is None,
            )
        )
    return found


def _sides(factors: Factors) -> tuple[np.ndarray, np.ndarray, int, int]:
    """A (·, d_in or less) and B, reduced where they are large; how many numbers are not finite; how many components
    have a zero row in A or a zero column in B.
    """
    wide = factors.A.raw.shape[1]
    bad, used = 0, np.ones(wide, dtype=bool)
    whole = None if factors.large else (factors.A.whole(), factors.B.whole())
    for i, factor in enumerate((factors.A, factors.B)):
        some = np.zeros(wide, dtype=bool)
        for block in factor.blocks() if whole is None else (whole[i],):
            bad += int(block.size - np.isfinite(block).sum())
            with np.errstate(invalid="ignore"):  # NaNs that signal
                some |= block.any(axis=0)
        used &= some
    dead = int((~used).sum())
    if whole is not None:
        return np.ascontiguousarray(whole[0].T), whole[1], bad, dead
    (a,), (b,) = reduced(factors.A), reduced(factors.B)
    return a.T, b, bad, dead


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
    by more. The difference is [B′, −B]·[A′; A]: its factors are enough. NaN of a large module: not measured.
    """
    if not module.alone:
        return float("nan")
    found = module.factors(weights)
    if found.large:
        return float("nan")
    rng = np.random.default_rng(seed)
    factors = []
    for m, name in zip(
        (np.ascontiguousarray(found.A.whole().T), found.B.whole()), (module.pair.A, module.pair.B), strict=True
    ):
        unit = _UNIT[weights.entries[name].dtype]
        exact = np.exp2(np.floor(np.log2(np.abs(m), out=np.full(m.shape, -1000.0), where=m != 0)))
        factors.append((m, m + unit * exact * rng.uniform(-1, 1, m.shape)))
    stored, moved = (FactoredMatrix(A, B, module.scale) for A, B in zip(*factors, strict=True))
    return float((moved - stored).singular_values()[0])
