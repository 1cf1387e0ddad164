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
from lora_viz.film.spreads import spread_columns
from lora_viz.film.style import LETTERS, number, numbers
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings

__all__ = ["LESSON", "LearnsForgets", "learns_forgets", "scripts"]

HEAD, TAIL = (2.0, 1.5, 1.0, 0.7), 0.05


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
        "errors", say("Error over r, in units of ‖ΔW*‖² (band: {seeds} seeds)", seeds=record.seeds),
        y_label=say("no update: target 1, source 0"), x_scale="log", span=6,
        series=(
            Series("new_task", say("on the new task:"), "clean", dots=True, **band(record.excess)),
            Series("source_task", say("added on the source task:"), "W", dots=True, **band(record.forgets)),
        ),
        marks=(Mark("best", float(best), f"r = {best}"),),
    )  # fmt: skip
    trade = Curves(
        "trade", say("Learnt against forgotten: LoRA by rank, full fine-tuning by time"), x=x,
        x_label=say("forgotten: ‖ΔW‖²"), y_label=say("error on the new task"), span=6,
        series=(
            Curve(
                "lora", say("LoRA, r = 1 to full"), "delta",
                np.where(inside, np.interp(x, record.forgets[1], record.excess[1]), np.nan),
            ),
            Curve(
                "full", say("full, stopped early"), "faint",
                np.where(x <= record.path[1, -1], np.interp(x, record.path[1], record.path[0]), np.nan), dash="dash",
            ),
            Curve("here", say("this rank"), "ink", here, dots=True),
        ),
    )  # fmt: skip
    training = Lines(
        "training", say("On the samples themselves: it only falls"), y_label=say("squared error; no update: 1"),
        x_scale="log", reach=1.0, row=1, span=5,
        series=(Series("error", say("training error:"), "ink", dots=True, **band(record.train)),),
    )  # fmt: skip
    at_rank = Readout(
        "at_rank", say("At this rank, median of {seeds} seeds", seeds=record.seeds),
        (
            Row("new_task", say("error on the new task"), numbers(record.excess[1]), colour="clean"),
            Row("source_task", say("error added on the source task, ‖ΔW‖²"), numbers(record.forgets[1]), colour="W"),
            Row(
                "full_forgets", say("full, stopped at the same error, forgets"),
                tuple(
                    say("{forgets} (rank forgets less: {less} of {n})", forgets=number(float(m)), less=less, n=n)
                    if n
                    else say("never gets there")
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
    at = int(record.excess[1].argmin())
    best, last = record.rank[at], record.rank[-1]
    hits = int((record.best == best).sum())
    yield say(
        "In this experiment ({samples} samples, noise {noise}, {seeds} seeds) the error on the new task was least "
        "at r = {best}: {least}, against {at_one} at r = 1 and {at_last} at r = {last}; r = {best} was the best "
        "in {hits} seeds.",
        samples=record.samples, noise=number(record.noise), seeds=record.seeds, best=best,
        least=number(float(record.excess[1, at])), at_one=number(float(record.excess[1, 0])),
        at_last=number(float(record.excess[1, -1])), last=last, hits=hits,
    )  # fmt: skip
    if at == len(record.rank) - 1:
        yield say("There is no U here: the samples suffice for every rank.")
    first, end = number(float(record.forgets[1, 0])), number(float(record.forgets[1, -1]))
    if (np.diff(record.forgets[1]) > 0).all():
        yield say("What is forgotten grew with every step in r, from {first} to {end}.", first=first, end=end)
    else:
        yield say("What is forgotten grew with r on the whole, from {first} to {end}.", first=first, end=end)
    low, median, high = (number(float(x)) for x in record.stopped)
    yield say(
        "Full fine-tuning, stopped at its best moment, had error {median} ({low} to {high}).",
        median=median, low=low, high=high,
    )  # fmt: skip
    comparable = np.flatnonzero(record.reached > record.seeds / 2)
    if len(comparable):
        i = int(comparable[0])
        yield say(
            "At the error of r = {rank} it forgot {full}, the rank {own}: the rank forgot less in {less} of "
            "{reached} seeds.",
            rank=record.rank[i], full=number(float(record.matched[i])), own=number(float(record.forgets[1, i])),
            less=record.less[i], reached=record.reached[i],
        )  # fmt: skip
    under = [str(r) for r, x in zip(record.rank, record.excess[1], strict=True) if x < record.stopped[1]]
    if under and len(under) < len(record.rank):
        yield say("r = {ranks} went below that: there is no equal error at which to compare.", ranks=", ".join(under))
    yield say("That a lower rank forgets less at the same skill is not a law.")


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

The source task was fitted by $W$; on inputs from $N(0, I)$ any update adds $\|{dW}\|_F^2$ to its error. The new task's
${dW}^*$ has singular values {head} and a tail of {tail}. Each rank is fitted to the end
and exactly (reduced-rank regression), {samples} samples a seed. Biderman et al. (2024) found on code and
mathematics that LoRA learns less and forgets less than full fine-tuning; here that is the way along $r$. Compared
**at the same error on the new task** it is another question. Without noise and with round inputs the answer is exact:
to leave the share $\ell$ of ${dW}^*$, full fine-tuning stopped early forgets $(1-\sqrt\ell)^2$ and a rank that cuts
the truth off forgets $1-\ell$, which is more.""",
        head=", ".join(numbers(HEAD)), tail=number(TAIL), samples=record.samples, **LETTERS,
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
    id="learns_forgets", menu=to_say("Learns, forgets"),
    title=to_say("Learns less, forgets less: what does rank decide?"),
    claim=to_say(
        "From few noisy samples, a higher rank forgets more at every step, but learns more only up to the truth's "
        "rank: beyond it, it learns the noise."
    ),
    place=40, default=Experiment(d_in=64, d_out=64, rank=1, noise=0.5, samples=128),
    controls=(
        CONTROLS["noise"].only(0.0, 0.1, 0.25, 0.5, 1.0),
        Choice(
            id="samples", label=to_say("Samples"), options=(80, 96, 128, 256, 512, 1024),
            help=to_say("Of the new task; 64 inputs."),
        ),
    ),
    more=(CONTROLS["d_in"].only(32, 64),), measure=measure, film=film, takeaway=takeaway, maths=maths, on_paper="trade",
    table=table, exports=lambda record, settings, lab: scripts(record, settings.experiment),
    question=Question(
        to_say("Which is the least rank shown that fits the samples themselves best?"),
        to_say(
            "A higher rank always fits the samples at least as well; past the truth's rank it is their noise it fits."
        ),
        _ask,
    ),
)  # fmt: skip
