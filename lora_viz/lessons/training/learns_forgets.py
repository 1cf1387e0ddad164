"""Learns, forgets: clean error and ‖ΔW‖² over the rank, from few noisy samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown
from lora_viz.core.experiment import Experiment
from lora_viz.core.seeds import spread
from lora_viz.engine.regression import draw_samples, fit_all_ranks, stopped_early, teacher
from lora_viz.export.scripts.fits import rank_script
from lora_viz.export.scripts.script import Script, Scripts, stated
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Lines, Mark, Readout, Row, Series, band
from lora_viz.film.spreads import ranged, spread_columns
from lora_viz.film.style import LETTERS, number, numbers
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON", "LearnsForgets", "learns_forgets", "scripts"]

HEAD, TAIL = (2.0, 1.5, 1.0, 0.7), 0.05
NEAR = (3, 4, 6)  # ranks shown that are about the number of strong directions, which is 4


class LearnsForgets(NamedTuple):
    """Relative to ‖ΔW*‖², for each rank, (low, median, high) over the seeds: clean error on the new task, ``excess``,
    and ‖ΔW‖², ``forgets``, which is the error that the update adds on a source task with inputs from N(0, I).

    ``train`` is the squared error on the samples over that of no update. ``path`` is full fine-tuning stopped early,
    medians of (excess, forgets) on the way, ``stopped`` the least excess there. ``matched`` is what full fine-tuning
    forgets when stopped at each rank's excess, median over the seeds where it gets there, NaN where it never does;
    ``less`` counts the seeds, of the ``reached``, in which the rank forgets less than that. ``best`` is the rank of
    least excess in each seed.
    """

    rank: Int[np.ndarray, "R"]
    excess: Float[np.ndarray, "3 R"]
    forgets: Float[np.ndarray, "3 R"]
    train: Float[np.ndarray, "3 R"]
    path: Float[np.ndarray, "2 P"]
    matched: Float[np.ndarray, "R"]
    less: Int[np.ndarray, "R"]
    reached: Int[np.ndarray, "R"]
    best: Int[np.ndarray, "S"]
    stopped: Float[np.ndarray, "3"]
    samples: int
    noise: float
    seeds: int


def learns_forgets(e: Experiment, seeds: int = 20) -> LearnsForgets:
    """Fit every rank exactly to a teacher with four strong directions and a weak tail (one draw a seed)."""
    sigma, target = _truth(e, seeds)
    samples = draw_samples(target, e.samples, e.noise, e.seed)
    fits, energy = fit_all_ranks(samples, target), float(np.sum(sigma**2))
    rank = np.array([r for r in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64) if r < fits.excess.shape[1]])
    excess, size = fits.excess[:, rank] / energy, fits.size[:, rank] / energy
    on_the_way, its_size = (x / energy for x in stopped_early(samples, target, np.geomspace(0.01, 300, 160)))
    matched = np.full(excess.shape, np.nan)
    for s in range(seeds):
        turn = int(on_the_way[s].argmin())  # before it the error falls: stop there, not after it
        there = (excess[s] >= on_the_way[s, turn]) & (excess[s] <= on_the_way[s, 0])
        found = np.interp(excess[s], on_the_way[s, turn::-1], its_size[s, turn::-1])
        matched[s] = np.where(there, found, np.nan)
    return LearnsForgets(
        rank=rank, excess=spread(excess, axis=0), forgets=spread(size, axis=0),
        train=spread(fits.train[:, rank] / fits.train[:, :1], axis=0),
        path=np.stack([np.median(on_the_way, axis=0), np.median(its_size, axis=0)]),
        matched=np.array([np.median(m) if len(m) else np.nan for m in (x[~np.isnan(x)] for x in matched.T)]),
        less=(size < matched).sum(axis=0), reached=np.isfinite(matched).sum(axis=0), best=rank[excess.argmin(axis=1)],
        stopped=spread(on_the_way.min(axis=1), axis=0), samples=e.samples, noise=e.noise, seeds=seeds,
    )  # fmt: skip


def _truth(e: Experiment, seeds: int) -> tuple[Float[np.ndarray, "k"], Float[np.ndarray, "S d_out d_in"]]:
    most = min(e.d_in, e.d_out)
    sigma = np.array([*HEAD, *[TAIL] * most])[:most]
    return sigma, teacher(sigma, e.d_out, e.d_in, seeds, e.seed)


def scripts(record: LearnsForgets, e: Experiment) -> Scripts:
    """One script: what the best fit of each rank learns and forgets."""

    def make() -> Script:
        sigma, target = _truth(e, record.seeds)
        measured = {"excess": record.excess[1], "size": record.forgets[1]}
        samples, energy = draw_samples(target, e.samples, e.noise, e.seed), float(np.sum(sigma**2))
        what = f"{stated(e)}\n{record.seeds} seeds; the size is what is forgotten"
        return rank_script(what, samples, target, record.rank, energy, measured)

    return Scripts(make, {})


def film(record: LearnsForgets) -> Film:
    """The playhead runs over the ranks: both errors, and where the rank stands between learning and forgetting."""
    x = np.unique(np.concatenate([record.forgets[1], record.path[1]]))
    x = x[np.concatenate([[True], np.diff(x) > 1e-9 * x[-1]])]
    near = np.abs(x[None] - record.forgets[1][:, None]).argmin(axis=1)
    here = np.full((len(record.rank), len(x)), np.nan)
    here[np.arange(len(record.rank)), near] = record.excess[1]
    inside = (x >= record.forgets[1, 0]) & (x <= record.forgets[1, -1])
    best = int(record.rank[record.excess[1].argmin()])
    errors = Lines(
        "errors", say("Error against r, in units of ‖ΔW*‖² (band: {seeds} seeds)", seeds=record.seeds),
        y_label=say("error (no update: new 1, source 0)"), x_scale="log", span=6,
        series=(
            Series("new_task", say("on the new task:"), "clean", dots=True, **band(record.excess)),
            Series("source_task", say("added on the source task:"), "W", dots=True, **band(record.forgets)),
        ),
        marks=(Mark("best", float(best), f"r = {best}"),),
    )  # fmt: skip
    trade = Curves(
        "trade", say("Learning against forgetting: LoRA by rank, full fine-tuning by time"), x=x,
        x_label=say("forgetting: ‖ΔW‖²"), y_label=say("error on the new task"), span=6,
        series=(
            Curve(
                "lora", say("LoRA, r = 1 to full"), "delta",
                np.where(inside, np.interp(x, record.forgets[1], record.excess[1]), np.nan),
            ),
            Curve(
                "full", say("full fine-tuning, stopped early"), "faint",
                np.where(x <= record.path[1, -1], np.interp(x, record.path[1], record.path[0]), np.nan), dash="dash",
            ),
            Curve("here", say("this rank"), "ink", here, dots=True),
        ),
    )  # fmt: skip
    training = Lines(
        "training", say("Training error: it never rises with r"), y_label=say("squared error (no update: 1)"),
        x_scale="log", reach=1.0, row=1, span=5,
        series=(Series("error", say("training error:"), "ink", dots=True, **band(record.train)),),
    )  # fmt: skip
    at_rank = Readout(
        "at_rank", say("At this rank, median of {seeds} seeds", seeds=record.seeds),
        (
            Row("new_task", say("error on the new task"), numbers(record.excess[1]), colour="clean"),
            Row("source_task", say("error added on the source task, ‖ΔW‖²"), numbers(record.forgets[1]), colour="W"),
            Row(
                "full_forgets", say("forgetting of full fine-tuning, stopped at the same error"),
                tuple(
                    say("{forgets} (LoRA forgot less in {less} of {n})", forgets=number(float(m)), less=less, n=n)
                    if n
                    else say("never reached")
                    for m, less, n in zip(record.matched, record.less, record.reached, strict=True)
                ),
                colour="ink",
            ),
        ),
        row=1, span=7,
    )  # fmt: skip
    return Film(
        axis=to_say("rank"), of_last=True, values=record.rank.astype(float), start=int(record.excess[1].argmin()),
        seconds_per_frame=0.7, narration=tuple(_narrate(record, t) for t in range(len(record.rank))),
        panels=(errors, trade, training, at_rank),
    )  # fmt: skip


def _narrate(record: LearnsForgets, t: int) -> str:
    return say(
        "Rank {rank}: error on the new task {excess}, error added on the source task {forgets}.",
        rank=record.rank[t], excess=number(float(record.excess[1, t])), forgets=number(float(record.forgets[1, t])),
    )  # fmt: skip


@sentences
def takeaway(record: LearnsForgets) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    at, last = int(record.excess[1].argmin()), len(record.rank) - 1
    others = say(" and ").join(
        say("{error} at r = {rank}", error=number(float(record.excess[1, i])), rank=record.rank[i])
        for i in (0, last) if i != at
    )  # fmt: skip
    yield say(
        "The error on the new task was lowest at r = {best}: {least}, compared with {others}.",
        best=record.rank[at], least=number(float(record.excess[1, at])), others=others,
    )  # fmt: skip
    first, end = number(float(record.forgets[1, 0])), number(float(record.forgets[1, -1]))
    if (np.diff(record.forgets[1]) > 0).all():
        yield say("Forgetting grew with every increase in r, from {first} to {end}.", first=first, end=end)
    else:
        yield say("Forgetting did not grow with every increase in r: {first} at first, {end} at last.",
                  first=first, end=end)  # fmt: skip


@sentences
def detail(record: LearnsForgets) -> Iterator[str]:
    """Full fine-tuning stopped early, compared at the same error where there is one."""
    at = int(record.excess[1].argmin())
    hits = int((record.best == record.rank[at]).sum())
    yield say(
        "Over {seeds} seeds ({samples} samples, noise {noise}), r = {best} was best in {hits}.",
        seeds=record.seeds, samples=record.samples, noise=number(record.noise), best=record.rank[at], hits=hits,
    )  # fmt: skip
    yield say(
        "Full fine-tuning, stopped at its best moment, had error {error} on the new task.", error=ranged(record.stopped)
    )
    comparable = np.flatnonzero(record.reached > record.seeds / 2)
    if len(comparable):
        i = int(comparable[0])
        yield say(
            "At the same error as r = {rank}, early-stopped full fine-tuning forgot {full} and LoRA of that rank "
            "{own}. LoRA forgot less in {less} of {reached} seeds.",
            rank=record.rank[i], full=number(float(record.matched[i])), own=number(float(record.forgets[1, i])),
            less=record.less[i], reached=record.reached[i],
        )  # fmt: skip
    under = [str(r) for r, x in zip(record.rank, record.excess[1], strict=True) if x < record.stopped[1]]
    if under and len(under) < len(record.rank):
        yield say(
            "At r = {ranks} the error was lower than full fine-tuning ever reached, so there is no equal error at "
            "which to compare them.",
            ranks=", ".join(under),
        )  # fmt: skip


def verdict(record: LearnsForgets) -> Verdict:
    """Median forgetting grows at every rank, and the median error on the new task is least near the strong four."""
    at = int(record.excess[1].argmin())
    grows = np.diff(record.forgets[1]) > 0
    evidence = {"best": int(record.rank[at]), "grows": int(grows.sum()), "noise": record.noise}
    if record.noise == 0:
        return false_here(say("the labels have no noise"), **evidence)
    if not grows.all():
        i = int((~grows).argmax())
        return false_here(
            say("rank {high} forgot no more than rank {low}", high=record.rank[i + 1], low=record.rank[i]), **evidence
        )
    if at == len(record.rank) - 1:
        return false_here(say("these samples are enough for every rank to learn more"), **evidence)
    if record.rank[at] not in NEAR:
        return false_here(
            say("the error on the new task was lowest at rank {best}, and the target has four strong directions",
                best=record.rank[at]),
            **evidence,
        )  # fmt: skip
    return true_here(
        say("forgetting grew at every rank, and the error on the new task was lowest at rank {best}; the target has "
            "four strong directions", best=record.rank[at]),
        **evidence,
    )  # fmt: skip


def table(record: LearnsForgets) -> dict[str, np.ndarray]:
    """Both errors by rank, as columns."""
    return {
        "rank": record.rank,
        **spread_columns("excess", record.excess),
        **spread_columns("forgets", record.forgets),
        **spread_columns("train", record.train),
        "full_stopped_early_forgets": record.matched,
        "seeds_rank_forgets_less": record.less,
    }


def maths(record: LearnsForgets) -> str:
    """What learning and forgetting are, and what is exact about them."""
    return say(
        r"""
