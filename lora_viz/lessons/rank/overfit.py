"""Overfitting: clean test error over sample count and rank, for truths of every rank, in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable, first_place, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.seeds import spread
from lora_viz.engine.regression import draw_samples, fit_all_ranks, teacher
from lora_viz.export.scripts.fits import rank_script
from lora_viz.export.scripts.script import Script, Scripts, stated
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Field, Readout, Row, band
from lora_viz.film.still import DASHES
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.tasks import target_spectrum
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON", "Overfit", "overfit", "scripts"]

SIZES = (8, 16, 24, 40, 64, 128, 400)
RANKS = (1, 2, 4, 8, 16, 32)
SHOWN = (24, 64, 400)
FEW = 64  # samples, twice the inputs: up to there they are few


class Overfit(NamedTuple):
    """Clean test error ‖ΔW_r − ΔW*‖²/‖ΔW*‖² of the best fit of each rank, for truths of several ranks.

    ``error`` is (low, median, high; truth, rank, samples) over the seeds; ``best`` the rank of least error, (low,
    median, high; truth, samples); ``wins`` counts the seeds in which the truth's own rank beat full rank. No update
    has error 1.
    """

    truths: Int[np.ndarray, "T"]
    ranks: Int[np.ndarray, "R"]
    samples: Int[np.ndarray, "N"]
    error: Float[np.ndarray, "3 T R N"]
    best: Float[np.ndarray, "3 T N"]
    wins: Int[np.ndarray, "T N"]
    noise: float
    seeds: int
    start: int


def overfit(e: Experiment, seeds: int = 10) -> Overfit:
    """Fit every rank exactly, for every truth and sample count; the signal has mean square 1 an output."""
    most = min(e.d_in, e.d_out)
    truths = np.array([k for k in (1, 2, 4, 8, 16, 32) if k <= most])
    ranks = np.array([r for r in RANKS if r <= most])
    error = np.empty((seeds, len(truths), len(ranks), len(SIZES)))
    for t, true_rank in enumerate(truths):
        target = _truth(e, int(true_rank), seeds)
        for column, n in enumerate(SIZES):
            excess = fit_all_ranks(draw_samples(target, n, e.noise, e.seed), target).excess
            reached = np.minimum(ranks, excess.shape[1] - 1)  # n samples have no more than n directions
            found = excess[:, reached] / e.d_out
            error[:, t, :, column] = np.where(found < 1e-12, 0.0, found)  # less is rounding
    own = [int(np.searchsorted(ranks, k)) for k in truths]
    wins = np.stack([(error[:, t, own[t]] < error[:, t, -1]).sum(axis=0) for t in range(len(truths))])
    return Overfit(
        truths=truths, ranks=ranks, samples=np.array(SIZES), error=spread(error, axis=0),
        best=spread(ranks[error.argmin(axis=2)].astype(float), axis=0), wins=wins, noise=e.noise, seeds=seeds,
        start=int(np.argmin(np.abs(truths - e.target_rank))),
    )  # fmt: skip


def _truth(e: Experiment, true_rank: int, seeds: int) -> Float[np.ndarray, "S d_out d_in"]:
    shape = target_spectrum(replace(e, target_rank=true_rank))
    return teacher(shape * np.sqrt(e.d_out / np.sum(shape**2)), e.d_out, e.d_in, seeds, e.seed)


def scripts(record: Overfit, e: Experiment) -> Scripts:
    """A script for every rank of the truth and number of samples: the error of the best fit of each rank."""
    truths, sizes = (tuple(x.tolist()) for x in (record.truths, record.samples))

    def make(true_rank: int, n: int) -> Script:
        target = _truth(e, true_rank, record.seeds)
        measured = {"excess": record.error[1, truths.index(true_rank), :, sizes.index(n)]}
        what = f"{stated(replace(e, target_rank=true_rank, samples=n))}\n{record.seeds} seeds"
        return rank_script(what, draw_samples(target, n, e.noise, e.seed), target, record.ranks, e.d_out, measured)

    return Scripts(make, {say("True rank"): truths, say("Samples"): sizes})


def film(record: Overfit) -> Film:
    """The playhead runs over the truth's rank: the map of errors, three of its columns, the best rank for each n."""
    median = record.error[1]
    least = (median == median.min(axis=1, keepdims=True)).astype(float)
    errors = Field(
        "errors", say("Error on clean data, median of {seeds} seeds; best r per n outlined", seeds=record.seeds),
        values=median, x_labels=tuple(map(str, record.samples)), y_labels=tuple(map(str, record.ranks)),
        x_title=say("samples n"), y_title=say("rank r"), scale="log", regions=least,
        region_names=(say("not best"), say("best r")), span=6, row=0,
    )  # fmt: skip
    along_rank = Curves(
        "along_rank", say("The same against r, for three n (band: all seeds)"), x=record.ranks.astype(float),
        x_label=say("rank r"), y_label=say("error (no update: 1)"), scale="log", x_scale="log", span=6, row=0,
        series=tuple(
            Curve(
                f"n_{n}", f"n = {n}", "delta", dash=DASHES[2 - k], dots=True,
                **band(record.error[..., _column(record, n)]),
            )
            for k, n in enumerate(SHOWN)
        ),
    )  # fmt: skip
    best = Curves(
        "best", say("Best rank for each n"), x=record.samples.astype(float), x_label=say("samples n"),
        y_label=say("rank of lowest error on clean data"), scale="log", x_scale="log", span=6, row=1,
        series=(
            Curve(
                "best", say("best r, median of {seeds}", seeds=record.seeds), "clean", dots=True, **band(record.best),
            ),
            Curve(
                "true_rank", say("true rank"), "faint",
                np.repeat(record.truths[:, None].astype(float), len(record.samples), axis=1), dash="dash",
            ),
        ),
    )  # fmt: skip
    least_panel = Readout(
        "least", say("Error at the best r, and at full rank"),
        tuple(
            Row(
                f"n_{n}", f"n = {n}",
                tuple(
                    say(
                        "{least} at r = {rank}; full rank {full}",
                        least=number(float(median[t, :, i].min())), rank=record.ranks[median[t, :, i].argmin()],
                        full=number(float(median[t, -1, i])),
                    )
                    for t in range(len(record.truths))
                ),
            )
            for i, n in enumerate(record.samples)
            if n in (16, 24, 64, 128, 400)
        ),
        span=6, row=1,
    )  # fmt: skip
    return Film(
        axis=to_say("true rank"), values=record.truths.astype(float), start=record.start, seconds_per_frame=1.0,
        narration=tuple(_narrate(record, t) for t in range(len(record.truths))),
        panels=(errors, along_rank, best, least_panel),
    )  # fmt: skip


