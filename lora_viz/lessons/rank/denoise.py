"""Noise: what a cut has to do with it; the error to what was there before it, against the error to what is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen
from lora_viz.core.experiment import Experiment
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import truncate
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, HeatMap, Lines, Mark, Readout, Row, Series, band
from lora_viz.film.style import number, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.matrices import noisy_low_rank, with_noise
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.digits import digits_matrix

__all__ = ["PART", "Denoise", "denoise"]

D_OUT, D_IN, DRAWS = 31, 23, 9
DIGITS, DRAWN = "digits", "drawn"
ROUNDING = 1e-12


class Denoise(NamedTuple):
    """A matrix of low rank under noise, its SVD cut after k layers, for several draws of both.

    ``to_clean`` = ‖M_k − clean‖/‖clean‖ and ``to_noisy`` = ‖M_k − noisy‖/‖noisy‖ hold (low, median, high) over the
    draws, ``best`` the k with the least error to the clean matrix in each draw (the first, if several reach rounding).
    ``noise_edge`` is ν(√m + √n), about the largest singular value of the noise alone. The matrices are the first
    draw's; ``seen_as`` says what they are of, digits that can be read or drawn numbers.
    """

    rank: Int[np.ndarray, "K"]
    to_clean: Float[np.ndarray, "3 K"]
    to_noisy: Float[np.ndarray, "3 K"]
    best: Int[np.ndarray, "draws"]
    true_rank: int
    noise: float
    noise_edge: float
    clean: Float[np.ndarray, "m n"]
    noisy: Float[np.ndarray, "m n"]
    cut: Float[np.ndarray, "K m n"]
    sigma_clean: Float[np.ndarray, "k"]
    sigma_noisy: Float[np.ndarray, "k"]
    seen_as: str = DRAWN


def denoise(d_out: int, d_in: int, true_rank: int, noise: float, seeds: range) -> Denoise:
    """Cut a noisy matrix at every rank, once for each seed."""
    return denoised([noisy_low_rank(d_out, d_in, true_rank, noise, s) for s in seeds], true_rank, noise)


def denoised_digits(true_rank: int, noise: float, seeds: range) -> Denoise:
    """The same with handwritten digits, themselves cut at ``true_rank`` and brought to entries of mean square 1."""
    pairs = []
    for seed in seeds:
        clean = truncate(digits_matrix(seed), true_rank)
        clean = clean / np.sqrt(np.mean(clean**2))
        pairs.append((clean, with_noise(clean, noise, seed)))
    return denoised(pairs, true_rank, noise)._replace(seen_as=DIGITS)


def denoised(pairs: list[tuple[np.ndarray, np.ndarray]], true_rank: int, noise: float) -> Denoise:
    """Cut each noisy matrix at every rank and compare it with the clean one beside it."""
    clean, noisy = (np.stack(x) for x in zip(*pairs, strict=True))
    d_out, d_in = clean.shape[1:]
    u, sigma, vt = np.linalg.svd(noisy, full_matrices=False)
    k = sigma.shape[1]
    ranks = np.arange(k + 1)
    errors = np.empty((2, len(clean), k + 1))
    cut = np.zeros((k + 1, d_out, d_in))
    so_far = np.zeros_like(clean)
    for r in ranks:
        if r:
            so_far = so_far + (u[:, :, r - 1] * sigma[:, r - 1, None])[:, :, None] * vt[:, r - 1, None, :]
        cut[r] = so_far[0]
        for row, goal in enumerate((clean, noisy)):
            errors[row, :, r] = np.linalg.norm(so_far - goal, axis=(1, 2)) / np.linalg.norm(goal, axis=(1, 2))
    reached = errors[0] <= errors[0].min(axis=1, keepdims=True) + ROUNDING
    return Denoise(
        rank=ranks, to_clean=spread(errors[0], axis=0), to_noisy=spread(errors[1], axis=0),
        best=np.argmax(reached, axis=1), true_rank=true_rank, noise=noise,
        noise_edge=float(noise * (np.sqrt(d_out) + np.sqrt(d_in))), clean=clean[0], noisy=noisy[0], cut=cut,
        sigma_clean=np.linalg.svd(clean[0], compute_uv=False), sigma_noisy=sigma[0],
    )  # fmt: skip


def film(record: Denoise) -> Film:
    """The playhead is the rank that is kept: both errors, the spectra, and the matrices."""
    limit = float(np.abs(record.noisy).max())
    k, draws = len(record.sigma_noisy), len(record.best)
    left = np.linalg.norm(record.cut - record.clean, axis=(1, 2)) / np.linalg.norm(record.clean)
    errors = tuple(say("this draw: {error}", error=percent(float(e))) for e in left)
    ranks = tuple(say("rank {rank}", rank=r) for r in record.rank)
    noisy = say("noisy: + {noise}·noise", noise=number(record.noise))
    matrix = partial(HeatMap, limit=limit, row=1)
    kept = np.where(np.arange(k) < record.rank[:, None], record.sigma_noisy, 0.0)
    best = tuple(
        Row(f"rank_{k}", say("best k = {k}", k=k), (say("{hits} of {draws}", hits=hits, draws=draws),))
        for k, hits in sorted(Counter(record.best.tolist()).items())[:4]
    )
    return Film(
        axis=to_say("rank k kept"), values=record.rank.astype(float), start=record.true_rank, seconds_per_frame=0.4,
        narration=tuple(_narrate(record, t) for t in range(k + 1)), beside=("cut", "noisy", "clean"),
        panels=(
            Lines(
                "error", say("Error after truncation at rank k, {draws} draws (drag here)", draws=draws),
                y_label=say("relative error"), span=7,
                series=(
                    Series("to_clean", say("against the clean matrix"), "clean", **band(record.to_clean), dots=True),
                    Series("to_noisy", say("against the noisy one"), "W", **band(record.to_noisy), dash="dash"),
                ),
                marks=(Mark("true_rank", float(record.true_rank), say("true rank {rank}", rank=record.true_rank)),),
            ),
            Bars(
                "singular_values", say("Singular values"), y_label="σ", span=5,
                labels=tuple(str(i + 1) for i in range(k)), bar_ids=tuple(f"sigma_{i + 1}" for i in range(k)),
                groups=(
                    Group("kept", say("noisy, kept"), "delta", kept),
                    Group("clean", say("clean"), "clean", record.sigma_clean, outline=True),
                ),
                caption=(say("noise alone reaches σ ≈ {noise_edge}", noise_edge=number(record.noise_edge)),),
            ),
            matrix("clean", say("clean"), "clean", record.clean, span=3, caption=(ranks[record.true_rank],)),
            matrix("noisy", noisy, "W", record.noisy, span=3, caption=(say("what is seen"),)),
            matrix("cut", say("truncated at rank k"), "delta", record.cut, span=2, caption=ranks),
            matrix("cut_minus_clean", say("truncated − clean"), "ink", record.cut - record.clean, span=2,
            caption=errors),
            Readout(
                "best_rank", say("Best k"),
                (Row("true_rank", say("true rank"), (str(record.true_rank),), colour="clean"), *best), span=2, row=1,
            ),
        ),
    )  # fmt: skip


def _narrate(record: Denoise, t: int) -> str:
    k = int(record.rank[t])
    clean, noisy = percent(float(record.to_clean[1, t])), percent(float(record.to_noisy[1, t]))
    if not record.noise:
        if k >= record.true_rank:
            return say("Rank {k}, without noise: the error is {clean}, exact up to rounding.", k=k, clean=clean)
        return say("Rank {k}, without noise: the error is {clean}, part of the matrix is missing.", k=k, clean=clean)
    told = say(
        "Rank {k}: the error is {noisy} against the noisy matrix, {clean} against the clean one.",
        k=k, noisy=noisy, clean=clean,
    )  # fmt: skip
    if k < record.true_rank:
        return told + " " + say("Signal is missing.")
    return told + (" " + say("This adds noise.") if k and record.to_clean[1, t] > record.to_clean[1, t - 1] else "")


@sentences
def takeaway(record: Denoise) -> Iterator[str]:
    """What was seen, over all draws."""
    draws, r = len(record.best), record.true_rank
    whole, least = float(record.to_clean[1, -1]), float(record.to_clean[1].min())
    if not record.noise:
        worst = float(record.to_clean[2, r:].max())
        yield say(
            "There is no noise to remove: from rank {r} on, the truncated matrix is the matrix itself, to within "
            "{worst} in all {draws} draws.",
            r=r, worst=number(worst), draws=draws,
        )  # fmt: skip
        return
    hits = int((record.best == r).sum())
    yield say(
        "The error against the noisy matrix falls at every rank. Against the clean one it is lowest at the true rank "
        "{r} in {hits} of {draws} draws.",
        r=r, hits=hits, draws=draws,
    )  # fmt: skip
    if least < whole:
        yield say(
            "At rank {k} the median error is {least}, without truncation {whole}.",
            k=int(record.to_clean[1].argmin()), least=percent(least), whole=percent(whole),
        )  # fmt: skip


@sentences
def detail(record: Denoise) -> Iterator[str]:
    """Which ranks were best, and why a smaller one where noise hides directions."""
    if not record.noise:
        return
    found = ", ".join(
        say("rank {k}: {count}", k=k, count=count) for k, count in sorted(Counter(record.best.tolist()).items())
    )
    yield say("Draws by their best rank: {found}.", found=found)
    if (record.best < record.true_rank).any():
        yield say(
            "The noise alone reaches σ ≈ {noise_edge}. Directions weaker than that are hidden, and keeping them does "
            "more harm than good.",
            noise_edge=number(record.noise_edge),
        )  # fmt: skip


def verdict(record: Denoise) -> Verdict:
    """Under noise, the error against the clean matrix is least at the true rank, in most of the draws."""
    draws, r = len(record.best), record.true_rank
    hits = int((record.best == r).sum())
    evidence = {"hits": hits, "draws": draws, "noise": record.noise, "noise_edge": record.noise_edge}
    if not record.noise:
        return false_here(say("there is no noise, and every rank from the true one on has no error"), **evidence)
    told = {"hits": hits, "draws": draws, "r": r, "edge": number(record.noise_edge)}
    if hits > draws / 2:
        return true_here(say("the error was lowest at rank {r} in {hits} of {draws} draws", **told), **evidence)
    return false_here(
        say("the noise reaches σ ≈ {edge}, and the error was lowest at rank {r} in {hits} of {draws} draws", **told),
        **evidence,
    )


def maths(record: Denoise) -> str:
    """What a cut keeps of signal and of noise, with these draws' numbers."""
    r, (m, n) = record.true_rank, record.clean.shape
    return say(
        r"""
$$
\underbrace{{Y}}_{{\text{{seen}}}} = \underbrace{{M}}_{{\text{{rank }} {r}}} + \nu N, \qquad
\|Y_k - Y\|_F^2 = \sum_{{i>k}} \sigma_i(Y)^2 \ \text{{falls in }} k, \qquad
\|\nu N\|_2 \approx \nu\,(\sqrt m + \sqrt n) = {noise_edge}
$$

At $k = {r}$ the error is {to_clean} against the clean $M$ and {to_noisy} against $Y$ (medians of {draws} draws of $M$
and $N$, {m}×{n}); without truncation it is {uncut} against $M$. The smallest true $\sigma$ is {weakest}. A direction
well above the {noise_edge} of the noise is worth keeping, one below it is not. *Small* $\sigma$ are not noise as such:
without noise they are signal.""",
        r=r, noise_edge=number(record.noise_edge), to_clean=percent(float(record.to_clean[1, r])),
        to_noisy=percent(float(record.to_noisy[1, r])), draws=len(record.best), m=m, n=n,
        uncut=percent(float(record.to_clean[1, -1])), weakest=number(float(record.sigma_clean[r - 1])),
    )  # fmt: skip


