"""Rank and error: what trained adapters of each rank leave of the error, over the exact floors, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, first_place
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import Ranks, covariance_root, least_squares, ranks, reduced_rank_floor, truncate
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, HeatMap, Lines, Mark, Readout, Row, Series, band
from lora_viz.film.spreads import spread_columns
from lora_viz.film.style import amount, number, percent, tint
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.layer.tasks import make_task
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.networks.digits import digits_matrix

__all__ = ["LESSON", "RankError", "rank_error"]

SWEPT = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
FEW = 0.01  # of the error
ROUNDING = 1e-6  # of the error: what training in floating point may differ by
FITS = 0.98  # of the clean error at the target's own rank: less would be no noise


class RankError(NamedTuple):
    """Relative errors in output space, ‖(ΔW − M)C^½‖/‖M C^½‖, per rank: M fits the samples, C is the input covariance.

    ``trained``, ``clean`` (against the noiseless target) hold (low, median, high) over the seeds; ``floor`` is
    reduced-rank regression's, ``truncated`` that of the SVD's truncation of M, and ``weights`` and ``weights_floor``
    the same in weight space, ‖ΔW − M‖/‖M‖, trained (median) and Eckart–Young. ``delta`` is the first seed's.
    """

    rank: Int[np.ndarray, "R"]
    trained: Float[np.ndarray, "3 R"]
    clean: Float[np.ndarray, "3 R"]
    floor: Float[np.ndarray, "R"]
    truncated: Float[np.ndarray, "R"]
    weights: Float[np.ndarray, "R"]
    weights_floor: Float[np.ndarray, "R"]
    fitted: Float[np.ndarray, "d_out d_in"]
    delta: Float[np.ndarray, "R d_out d_in"]
    sigma_fitted: Float[np.ndarray, "k"]
    sigma: Float[np.ndarray, "R k"]
    kinds: tuple[Ranks, ...]
    true_rank: int
    noise: float
    condition: float
    seeds: int
    diverged: int


def rank_error(run: Run) -> RankError:
    """Compare every trained rank of a sweep over rank and init_seed with its floors. Rank 0, no update, comes first."""
    e, task = run.experiment, run.task
    fitted, _ = least_squares(task)
    root = covariance_root(task)
    swept = sorted({x.rank for x in run.sweep.experiments})
    seeds = sorted({x.init_seed for x in run.sweep.experiments})
    place = {(x.rank, x.init_seed): i for i, x in enumerate(run.sweep.experiments)}
    # a target of rank 0 without noise leaves nothing to fit: every error is then 0 of nothing
    size_out, size_weights = np.linalg.norm(fitted @ root) or 1.0, np.linalg.norm(fitted) or 1.0
    size_clean = np.linalg.norm(task.target_delta @ root) or 1.0

    trained, clean, weights = (np.full((len(swept), len(seeds)), np.nan) for _ in range(3))
    delta = np.zeros((len(swept) + 1, e.d_out, e.d_in))
    sigma = np.zeros((len(swept) + 1, min(e.d_out, e.d_in)))
    for row, rank in enumerate(swept):
        for column, seed in enumerate(seeds):
            i = place[rank, seed]
            factored = run.factored(i)[-1]
            last = factored.in_float64().dense()
            fine = run.diverged_at[i] < 0
            if column == 0:
                delta[row + 1] = last if fine else np.nan
                sigma[row + 1, :rank] = factored.singular_values() if fine else np.nan
            if fine:
                trained[row, column] = np.linalg.norm((last - fitted) @ root) / size_out
                clean[row, column] = np.linalg.norm((last - task.target_delta) @ root) / size_clean
                weights[row, column] = np.linalg.norm(last - fitted) / size_weights
    all_ranks = np.array([0, *swept])
    floors = [reduced_rank_floor(fitted, root, int(r))[1] / size_out for r in all_ranks]
    cut = [truncate(fitted, int(r)) for r in all_ranks]
    return RankError(
        rank=all_ranks, trained=_from_none(trained), clean=_from_none(clean), floor=np.array(floors),
        truncated=np.array([np.linalg.norm((m - fitted) @ root) / size_out for m in cut]),
        weights=_from_none(weights)[1],
        weights_floor=np.array([np.linalg.norm(m - fitted) / size_weights for m in cut]), fitted=fitted, delta=delta,
        sigma_fitted=np.linalg.svd(fitted, compute_uv=False), sigma=sigma,
        kinds=tuple(ranks(np.nan_to_num(s), bound=int(r)) for s, r in zip(sigma, all_ranks, strict=True)),
        true_rank=e.true_rank, noise=e.noise, condition=e.condition, seeds=len(seeds),
        diverged=int((run.diverged_at >= 0).sum()),
    )  # fmt: skip


def _from_none(values: Float[np.ndarray, "R S"]) -> Float[np.ndarray, "3 R_and_0"]:
    """Least, median, most over the seeds; no update leaves everything: 1."""
    return np.insert(spread(values, axis=1), 0, 1.0, axis=1)


def film(record: RankError, settings: Settings) -> Film:
    """The playhead runs over the ranks: error curve, spectrum, and the three matrices at each."""
    isotropic = record.condition == 1
    limit = float(np.abs(record.fitted).max()) or 1.0
    k = len(record.sigma_fitted)
    trained = say("trained ({seeds} seeds)", seeds=record.seeds)
    floor = say("floor (Eckart–Young)") if isotropic else say("floor (reduced-rank regr.)")
    series = [
        Series("trained", trained, "delta", **band(record.trained), dots=True),
        Series("floor", floor, "ink", record.floor, dash="dash"),
    ]
    if not isotropic:
        series.append(Series("svd_cut", say("truncated SVD (Eckart–Young)"), "W", record.truncated, dash="dot"))
    if record.noise:
        series.append(Series("clean", say("clean target"), "clean", **band(record.clean)))
    diverged = np.isnan(record.delta).any(axis=(1, 2))
    numerical = tuple("—" if d else str(x.numerical) for x, d in zip(record.kinds, diverged, strict=True))
    matrix = partial(HeatMap, limit=limit, span=3, row=1)
    left_out = record.fitted - record.delta
    captured = 1 - np.sum(left_out**2, axis=(1, 2)) / (np.sum(record.fitted**2) or 1.0)
    return Film(
        axis=to_say("rank"), of_last=True, values=record.rank.astype(float), seconds_per_frame=0.55,
        start=min(int(np.searchsorted(record.rank, min(record.true_rank, 4))), len(record.rank) - 1),
        narration=tuple(_narrate(record, t) for t in range(len(record.rank))), beside=("picture", "learnt"),
        panels=(
            Lines(
                "error", say("Remaining error by rank (drag here)"), y_label=say("relative error of the outputs"),
                scale=settings["error_axis"], span=7, series=tuple(series),
                marks=(Mark("target_rank", float(record.true_rank), say("target rank {rank}", rank=record.true_rank)),),
            ),
            Bars(
                "singular_values", say("Singular values: target, and what this rank learnt"), y_label="σ", span=5,
                labels=tuple(str(i + 1) for i in range(k)), bar_ids=tuple(f"sigma_{i + 1}" for i in range(k)),
                groups=(
                    Group("learnt", say("learnt ΔW"), "delta", record.sigma),
                    Group("target", say("target M"), "ink", record.sigma_fitted, outline=True),
                ),
            ),
            matrix("target", say("target M"), "ink", record.fitted, caption=(say("best fit to the samples"),)),
            matrix("learnt", say("learnt ΔW = s·B A"), "delta", record.delta, caption=_shares(captured)),
            matrix("left_out", say("missing: M − ΔW"), "ink", left_out, caption=_shares(1 - captured)),
            Readout(
                "kinds_of_rank", say("Four kinds of rank of ΔW"),
                (
                    Row("bound", say("bound r"), tuple(str(x.bound) for x in record.kinds)),
                    Row("numerical", say("numerical (σ > 10⁻⁶ σ₁)"), numerical),
                    Row("effective", say("effective (entropy of σ)"), tuple(number(x.effective) for x in record.kinds)),
                    Row("stable", say("stable (‖·‖²/σ₁²)"), tuple(number(x.stable) for x in record.kinds)),
                ),
                span=3, row=1,
            ),
            _picture(record.rank),
        ),
    )  # fmt: skip


def _picture(ranks: Int[np.ndarray, "R"]) -> HeatMap:
    """What a rank holds, for the eye: a matrix that can be read, at each of these ranks."""
    digits = digits_matrix(0)
    cut = np.stack([truncate(digits, int(r)) for r in ranks])
    size = np.sum(digits**2)
    kept = _shares(1 - np.sum((digits - cut) ** 2, axis=(1, 2)) / size)
    return HeatMap("picture", say("For the eye: twelve digits at this rank"), "ink", cut, limit=1.0, caption=kept,
                   row=2, span=12)  # fmt: skip


def _shares(values: Float[np.ndarray, "R"]) -> tuple[str, ...]:
    return tuple(say("diverged") if np.isnan(v) else say("{share} of ‖M‖²", share=_percent(v)) for v in values)


def _percent(share: float) -> str:
    return percent(share, rounding=1e-9)


def _narrate(record: RankError, t: int) -> str:
    r, left, floor = int(record.rank[t]), record.trained[1, t], record.floor[t]
    if r == 0:
        return say("Rank 0: there is no update, so all of the error remains.")
    if not np.isfinite(left):
        return say("Rank {r}: training diverged with every seed. Lower the learning rate.", r=r)
    got, least = _percent(float(left)), _percent(float(floor))
    if record.noise:
        clean = _percent(float(record.clean[1, t]))
        return say(
            "Rank {r}: remaining error {got}, floor {least}, error against the clean target {clean}.",
            r=r, got=got, least=least, clean=clean,
        )  # fmt: skip
    return say("Rank {r}: remaining error {got}, floor {least}.", r=r, got=got, least=least)


@sentences
def takeaway(record: RankError) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    trained = np.isfinite(record.trained[1]) & (record.rank > 0)
    if not trained.any():
        yield say("Every adapter diverged: lower the learning rate.")
        return
    gap = np.where(trained, record.trained[1] - record.floor, 0.0)
    worst = int(np.argmax(gap))
    points = amount(100 * float(gap[worst]))
    if gap[worst] >= 0.02:
        yield say(
            "Training stayed up to {points} percentage points above the exact floor (at rank {rank}); that part is due "
            "to the optimiser, not the rank.",
            points=points,
            rank=record.rank[worst],
        )
    elif record.diverged:
        yield say(
            "Training ended within {points} percentage points of the exact floor at the ranks that did not diverge.",
            points=points,
        )
    else:
        yield say(
            "Training ended within {points} percentage points of the exact floor at every rank, so the rest of the "
            "error at each rank is unavoidable.",
            points=points,
        )
    if record.true_rank >= len(record.sigma_fitted):
        half = len(record.rank) // 2
        yield say(
            "The target has full rank, so even the best update of rank {rank} leaves {left} of the error.",
            rank=record.rank[half],
            left=_percent(float(record.floor[half])),
        )
    elif record.noise:
        best = int(np.nanargmin(record.clean[1]))
        if gap[worst] < 0.02 and np.nanmax(record.clean[1, best:]) > 1.02 * record.clean[1, best]:
            yield say(
                "The error against the clean target is lowest at rank {rank}; higher ranks fit the noise.",
                rank=record.rank[best],
            )
    else:
        yield say("The floor reaches 0 at rank {rank}, the rank of the target.", rank=record.true_rank)


@sentences
def detail(record: RankError) -> Iterator[str]:
    """How far the truncated SVD is from the floor, and what diverged."""
    if record.condition > 1:
        there = record.floor[1:-1] > 1e-6  # below that both are rounding, and so is their ratio
        times = float(np.max(record.truncated[1:-1][there] / record.floor[1:-1][there], initial=0.0))
        if 1.01 <= times < 1e6:
            yield say(
                "With ill-conditioned inputs the truncated SVD of M is not the best update: its error is up to {times} "
                "times the floor.",
                times=number(times),
            )
    if record.diverged:
        yield say(
            "Diverged, and left out: {count} of {all} adapters.",
            count=record.diverged, all=record.seeds * (len(record.rank) - 1),
        )  # fmt: skip


def verdict(record: RankError) -> Verdict:
    """No trained rank is below its floor; above the target's rank the error against the clean target does not fall."""
    trained = np.isfinite(record.trained[1]) & (record.rank > 0)
    if not trained.any():
        return undecided(say("every adapter diverged"), diverged=record.diverged)
    below = (record.trained[0] < record.floor * (1 - ROUNDING) - ROUNDING) & trained
    above = trained & (record.rank > record.true_rank)
    own = trained & (record.rank >= record.true_rank)
    evidence: dict[str, Any] = {"lowest_above_floor": float(np.min((record.trained[0] - record.floor)[trained]))}
    if below.any():
        return false_here(say("rank {rank} ended below its floor", rank=record.rank[int(below.argmax())]), **evidence)
    if not above.any():
        return true_here(say("no rank ended below its floor, and no rank is above that of the target"), **evidence)
    first = int(own.argmax())
    clean = record.clean[1]
    best = int(np.flatnonzero(above)[np.argmin(clean[above])])
    evidence |= {"clean_own": float(clean[first]), "clean_above": float(clean[best])}
    if clean[best] < FITS * clean[first] and clean[first] > ROUNDING:
        return false_here(
            say(
                "rank {rank} ended with a smaller error against the clean target ({above}) than the target's own rank "
                "({own})",
                rank=record.rank[best], above=_percent(float(clean[best])), own=_percent(float(clean[first])),
            ),
            **evidence,
        )  # fmt: skip
    return true_here(
        say(
            "no rank ended below its floor, and no rank above {rank} has an error against the clean target that is 2 "
            "% lower than that of rank {rank}",
            rank=record.rank[first],
        ),
        **evidence,
    )