def _column(record: Overfit, n: int) -> int:
    return list(record.samples).index(n)


def _narrate(record: Overfit, t: int) -> str:
    best = record.error[1, t].argmin(axis=0)
    found = ", ".join(
        say("{rank} (n = {n})", rank=record.ranks[best[i]], n=n) for i, n in enumerate(record.samples) if n in SHOWN
    )
    return say("True rank {truth}: best rank {found}.", truth=record.truths[t], found=found)


@sentences
def takeaway(record: Overfit) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    few, many = _column(record, 64), len(record.samples) - 1
    low, full = min(1, len(record.truths) - 1), len(record.truths) - 1
    own = int(np.searchsorted(record.ranks, record.truths[low]))
    error = record.error[1]
    n, m = record.samples[few], record.samples[many]
    yield say(
        "True rank {truth}, {n} samples: the error on clean data was {own} at r = {rank} and {full} at full rank; the "
        "low rank was better in {wins} of {seeds} seeds.",
        truth=record.truths[low], n=n, own=number(float(error[low, own, few])), rank=record.ranks[own],
        full=number(float(error[low, -1, few])), wins=record.wins[low, few], seeds=record.seeds,
    )  # fmt: skip
    if error[full, own, many] > error[full, -1, many]:
        yield say(
            "With full true rank and {m} samples, r = {rank} had {low} and full rank {full}.",
            m=m, low=number(float(error[full, own, many])), rank=record.ranks[own],
            full=number(float(error[full, -1, many])),
        )  # fmt: skip


@sentences
def detail(record: Overfit) -> Iterator[str]:
    """The best ranks at full true rank, with few and with many samples."""
    error = record.error[1, -1]
    for n in (24, 400):
        column = _column(record, n)
        yield say(
            "With {n} samples a true update of full rank was fitted best at r = {rank} (error {error}).",
            n=n, rank=record.ranks[error[:, column].argmin()], error=number(float(error[:, column].min())),
        )  # fmt: skip
    if record.noise == 0:
        yield say("Without noise there is nothing to overfit, so no rank below the true one gains anything.")


def verdict(record: Overfit) -> Verdict:
    """Up to 64 samples the median best rank is at most the true one; with 400 and full rank every lower rank loses."""
    few = record.samples <= FEW
    above = record.best[1][:, few] > record.truths[:, None]
    lost, full = record.error[1, -1, :-1, -1], float(record.error[1, -1, -1, -1])
    r = int(lost.argmin())
    evidence = {"noise": record.noise, "above": int(above.sum()), "low": float(lost[r]), "full": full}
    if record.noise == 0:
        return false_here(say("the labels have no noise"), **evidence)
    if above.any():
        t, i = (int(x) for x in np.argwhere(above)[0])
        return false_here(
            say("with {n} samples and true rank {truth} the best rank was {best}", n=record.samples[few][i],
                truth=record.truths[t], best=number(float(record.best[1, t, i]))),
            **evidence,
        )  # fmt: skip
    told = {"n": record.samples[-1], "rank": record.ranks[r], "low": number(float(lost[r])), "full": number(full)}
    if lost[r] <= full:
        return false_here(
            say("with {n} samples and full true rank, the error is {low} at rank {rank} and {full} at full rank",
                **told),
            **evidence,
        )  # fmt: skip
    return true_here(
        say("up to {few} samples no best rank is above the true one; with {n} and full true rank, the best lower rank "
            "({rank}) has error {low}, full rank {full}", few=FEW, **told),
        **evidence,
    )  # fmt: skip


