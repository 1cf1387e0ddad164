"""Truncation: the layers of an SVD one by one, and searches that try to beat it at a given rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.random_streams import stream
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.style import number, numbers, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.matrices import SPECTRA, drawn_matrix
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.digits import digits_matrix

__all__ = ["DIGITS", "PART", "Truncation", "truncation"]

D_OUT, D_IN = 29, 23
SPACES = 200  # random column spaces tried at every rank
SKETCHES = 20
ROUNDING = 1e-12
GAUSSIAN = 64
DIGITS = "digits"  # in place of a drawn matrix


class Truncation(NamedTuple):
    """A matrix cut after k = 0, 1, … layers σ_i u_i v_iᵀ of its SVD, and what other column spaces reach at rank k.

    Errors are ‖M − X‖_F/‖M‖_F. ``svd`` is measured on the cut matrix, ``tail`` is √Σ_{i>k}σ_i²/‖M‖ and ``spectral`` is
    ‖M − M_k‖₂ (Eckart & Young 1936, Mirsky 1960). ``own`` is one random column space with the best X in it,
    ``searched`` the best of 200 such, ``sketched`` the best of 20 spaces M·G (Halko et al. 2011). ``gaussian`` is the
    best rank-8 error of a 64×64 matrix of independent normal entries.
    """

    name: str
    matrix: Float[np.ndarray, "m n"]
    sigma: Float[np.ndarray, "k"]
    kept: Float[np.ndarray, "K m n"]
    layer: Float[np.ndarray, "K m n"]
    rank: Int[np.ndarray, "K"]
    svd: Float[np.ndarray, "K"]
    tail: Float[np.ndarray, "K"]
    spectral: Float[np.ndarray, "K"]
    own: Float[np.ndarray, "K"]
    searched: Float[np.ndarray, "K"]
    sketched: Float[np.ndarray, "K"]
    gaussian: float


def truncation(name: str, d_out: int, d_in: int, seed: int, rivals: int = 0) -> Truncation:
    """Draw a matrix with this spectrum, peel it layer by layer, and let this draw of column spaces compete."""
    matrix = digits_matrix(seed) if name == DIGITS else drawn_matrix(name, d_out, d_in, seed)
    d_out, d_in = matrix.shape
    size = np.linalg.norm(matrix)
    u, sigma, vt = np.linalg.svd(matrix, full_matrices=False)
    layers = np.einsum("mk,k,kn->kmn", u, sigma, vt)
    layer = np.concatenate([np.zeros((1, d_out, d_in)), layers])
    kept = np.cumsum(layer, axis=0)
    k = len(sigma)
    rng = stream("column spaces", seed, rivals)
    spaces = np.linalg.qr(rng.standard_normal((SPACES, d_out, k)))[0]
    sketches = np.linalg.qr(matrix @ rng.standard_normal((SKETCHES, d_in, k)))[0]
    random = _errors(matrix, spaces)
    big = np.linalg.svd(drawn_matrix("random", GAUSSIAN, GAUSSIAN, seed), compute_uv=False) ** 2
    return Truncation(
        name=name, matrix=matrix, sigma=sigma, kept=kept, layer=layer, rank=np.arange(k + 1),
        svd=np.linalg.norm(matrix - kept, axis=(1, 2)) / size,
        tail=np.sqrt(np.append(np.cumsum(sigma[::-1] ** 2)[::-1], 0.0)) / size,
        spectral=np.linalg.norm(matrix - kept, ord=2, axis=(1, 2)), own=random[0], searched=random.min(axis=0),
        sketched=_errors(matrix, sketches).min(axis=0), gaussian=float(np.sqrt(big[8:].sum() / big.sum())),
    )  # fmt: skip


def _rank(record: Truncation) -> int:
    """How many σ are more than rounding."""
    return int((record.sigma > ROUNDING * record.sigma[0]).sum())


def _errors(matrix: Float[np.ndarray, "m n"], spaces: Float[np.ndarray, "s m k"]) -> Float[np.ndarray, "s k_and_0"]:
    """‖M − QQᵀM‖/‖M‖ for the first 0, 1, … columns of each Q: the least error in each of these column spaces.

    The remainder is formed, column by column: as ‖M‖² − ‖QᵀM‖² it would drown in rounding near 0.
    """
    rest = np.broadcast_to(matrix, (len(spaces), *matrix.shape)).copy()
    errors = [np.linalg.norm(rest, axis=(1, 2))]
    for j in range(spaces.shape[2]):
        q = spaces[:, :, j]
        rest -= q[:, :, None] * np.einsum("sm,smn->sn", q, rest)[:, None]
        errors.append(np.linalg.norm(rest, axis=(1, 2)))
    return np.stack(errors, axis=1) / np.linalg.norm(matrix)


def _margin(record: Truncation) -> float:
    """By how much did the best rival come nearest to beating the SVD? Ranks below M's own; negative: beaten."""
    rivals = np.minimum(record.searched, record.sketched) - record.svd
    return float(rivals[1 : _rank(record)].min())


