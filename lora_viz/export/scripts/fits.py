"""Scripts that find exact fits again: every rank on noisy samples, one frozen factor, four bits, a spike."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from lora_viz.engine.regression import Samples
from lora_viz.export.scripts.script import Script, filled
from lora_viz.layer.quantise import BLOCK, NF4

__all__ = ["four_bit_script", "frozen_script", "rank_script", "spike_script"]


def rank_script(
    what: str,
    samples: Samples,
    target: Float[np.ndarray, "S d_out d_in"],
    ranks: Int[np.ndarray, "R"],
    unit: float,
    measured: Mapping[str, Float[np.ndarray, "R"]],
) -> Script:
    """The best update of every rank on these samples: medians over the seeds of its error, and of its size if asked.

    Both are divided by ``unit``; ``measured`` has "excess", and maybe "size".
    """
    arrays = {"X": samples.design.inputs, "Y": samples.labels, "M": target, "ranks": ranks, **measured}
    return Script(filled(_RANKS, what=what, unit=repr(float(unit)), names=_quoted(measured)), arrays)


def frozen_script(
    what: str,
    target: Float[np.ndarray, "S d_out d_in"],
    A: Float[np.ndarray, "D k d_in"],
    B: Float[np.ndarray, "D d_out k"],
    root: Float[np.ndarray, "d_in"],
    ranks: Int[np.ndarray, "R"],
    measured: Float[np.ndarray, "3 R"],
) -> Script:
    """What is left when B is trained at a frozen A, A at a frozen B, or both: medians over the draws."""
    arrays = {"M": target, "A": A, "B": B, "root": root, "ranks": ranks, "measured": measured}
    return Script(filled(_FROZEN, what=what), arrays)


def four_bit_script(
    what: str, weights: Float[np.ndarray, "S d d"], rank: int, measured: Float[np.ndarray, "4"]
) -> Script:
    """What NF4 loses of these weights, and what three starts give back: medians."""
    text = filled(_FOUR_BITS, what=what, rank=str(rank), block=str(BLOCK))
    return Script(text, {"W": weights, "levels": NF4, "measured": measured})


def spike_script(
    what: str,
    old: Float[np.ndarray, "S d"],
    spikes: Float[np.ndarray, "S two d"],
    sizes: Float[np.ndarray, "T"],
    top: int,
    epsilon: float,
    measured: Mapping[str, Float[np.ndarray, "T"]],
) -> Script:
    """How like the old directions the new leading ones are, at every size of the spike: medians over the seeds."""
    arrays = {"old": old, "spikes": spikes, "sizes": sizes, **measured}
    return Script(filled(_SPIKE, what=what, top=str(top), epsilon=repr(epsilon)), arrays)


def _quoted(names: Mapping[str, object]) -> str:
    return ", ".join(f'"{name}"' for name in names) + "," * (len(names) == 1)


_RANKS = '''"""The best update of every rank to few noisy samples, fitted exactly. python train.py, beside its data.npz.

«what»
"""

import numpy as np

with np.load("data.npz") as file:
    data = dict(file)
found = {rank: [] for rank in data["ranks"].tolist()}
unit = «unit»  # what no update leaves
for x, y, truth in zip(data["X"], data["Y"], data["M"]):  # seed by seed
    full = np.linalg.lstsq(x, y, rcond=None)[0].T  # full fine-tuning: least squares, the shortest of its answers
    outputs = np.linalg.svd(x @ full.T, full_matrices=False)[2]  # directions of the fitted outputs, strongest first
    for rank, own in found.items():
        update = outputs[:rank].T @ outputs[:rank] @ full  # reduced-rank regression (Izenman 1975)
        own.append({"excess": np.sum((update - truth) ** 2), "size": np.sum(update**2)})  # on inputs from N(0, I)
print("rank   error, then size where it was measured: medians over the seeds, each here and in the playground")
for i, (rank, own) in enumerate(found.items()):
    medians = {name: np.median([seed[name] for seed in own]) for name in («names»)}
    print(f"{rank:<6d}", *(f"{here / unit:<12.8g} {data[name][i]:<14.8g}" for name, here in medians.items()))
'''

_FROZEN = '''"""What is left at best with A frozen, B frozen, neither. python train.py, beside its data.npz.