def table(record: Overfit) -> dict[str, np.ndarray]:
    """One row a truth, rank and sample count."""
    truth, rank, n = (x.ravel() for x in np.meshgrid(record.truths, record.ranks, record.samples, indexing="ij"))
    low, median, high = (x.ravel() for x in record.error)
    return {"true_rank": truth, "rank": rank, "samples": n, "error_low": low, "error": median, "error_high": high}


def maths(record: Overfit, settings: Settings) -> str:
    """The best fit of a rank in closed form, and what least squares costs at this noise."""
    d_in = settings.experiment.d_in
    return say(
        r"""
$$
{dW}_r = U_r U_r^\top \hat M, \quad \hat M = Y^\top X (X^\top X)^{{-1}}, \qquad
\mathbb E_x\|({dW}_r - {dW}^*)x\|^2 = \|{dW}_r - {dW}^*\|_F^2
$$

${dW}_r$ is the exact minimum of the training loss over all updates of rank $r$ (reduced-rank regression, Izenman 1975;
$U_r$ spans the strongest fitted outputs): what LoRA of rank $r$ would reach if trained to convergence. Inputs are drawn
from $N(0, I)$ in {d_in} dimensions. Full rank is ordinary least squares, whose expected error on clean data with $n$
samples is $\text{{noise}}^2\, d_\mathrm{{in}}/(n - d_\mathrm{{in}} - 1)$ per unit of signal: {ols} for $n = 64$, and
without bound near $n = d_\mathrm{{in}}$. A rank $r$ fits $r(d_\mathrm{{in}} + d_\mathrm{{out}} - r)$ free parameters
to $n\,d_\mathrm{{out}}$ numbers. Fewer free parameters fit less noise, but the part of the true update beyond rank $r$
is lost. If the true singular values decay, that part can be smaller than the noise avoided, and a low rank wins even
with many samples. Early stopping and weight decay also suppress noise; neither is used here.""",
        d_in=d_in, ols=number(record.noise**2 * d_in / (64 - d_in - 1)), **LETTERS,
    )  # fmt: skip


def measure(settings: Settings, _: Lab) -> Overfit:
    """Fit every rank to truths of every rank."""
    return overfit(settings.experiment)


def _ask(seen: Seen, _: Any) -> Measured:
    error, r = shown(seen.film, "along_rank", "n_400"), RANKS
    two = first_place(np.array(r) == 2)
    if error[-1, -1] < 1e-9:
        raise Unanswerable(
            say("Without noise, full rank leaves no error to compare with: choose some, and the question will appear.")
        )
    lost, won = (float(error[t, two] / error[t, -1]) for t in (-1, 1))
    told = say("The error on clean data is {two} at r = 2 and {full} at r = {most}.", two=word(error[-1, two]),
               full=word(error[-1, -1]), most=r[-1])  # fmt: skip
    return Measured(lost, (won, 1, r[-1] / 2), told, {"most": r[-1]})


LESSON = Lesson(
    hero="along_rank",
    id="overfit", menu=to_say("Overfitting"), title=to_say("Overfitting: when does a low rank help?"),
    claim=to_say(
        "With few noisy samples, the best rank is the true one or lower. With many samples and full true rank, a low "
        "rank does harm."
    ),
    place=42, default=Experiment(d_in=32, d_out=32, target_rank=2, spectrum="flat", noise=0.5, rank=1),
    controls=(
        Choice(
            id="noise", label=to_say("Label noise"), options=(0.0, 0.1, 0.25, 0.5, 1.0, 2.0),
            help=to_say("Standard deviation of the noise added to every label; the signal has 1."),
        ),
        CONTROLS["spectrum"].only("flat", "power", "exponential"),
    ),
    more=(CONTROLS["target_rank"].only(1, 2, 4, 8, 16, 32),), measure=measure, film=film, takeaway=takeaway,
    verdict=verdict, detail=detail, maths=maths, on_paper="along_rank", table=table,
    exports=lambda record, settings, lab: scripts(record, settings.experiment),
    question=Question(
        to_say(
            "There are 400 samples, and the true update has full rank ({most}). By what factor does the error on clean "
            "data at r = 2 differ from that at full rank?"
        ),
        to_say(
            "A low rank loses the part of the true update beyond it and saves the noise of the parameters left out. "
            "With many samples there is little noise to save."
        ),
        _ask,
    ),
)  # fmt: skip