def film(record: Truncation) -> Film:
    """The playhead is the rank that is kept: the errors, the bars that are kept, the layers and the rest."""
    k = len(record.sigma)
    limit = float(np.abs(record.matrix).max())
    kept = np.where(np.arange(k) < record.rank[:, None], record.sigma, 0.0)
    share = 1 - record.svd**2
    layers = (say("rank 1, norm σ = {sigma}", sigma=sigma) for sigma in numbers(record.sigma))
    matrix = partial(HeatMap, limit=limit, span=3, row=1)
    return Film(
        axis=to_say("rank k kept"), values=record.rank.astype(float), start=min(4, k), seconds_per_frame=0.45,
        hero="kept" if record.name == DIGITS else "error",  # what can be looked at is looked at
        beside=("matrix", "error") if record.name == DIGITS else (),
        narration=tuple(_narrate(record, t) for t in range(k + 1)),
        panels=(
            Lines(
                "error", say("Remaining error at rank k (drag here)"), y_label="‖M − X‖/‖M‖", span=5,
                series=(
                    Series("svd", say("truncated SVD"), "delta", record.svd, dots=True),
                    Series("one_space", say("one random space"), "faint", record.own, dash="dot"),
                    Series("best_space", say("best of {spaces}", spaces=SPACES), "ink", record.searched, dash="dash"),
                    Series("best_sketch", say("best sketch"), "clean", record.sketched, dash="dashdot"),
                ),
            ),
            Bars(
                "singular_values", say("Singular values: kept, and all"), y_label="σ", span=4,
                labels=tuple(str(i + 1) for i in range(k)), bar_ids=tuple(f"sigma_{i + 1}" for i in range(k)),
                groups=(
                    Group("kept", say("kept"), "delta", kept),
                    Group("all", say("all"), "ink", record.sigma, outline=True),
                ),
            ),
            Readout(
                "tail", say("The error is the tail of the σ"),
                (
                    Row("error", "‖M − Mₖ‖²/‖M‖²", _told(record.svd**2), colour="delta"),
                    Row("share", say("fraction of Σσᵢ² with i > k"), _told(record.tail**2)),
                    Row("spectral_error", say("‖M − Mₖ‖₂, its largest σ"), _told(record.spectral), colour="delta"),
                    Row("next_sigma", say("σ at place k + 1"), _told(np.append(record.sigma, 0.0))),
                ),
                span=3,
            ),
            matrix("matrix", "M", "ink", record.matrix, caption=(say("all terms"),)),
            matrix("kept", say("kept: Mₖ"), "delta", record.kept, caption=_shares(share)),
            matrix("layer", say("term k: σₖ uₖ vₖᵀ"), "delta", record.layer, caption=(say("no term"), *layers)),
            matrix("left_out", say("missing: M − Mₖ"), "ink", record.matrix - record.kept, caption=_shares(1 - share)),
        ),
    )  # fmt: skip


def _shares(values: Float[np.ndarray, "K"]) -> tuple[str, ...]:
    return tuple(say("{share} of ‖M‖²", share=percent(float(value), rounding=ROUNDING)) for value in values)


def _told(values: Float[np.ndarray, "K"]) -> tuple[str, ...]:
    return tuple("≈ 0" if 0 < v < ROUNDING else number(float(v)) for v in values)


def _narrate(record: Truncation, t: int) -> str:
    k = int(record.rank[t])
    if k == 0:
        return say("Rank 0: nothing is kept, all of M is missing.")
    if k >= _rank(record):
        return say("Rank {k}: the terms add up to M, up to rounding, like any full column space.", k=k)
    return say(
        "Rank {k}: the SVD leaves {svd}; the best of {spaces} random column spaces {searched}, the best sketch "
        "{sketched}.",
        k=k, svd=percent(float(record.svd[t])), spaces=SPACES, searched=percent(float(record.searched[t])),
        sketched=percent(float(record.sketched[t])),
    )  # fmt: skip