def draws(e: Experiment, what: str) -> Denoise:
    """Nine draws of a matrix and its noise, cut at every rank."""
    seeds = range(100 * e.seed, 100 * e.seed + DRAWS)
    if what == DIGITS:
        return denoised_digits(e.target_rank, e.noise, seeds)
    return denoise(D_OUT, D_IN, e.target_rank, e.noise, seeds)


def _much_noise(e: Experiment, settings: tuple[tuple[str, str], ...]) -> tuple[float, int, int]:
    """Another noise, and the best cut for it and for the noise shown, in the median of the draws."""
    other, what = replace(e, noise=0.3 if e.noise >= 2 else 2.0), dict(settings).get("matrix_of", DIGITS)
    then, now = (int(np.median(draws(x, what).best)) for x in (other, e))
    return other.noise, then, now


def _ask(seen: Seen, found: Any) -> Measured:
    noise, best, now = found
    told = say(
        "With noise {noise:g}, truncation at rank {best} was closest, median of 9 draws.", noise=noise, best=best
    )
    return Measured(best, (now, seen.experiment.target_rank, D_IN, 2 * now), told, {"noise": noise})


PART = Lesson(
    hero="error",
    id="denoise", menu=to_say("Denoising by truncation"),
    title=to_say("Denoising by truncation: does truncation remove noise?"),
    claim=to_say(
        "If the clean matrix has low rank and its singular values exceed the noise, the error against it is lowest at "
        "the true rank."
    ),
    place=40, default=Experiment(target_rank=4, noise=0.3),
    controls=(
        Choice(
            id="matrix_of", label=to_say("Clean matrix"), options=(DIGITS, DRAWN), default=DIGITS,
            names={DIGITS: to_say("handwritten digits"), DRAWN: to_say("drawn numbers")},
        ),
        Choice(
            id="noise", label=to_say("Noise on every entry"), options=(0.0, 0.1, 0.3, 1.0, 2.0),
            help=to_say("Standard deviation; the clean entries have variance about 1."),
        ),
        Choice(
            id="target_rank", label=to_say("Rank of the clean matrix"), options=(1, 2, 3, 4, 6, 8),
            help=to_say("How many rank-1 terms are signal."),
        ),
    ),
    measure=lambda settings, lab: draws(settings.experiment, settings["matrix_of"]), film=film, takeaway=takeaway,
    verdict=verdict, detail=detail, maths=maths, on_paper="error", trains=False,
    question=Question(
        to_say("Set the noise to {noise:g}. At what rank k is the truncated matrix closest to the clean one?"),
        to_say("A rank-1 term is worth keeping only if its signal is stronger than the noise it brings along."), _ask,
        _much_noise,
    ),
)  # fmt: skip