def table(record: RankError) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    return {
        "rank": record.rank,
        **spread_columns("trained", record.trained),
        "floor_reduced_rank_regression": record.floor,
        "svd_truncation": record.truncated,
        "clean_median": record.clean[1],
        "weight_error_median": record.weights,
        "weight_floor_eckart_young": record.weights_floor,
    }


def maths(record: RankError, settings: Settings) -> str:
    """Reduced-rank regression, with this run's numbers at the target's rank."""
    e, r = settings.experiment, min(record.true_rank, 4)
    at = list(record.rank).index(r)
    return say(
        r"""
$$
\min_{{\mathrm{{rank}}({dW}) \le r}} \|({dW} - {M})\,C^{{1/2}}\|_F^2
= \sum_{{i>r}} \sigma_i({M}\,C^{{1/2}})^2 \qquad C = \tfrac1n X^\top X
$$

${M}$ is the update that fits the {samples} samples best, of any rank; $C$ is the inputs' covariance (condition number
{condition:g}). This is **reduced-rank regression** (Izenman 1975). With isotropic inputs, $C = I$, it is
**Eckart–Young**: truncate the SVD of ${M}$. At $r = {r}$ the floor is {floor} of the whole error and training reached
{trained} (median of {seeds} initialisations). In weight space, $\|{dW} - {M}\|_F/\|{M}\|_F$ is at least
{weights_floor} (Eckart–Young), and training reached {weights}. The largest singular values of ${M}$ are
{singular_values}.""",
        dW=tint("delta", r"\Delta W"), M="M", samples=e.samples, condition=e.condition, r=r,
        floor=number(float(record.floor[at])), trained=number(float(record.trained[1][at])), seeds=record.seeds,
        weights_floor=number(float(record.weights_floor[at])), weights=number(float(record.weights[at])),
        singular_values=listed(number(float(s)) for s in record.sigma_fitted[:6]),
    )  # fmt: skip