@sentences
def takeaway(record: Truncation) -> Iterator[str]:
    """What was seen, in the matrix's own numbers."""
    k = len(record.sigma)
    tried = (SPACES + SKETCHES) * (k - 1)
    margin = _margin(record)
    if abs(margin) < ROUNDING:
        yield say(
            "Not one of {tried} random column spaces beat the SVD; the closest is as good, up to {margin}.",
            tried=tried, margin=number(ROUNDING),
        )  # fmt: skip
    elif margin < 0:
        yield say("A random column space beat the SVD by {margin}.", margin=number(-margin))
    else:
        yield say(
            "Not one of {tried} random column spaces beat the SVD; the closest stayed {margin} above it.",
            tried=tried,
            margin=number(margin),
        )
    half = next(i for i in range(k + 1) if record.svd[i] <= 0.1 + ROUNDING)
    yield say("Rank {half} of {k} is the first whose error is at most 10 %.", half=half, k=k)


@sentences
def detail(record: Truncation) -> Iterator[str]:
    """Equal singular values, and noise, have no short summary."""
    if record.sigma[0] - record.sigma[-1] < ROUNDING * record.sigma[0]:
        yield say("All σ are equal here, so no direction is better than another.")
    if record.name == "random":
        yield say(
            "A matrix of pure noise has no short summary: the best rank-8 matrix misses {gaussian} of a 64×64 one.",
            gaussian=percent(record.gaussian),
        )


def verdict(record: Truncation) -> Verdict:
    """No rival is closer than the truncated SVD, and its error is the tail of the singular values."""
    margin, gap = _margin(record), float(np.abs(record.svd - record.tail).max())
    evidence = {"margin": margin, "gap": gap}
    tried = (SPACES + SKETCHES) * (len(record.sigma) - 1)
    if margin < -ROUNDING:
        return false_here(say("a column space is closer by {margin}", margin=number(-margin)), **evidence)
    if gap > ROUNDING:
        return false_here(say("error and tail differ by {gap}", gap=number(gap)), **evidence)
    return true_here(
        say("none of {tried} random column spaces came closer, and error and tail differ by at most {gap}",
            tried=tried, gap=number(gap)),
        **evidence,
    )  # fmt: skip


def maths(record: Truncation) -> str:
    """Eckart–Young–Mirsky, with this matrix's numbers."""
    return say(
        r"""
$$
\min_{{\mathrm{{rank}}\,X \le k}} \|M - X\|_F^2 = \|M - M_k\|_F^2 = \sum_{{i>k}} \sigma_i^2, \qquad
\|M - M_k\|_2 = \sigma_{{k+1}}, \qquad M_k = \sum_{{i \le k}} \sigma_i\,u_i v_i^\top
$$

Eckart & Young 1936; Mirsky 1960 for every norm that depends on the $\sigma$ alone. Measured and computed error differ
by at most {gap} here. A competitor is a column space $Q$ of dimension $k$ with the best $X$ in it, $Q Q^\top M$; a
sketch takes $Q$ from $M G$ with a random $G$ (Halko, Martinsson & Tropp 2011) and comes close if the $\sigma$ fall
fast. At $k = 8$ the error of this matrix is {error}, that of a 64×64 matrix of independent normal entries {gaussian}.
At $k = {whole}$ the truncated SVD is exact.""",
        gap=number(float(abs(record.svd - record.tail).max())), error=percent(float(record.svd[8])),
        gaussian=percent(record.gaussian), whole=_rank(record),
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> Truncation:
    """Peel the matrix that is chosen, and let this draw of rivals compete."""
    return truncation(settings["shape_of_spectrum"], D_OUT, D_IN, settings["seed"], settings["rivals"])


def _ask(seen: Seen, _: Any) -> Measured:
    sigma = shown(seen.film, "singular_values", "all")
    share = sigma[0] / sigma.sum()
    left = float(sigma[0] / np.linalg.norm(sigma))
    told = say(
        "σ₁/√(σ₁² + σ₂² + …) = {left}; the first is {share} of the sum of all σ.", left=word(left), share=word(share)
    )
    return Measured(left, (float(share), left**2, 1 / len(sigma)), told)


PART = Lesson(
    hero="error",
    id="truncation", menu=to_say("Truncated SVD"), title=to_say("Truncated SVD: can you beat it?"),
    claim=to_say(
        "No matrix of rank k is closer to M than its first k terms σᵢ uᵢ vᵢᵀ. The error is the tail of σ."
    ),
    place=20,
    controls=(
        replace(CONTROLS["shape_of_spectrum"], options=(*SPECTRA, DIGITS), default=DIGITS),
        Choice(
            id="rivals", label=to_say("Random competitors (seed)"), options=tuple(range(10)),
            help=to_say("Other random column spaces against the same matrix."), default=0,
        ),
    ),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="error",
    trains=False,
    question=Question(
        to_say("Leave out term 1 only and keep all others. How far is the result from M, in units of ‖M‖?"),
        to_say("Errors add up in squares, so leaving out one term costs more than its fraction of the sum of σ."),
        _ask,
    ),
)  # fmt: skip