$$
\text{{learns:}}\ \ \mathbb E\|({dW} - {dW}^*)x\|^2 = \|{dW} - {dW}^*\|_F^2 \qquad\quad
\text{{forgets:}}\ \ \mathbb E\|{dW}\,x\|^2 = \|{dW}\|_F^2
$$

The source task was fitted by $W$. On inputs from $N(0, I)$, any update adds $\|{dW}\|_F^2$ to its error. The target
${dW}^*$ of the new task has singular values {head} and further ones of {tail} each. Each rank is fitted exactly
(reduced-rank regression) to {samples} samples per seed. Biderman et al. (2024) found on code and mathematics that LoRA
learns less and forgets less than full fine-tuning. Comparing both **at the same error on the new task** is a different
question. With unlimited samples, no noise and isotropic inputs the answer is exact: to leave the fraction $\ell$ of
$\|{dW}^*\|^2$, full fine-tuning stopped early forgets $(1-\sqrt\ell)^2$ if all singular values are equal, and a rank
that truncates the target forgets $1-\ell$, which is more. So a lower rank does not always forget less at the same
error.""",
        head=listed(numbers(HEAD)), tail=number(TAIL), samples=record.samples, **LETTERS,
    )  # fmt: skip


def measure(settings: Settings, _: Lab) -> LearnsForgets:
    """Fit every rank, and stop full fine-tuning early."""
    return learns_forgets(settings.experiment)


def _ask(seen: Seen, _: Any) -> Measured:
    ranks, on_samples = seen.film.values, shown(seen.film, "training", "error")
    least = int(ranks[first_place(on_samples <= on_samples.min() + 1e-9)])
    best = int(ranks[shown(seen.film, "errors", "new_task").argmin()])
    told = say("On the samples rank {least} was best, on the new task rank {best}.", least=least, best=best)
    return Measured(least, (best, int(ranks[0]), int(ranks[len(ranks) // 2])), told)


LESSON = Lesson(
    hero="errors",
    id="learns_forgets", menu=to_say("Forgetting"),
    title=to_say("Forgetting: does a lower rank learn less and forget less?"),
    claim=to_say(
        "With few noisy samples, a higher rank forgets more, but learns more only up to about the number of strong "
        "directions in the target."
    ),
    place=125, default=Experiment(d_in=64, d_out=64, rank=1, noise=0.5, samples=128),
    controls=(
        CONTROLS["noise"].only(0.0, 0.1, 0.25, 0.5, 1.0),
        Choice(
            id="samples", label=to_say("Samples"), options=(80, 96, 128, 256, 512, 1024),
            help=to_say("How many samples of the new task the ranks are fitted to."),
        ),
    ),
    more=(CONTROLS["d_in"].only(32, 64),), measure=measure, film=film, takeaway=takeaway, verdict=verdict,
    detail=detail, maths=maths, on_paper="trade", table=table,
    exports=lambda record, settings, lab: scripts(record, settings.experiment),
    question=Question(
        to_say("What is the smallest rank shown that fits the training samples best?"),
        to_say(
            "A higher rank always fits the samples at least as well. Noise in them can be fitted too, but does "
            "not help with the new task."
        ),
        _ask,
    ),
)  # fmt: skip