def sweep(settings: Settings) -> Sweep:
    """Every rank, from five initialisations each."""
    return Sweep.over(replace(settings.experiment, rank=1), rank=SWEPT, init_seed=range(5))


def measure(settings: Settings, lab: Lab) -> RankError:
    """Train every rank, and compare it with its floors."""
    return rank_error(lab.train(sweep(settings), settings.device, records=2))


def floors(e: Experiment) -> np.ndarray:
    """The least share of the error that each rank from 0 on can leave; of nothing, nothing."""
    task = make_task(e)
    fitted, root = least_squares(task)[0], covariance_root(task)
    size = float(np.linalg.norm(fitted @ root)) or 1.0
    return np.array([reduced_rank_floor(fitted, root, k)[1] / size for k in range(min(e.d_out, e.d_in) + 1)])


def _without_noise(e: Experiment, _: Any) -> tuple[np.ndarray, np.ndarray]:
    return floors(replace(e, noise=0.0)), floors(e)


def _ask(seen: Seen, found: Any) -> Measured:
    clean, noisy = found
    k, now = first_place(clean < FEW), first_place(noisy < FEW)
    told = say("Without noise, the best update of rank {k} leaves {left} of the error.", k=k,
               left=_percent(float(clean[k])))  # fmt: skip
    if seen.experiment.noise:
        told += " " + say("With the noise shown, it takes rank {now} to leave less than 1 %.", now=now)
    return Measured(k, (now, len(clean) - 1, 2 * k, max(1, k // 2)), told)


LESSON = Lesson(
    hero="error",
    id="rank", menu=to_say("Rank and error"), title=to_say("Rank and error: how much error remains at each rank?"),
    claim=to_say(
        "At each rank the error has an exact floor, known before training. A rank above that of the target only fits "
        "noise."
    ),
    place=20,
    default=Experiment(
        d_in=32, d_out=24, target_rank=4, spectrum="flat", noise=1.0, alpha=16.0, lr=0.03, schedule="linear", steps=200,
        samples=192,
    ),
    controls=tuple(CONTROLS[name] for name in ("target_rank", "noise", "spectrum", "condition", "task")),
    more=tuple(CONTROLS[name] for name in ("error_axis", "optimizer", "lr", "alpha", "scaling_rule", "steps")),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="error",
    table=table,
    exports=lambda record, settings, lab: (sweep(settings),),
    question=Question(
        to_say(
            "Without label noise, what is the smallest rank whose best update leaves less than 1 % of the error?"
        ),
        to_say("A rank above that of the target removes only noise: without noise, the best update of the target's "
               "rank leaves nothing."),
        _ask, _without_noise,
    ),
)  # fmt: skip
