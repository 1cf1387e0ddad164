"""How much of a fine-tuning fits into a LoRA? The spectrum of W′ − W for every matrix, and its best factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.places import Place, places
from lora_viz.adapters.report import LEVELS, enough_in_each, needs
from lora_viz.adapters.stored import FLOATS, SIZES, AdapterError, Weights, short
from lora_viz.adapters.writing import PREFIX, Packed, pack, peft_config, peft_folder
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.spectra import Ranks, ranks
from lora_viz.i18n.language import say

__all__ = ["EXACT_MOST", "Change", "Changes", "changes", "extract"]

EXACT_MOST = 1024  # up to this smaller side the whole SVD is taken, above it the largest SKETCH values
SKETCH = 64
ENTRIES_MOST = 70_000_000


class Change(NamedTuple):
    """One matrix's ΔW = W′ − W. ``sigma`` are all its singular values, or the largest where ``exact`` is false; the
    ``energy`` Σσ² = ‖ΔW‖_F² is exact in any case. ``kinds`` and ``needs`` are NaN and 0 where σ does not reach.
    """

    name: str
    place: Place
    d_out: int
    d_in: int
    sigma: Float[np.ndarray, "k"]
    energy: float
    relative: float
    exact: bool
    kinds: Ranks
    needs: tuple[int, int, int]


class Changes(NamedTuple):
    """Two weight files: the matrices that changed, and how many tensors of which kind besides."""

    names: tuple[str, str]
    modules: tuple[Change, ...]
    unchanged: int
    not_matrices: int
    unmatched: int
    too_large: int


def changes(
    names: tuple[str, str], base: Weights, tuned: Weights, progress: Callable[[float], None] = lambda share: None
) -> Changes:
    """Every matrix that both files have in the same shape, one at a time. Raises AdapterError if there is none."""
    both = [n for n, e in base.entries.items() if n in tuned.entries and tuned.entries[n].shape == e.shape]
    both = [n for n in both if base.entries[n].dtype in FLOATS and tuned.entries[n].dtype in FLOATS]
    if not both:
        raise AdapterError(say("{base} and {tuned} have no tensor of one name and shape: they are two models.",
                               base=short(names[0]), tuned=short(names[1])))  # fmt: skip
    enough_in_each(base, len(both))
    found, unchanged, not_matrices, too_large = [], 0, 0, 0
    stand = dict(zip(both, places(n.removesuffix(".weight") for n in both), strict=True))
    for i, name in enumerate(both):
        entry = base.entries[name]
        if base.raw_bytes(name) == tuned.raw_bytes(name) and entry.dtype == tuned.entries[name].dtype:
            unchanged += 1
        elif len(entry.shape) < 2 or min(entry.shape) < 2:
            not_matrices += 1
        elif entry.numel > ENTRIES_MOST:
            too_large += 1
        else:
            found.append(_change(name, stand[name], *_difference(base, tuned, name)))
        progress((i + 1) / len(both))
    if not found:
        raise AdapterError(say("{base} and {tuned} differ in no matrix: there is nothing for a LoRA to hold.",
                               base=short(names[0]), tuned=short(names[1])))  # fmt: skip
    unmatched = len(base.entries) + len(tuned.entries) - 2 * len(both)
    return Changes(names, tuple(found), unchanged, not_matrices, unmatched, too_large)


def _difference(base: Weights, tuned: Weights, name: str) -> tuple[np.ndarray, np.ndarray]:
    W, W2 = base.read(name), tuned.read(name)
    kind = np.float64 if W.size <= 4_000_000 else np.float32
    delta = (W2.astype(kind) - W.astype(kind)).reshape(len(W), -1)
    if not np.isfinite(delta).all():
        raise AdapterError(
            say("{name} holds numbers that are not finite: there is no difference to take.", name=short(name))
        )
    return W.reshape(len(W), -1), delta


def _change(name: str, place: Place, W: np.ndarray, delta: np.ndarray) -> Change:
    energy = float(np.sum(np.square(delta, dtype=np.float64)))
    exact = min(delta.shape) <= EXACT_MOST
    sigma = np.linalg.svd(delta, compute_uv=False) if exact else _sketch(delta, SKETCH)[1]
    sigma = sigma.astype(np.float64)
    bound = min(delta.shape)
    known = ranks(sigma, bound=bound) if exact else Ranks(bound, 0, float("nan"), energy / float(sigma[0]) ** 2)
    reached = np.cumsum(sigma**2) / energy if energy else np.zeros(len(sigma))
    short_needs = tuple(int(np.argmax(reached >= level)) + 1 if (reached >= level).any() else 0 for level in LEVELS)
    size = float(np.sqrt(np.sum(np.square(W, dtype=np.float64))))
    return Change(name=name, place=place, d_out=delta.shape[0], d_in=delta.shape[1], sigma=sigma, energy=energy,
                  relative=float(np.sqrt(energy)) / size if size else float("nan"), exact=exact, kinds=known,
                  needs=needs(sigma) if exact else (short_needs[0], short_needs[1], short_needs[2]))  # fmt: skip


def _sketch(delta: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The largest singular triplets by a random range finder with three power steps (Halko et al. 2011, alg. 4.4)."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(delta @ rng.standard_normal((delta.shape[1], rank + 16)).astype(delta.dtype))[0]
    for _ in range(3):
        basis = np.linalg.qr(delta @ np.linalg.qr(delta.T @ basis)[0])[0]
    u, sigma, vt = np.linalg.svd(basis.T @ delta, full_matrices=False)
    return (basis @ u)[:, :rank], sigma[:rank], vt[:rank]


def extract(
    base: Weights, tuned: Weights, found: Changes, rank: int, progress: Callable[[float], None] = lambda share: None
) -> tuple[bytes, float]:
    """A PEFT folder of this rank that stands for the fine-tuning, and the share of Σ‖ΔW‖² that it leaves out.

    Best in each matrix (Eckart & Young 1936): B = U√Σ, A = √Σ Vᵀ, α = r. What is not a matrix cannot be in it.
    """
    tensors: dict[str, Packed] = {}
    by_path: dict[str, int] = {}
    lost = 0.0
    for i, change in enumerate(found.modules):
        _, delta = _difference(base, tuned, change.name)
        r = min(rank, len(change.sigma))
        u, sigma, vt = np.linalg.svd(delta, full_matrices=False) if change.exact else _sketch(delta, SKETCH)
        cut = FactoredMatrix.from_svd(u[:, :r], sigma[:r], vt[:r])
        path = change.name.removesuffix(".weight")
        shape = base.entries[change.name].shape
        right = cut.A.reshape(r, *shape[1:])
        left = cut.B.reshape(-1, r, *(1 for _ in shape[2:]))
        dtype = "F32" if SIZES[tuned.entries[change.name].dtype] >= 4 else tuned.entries[change.name].dtype
        tensors |= {
            f"{PREFIX}{path}.lora_A.weight": pack(right, dtype),
            f"{PREFIX}{path}.lora_B.weight": pack(left, dtype),
        }
        by_path[path] = r
        lost += max(0.0, change.energy - float(np.sum(sigma[:r].astype(np.float64) ** 2)))
        progress((i + 1) / len(found.modules))
    total = sum(change.energy for change in found.modules)
    return peft_folder(peft_config(by_path), tensors, {}), lost / total