«what»
"""

import numpy as np

with np.load("data.npz") as file:
    data = dict(file)
root, draws = data["root"], len(data["A"])  # the inputs have covariance diag(root²)
signals = np.repeat(data["M"] * root, draws // len(data["M"]), axis=0)
print("rank   B trained, A trained, both: median share left, each here and in the playground")
for i, rank in enumerate(data["ranks"].tolist()):
    left = []
    for signal, A, B in zip(signals, data["A"], data["B"]):
        seen = np.linalg.qr((A[:rank] * root).T)[0]  # what A passes on
        reached = np.linalg.qr(B[:, :rank])[0]  # where B can write
        sigma = np.linalg.svd(signal, compute_uv=False)
        kept = np.sum((signal @ seen) ** 2), np.sum((reached.T @ signal) ** 2), np.sum(sigma[:rank] ** 2)
        left.append(1 - np.array(kept) / np.sum(signal**2))
    pairs = zip(np.median(left, axis=0), data["measured"][:, i])
    print(f"{rank:<6d}", *(f"{here:<12.8g} {there:<14.8g}" for here, there in pairs))
'''

_FOUR_BITS = '''"""What four bits lose of a weight, and what BA gives back. python train.py, beside its data.npz.

«what»
"""

import numpy as np

with np.load("data.npz") as file:
    data = dict(file)
levels, rank = data["levels"], «rank»


def nf4(W):  # each block of «block» weights over its largest, snapped to the nearest level
    blocks = W.reshape(-1, «block»)
    scale = np.abs(blocks).max(axis=1, keepdims=True)
    nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, blocks / scale)
    return (levels[nearest] * scale).reshape(W.shape)


def best(W):  # the best part of this rank (Eckart–Young)
    U, sigma, Vt = np.linalg.svd(W)
    return (U[:, :rank] * sigma[:rank]) @ Vt[:rank]


def loftq(W, rounds):
    BA = np.zeros_like(W)
    for _ in range(rounds):
        Q = nf4(W - BA)
        BA = best(W - Q)
    return Q + BA


ways = {
    "NF4": nf4,
    "LoftQ-1": lambda W: loftq(W, 1),
    "LoftQ-5": lambda W: loftq(W, 5),
    "PiSSA+NF4": lambda W: best(W) + nf4(W - best(W)),
}
print("way          ‖W − Q − BA‖/‖W‖: median here and in the playground")
for i, (name, way) in enumerate(ways.items()):
    error = [np.linalg.norm(W - way(W)) / np.linalg.norm(W) for W in data["W"]]
    print(f"{name:<12} {np.median(error):<12.8g} {data['measured'][i]:.8g}")
'''

_SPIKE = '''"""A weight with a spike: when is a leading direction a new one? python train.py, beside its data.npz.

«what»
"""

import numpy as np

with np.load("data.npz") as file:
    data = dict(file)
print("size   least |cos| to the nearest old, how many below «epsilon»: medians, each here and in the playground")
for i, size in enumerate(data["sizes"]):
    least, below = [], []
    for old, (u, v) in zip(data["old"], data["spikes"]):  # seed by seed, in W₀'s own singular basis
        W = np.diag(old) + size * old[0] * np.outer(u, v)
        top = np.linalg.svd(W)[0][:, :«top»]  # the leading left singular vectors now; the old ones are the axes
        nearest = np.abs(top).max(axis=0)
        least.append(nearest.min())
        below.append(np.sum(nearest < «epsilon»))
    here = (np.median(seeds) for seeds in (least, below))
    pairs = zip(here, (data["closest"][i], data["intruding"][i]))
    print(f"{size:<6.4g}", *(f"{here:<12.8g} {there:<14.8g}" for here, there in pairs))
'''
