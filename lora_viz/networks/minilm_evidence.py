"""What fine-tuning did to a real transformer: accuracies and spectra of MiniLM, measured by docs/make_minilm.py.

No weight and no word lies here: accuracies and singular values. They derive from all-MiniLM-L6-v2 (Apache-2.0) and from
the VADER lexicon (Hutto & Gilbert 2014, MIT).
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.i18n.language import decimal, to_say

__all__ = ["KINDS", "MinilmEvidence", "median_error", "minilm_evidence"]

_DATA = Path(__file__).parent / "data"
KINDS = (
    "query",
    "key",
    "value",
    to_say("attention out"),
    to_say("ffn in"),
    to_say("ffn out"),
)  # the six matrices of a layer, in file order


class MinilmEvidence(NamedTuple):
    """S seeds (split, heads, factors and batches), L layers of six matrices with 384 singular values each.

    ``delta`` are those of ΔW after full fine-tuning, ``base`` of W itself. ``probe`` is a logistic regression on the
    frozen features, ``head`` the linear head alone. ``kept`` is the test accuracy with every ΔW cut to its top
    ``kept_k``, ``removed`` with its top ``removed_k`` taken away; their first row is read by the head as it was
    trained, their second by a logistic regression fitted anew. Biases and layer norms stay as trained in both.
    """

    shapes: Int[np.ndarray, "L 6 2"]
    delta: Float[np.ndarray, "S L 6 k"]
    base: Float[np.ndarray, "L 6 k"]
    relative_change: Float[np.ndarray, "S L 6"]
    majority: Float[np.ndarray, "S"]
    probe: Float[np.ndarray, "S"]
    head: Float[np.ndarray, "S"]
    full: Float[np.ndarray, "S"]
    ranks: Int[np.ndarray, "R"]
    lora: Float[np.ndarray, "R S"]
    lora_sigma: tuple[Float[np.ndarray, "S n _"], ...]
    kept_k: Int[np.ndarray, "K"]
    kept: Float[np.ndarray, "2 K S"]
    removed_k: Int[np.ndarray, "J"]
    removed: Float[np.ndarray, "2 J S"]
    train: int
    test: int
    trainable_full: int
    weights_sha256: str


@lru_cache(maxsize=1)
def minilm_evidence() -> MinilmEvidence:
    """The measured numbers, as they were written."""
    told = json.loads((_DATA / "minilm.json").read_text(encoding="utf-8"))
    with np.load(_DATA / "minilm.npz", allow_pickle=False) as file:
        spectra = {name: file[name].astype(float) * file[f"{name}_top"] for name in file.files if "_top" not in name}
    seeds = told["seeds"]
    readings = ("trained_head", "refitted_probe")

    def column(*names: str) -> np.ndarray:
        found = [seed[names[0]] for seed in seeds]
        return np.array([x if isinstance(x, float) else x[-1] for x in found])

    def cut(mode: str) -> tuple[np.ndarray, np.ndarray]:
        rows = [[entry for entry in seed["truncation"] if entry["mode"] == mode] for seed in seeds]
        ks = np.array([entry["k"] for entry in rows[0]])
        return ks, np.array([[[entry[name] for entry in row] for row in rows] for name in readings]).transpose(0, 2, 1)

    ranks = np.array(sorted(int(r) for r in seeds[0]["lora"]))
    kept_k, kept = cut("keep")
    removed_k, removed = cut("drop")
    delta = spectra["delta"]
    return MinilmEvidence(
        shapes=np.array(told["shapes"]).reshape(-1, 6, 2),
        delta=delta.reshape(len(delta), -1, 6, delta.shape[-1]),
        base=spectra["base"].reshape(-1, 6, delta.shape[-1]),
        relative_change=np.array([seed["relative_change"] for seed in seeds]).reshape(len(seeds), -1, 6),
        majority=column("majority"),
        probe=column("probe"),
        head=column("head"),
        full=column("full"),
        ranks=ranks,
        lora=np.array([[seed["lora"][str(r)][-1] for seed in seeds] for r in ranks]),
        lora_sigma=tuple(spectra[f"lora_{r}"] for r in ranks),
        kept_k=kept_k,
        kept=kept,
        removed_k=removed_k,
        removed=removed,
        train=told["train"],
        test=told["test"],
        trainable_full=told["trainable"]["full"],
        weights_sha256=told["weights_sha256"],
    )


def median_error(accuracy: Float[np.ndarray, "S"]) -> str:
    """How often it is wrong, in the median of the seeds, in percent."""
    return decimal(f"{100 * (1 - np.median(accuracy)):.1f} %")
