"""What does a higher rank learn, and what does it forget? Clean error and ‖ΔW‖² over r, from few noisy samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment
from lora_viz.core.seeds import spread
from lora_viz.engine.regression import draw_samples, fit_all_ranks, stopped_early, teacher
from lora_viz.export.scripts.fits import rank_script
from lora_viz.export.scripts.script import Script, Scripts, stated
from lora_viz.film.panels import Curve, Curves, Film, Lines, Mark, Readout, Row, Series
from lora_viz.film.still import Drawn, still_curves
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say

__all__ = ["LearnsForgets", "film", "learns_forgets", "plot_learns_forgets", "scripts", "table", "takeaway"]

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
        rank=rank,
        excess=spread(excess, axis=0),
        forgets=spread(size, axis=0),
        train=spread(fits.train[:, rank] / fits.train[:, :1], axis=0),
        path=np.stack([np.median(on_the_way, axis=0), np.median(its_size, axis=0)]),
        matched=np.array([np.median(m) if len(m) else np.nan for m in (x[~np.isnan(x)] for x in matched.T)]),
        less=(size < matched).sum(axis=0),
        reached=np.isfinite(matched).sum(axis=0),
        best=rank[excess.argmin(axis=1)],
        stopped=spread(on_the_way.min(axis=1), axis=0),
        samples=e.samples,
        noise=e.noise,
        seeds=seeds,
    )


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
    return Film(
        axis=to_say("rank"),
        of_last=True,
        values=record.rank.astype(float),
        start=int(record.excess[1].argmin()),
        seconds_per_frame=0.7,
        narration=tuple(_narrate(record, t) for t in range(len(record.rank))),
        panels=(
            Lines(
                title=say("Error over r, in units of ‖ΔW*‖² (band: {seeds} seeds)", seeds=record.seeds),
                y_label=say("no update: target 1, source 0"),
                x_scale="log",
                span=6,
                series=(
                    Series(
                        name=say("on the new task:"),
                        colour="clean",
                        y=record.excess[1],
                        low=record.excess[0],
                        high=record.excess[2],
                        dots=True,
                    ),
                    Series(
                        name=say("added on the source task:"),
                        colour="W",
                        y=record.forgets[1],
                        low=record.forgets[0],
                        high=record.forgets[2],
                        dots=True,
                    ),
                ),
                marks=(Mark(at=float(best), label=f"r = {best}"),),
            ),
            Curves(
                title=say("Learnt against forgotten: LoRA by rank, full fine-tuning by time"),
                x=x,
                x_label=say("forgotten: ‖ΔW‖²"),
                y_label=say("error on the new task"),
                span=6,
                series=(
                    Curve(
                        name=say("LoRA, r = 1 to full"),
                        colour="delta",
                        y=np.where(inside, np.interp(x, record.forgets[1], record.excess[1]), np.nan),
                    ),
                    Curve(
                        name=say("full, stopped early"),
                        colour="faint",
                        y=np.where(x <= record.path[1, -1], np.interp(x, record.path[1], record.path[0]), np.nan),
                        dash="dash",
                    ),
                    Curve(name=say("this rank"), colour="ink", y=here, dots=True),
                ),
            ),
            Lines(
                title=say("On the samples themselves: it only falls"),
                y_label=say("squared error; no update: 1"),
                x_scale="log",
                reach=1.0,
                row=1,
                span=5,
                series=(
                    Series(
                        name=say("training error:"),
                        colour="ink",
                        y=record.train[1],
                        low=record.train[0],
                        high=record.train[2],
                        dots=True,
                    ),
                ),
            ),
            Readout(
                title=say("At this rank, median of {seeds} seeds", seeds=record.seeds),
                row=1,
                span=7,
                rows=(
                    Row(label=say("error on the new task"), text=_texts(record.excess[1]), colour="clean"),
                    Row(label=say("error added on the source task, ‖ΔW‖²"), text=_texts(record.forgets[1]), colour="W"),
                    Row(
                        label=say("full, stopped at the same error, forgets"),
                        text=tuple(
                            say(
                                "{forgets} (rank forgets less: {less} of {n})", forgets=number(float(m)), less=less, n=n
                            )
                            if n
                            else say("never gets there")
                            for m, less, n in zip(record.matched, record.less, record.reached, strict=True)
                        ),
                        colour="ink",
                    ),
                ),
            ),
        ),
    )


def _texts(values: Float[np.ndarray, "R"]) -> tuple[str, ...]:
    return tuple(number(float(v)) for v in values)


def _narrate(record: LearnsForgets, t: int) -> str:
    return say(
        "Rank {rank}: error on the new task {excess}, error added on the source task {forgets}.",
        rank=record.rank[t],
        excess=number(float(record.excess[1, t])),
        forgets=number(float(record.forgets[1, t])),
    )


def takeaway(record: LearnsForgets) -> str:
    """What was seen, in the run's own numbers."""
    at = int(record.excess[1].argmin())
    best, last = record.rank[at], record.rank[-1]
    hits = int((record.best == best).sum())
    said = [
        say(
            "In this experiment ({samples} samples, noise {noise}, {seeds} seeds) the error on the new task was least "
            "at r = {best}: {least}, against {at_one} at r = 1 and {at_last} at r = {last}; r = {best} was the best "
            "in {hits} seeds.",
            samples=record.samples,
            noise=number(record.noise),
            seeds=record.seeds,
            best=best,
            least=number(float(record.excess[1, at])),
            at_one=number(float(record.excess[1, 0])),
            at_last=number(float(record.excess[1, -1])),
            last=last,
            hits=hits,
        )
    ]
    if at == len(record.rank) - 1:
        said.append(say("There is no U here: the samples suffice for every rank."))
    first, end = number(float(record.forgets[1, 0])), number(float(record.forgets[1, -1]))
    if (np.diff(record.forgets[1]) > 0).all():
        said.append(say("What is forgotten grew with every step in r, from {first} to {end}.", first=first, end=end))
    else:
        said.append(say("What is forgotten grew with r on the whole, from {first} to {end}.", first=first, end=end))
    low, median, high = (number(float(x)) for x in record.stopped)
    said.append(
        say(
            "Full fine-tuning, stopped at its best moment, had error {median} ({low} to {high}).",
            median=median,
            low=low,
            high=high,
        )
    )
    comparable = np.flatnonzero(record.reached > record.seeds / 2)
    if len(comparable):
        i = int(comparable[0])
        said.append(
            say(
                "At the error of r = {rank} it forgot {full}, the rank {own}: the rank forgot less in {less} of "
                "{reached} seeds.",
                rank=record.rank[i],
                full=number(float(record.matched[i])),
                own=number(float(record.forgets[1, i])),
                less=record.less[i],
                reached=record.reached[i],
            )
        )
    under = [str(r) for r, x in zip(record.rank, record.excess[1], strict=True) if x < record.stopped[1]]
    if under and len(under) < len(record.rank):
        said.append(
            say("r = {ranks} went below that: there is no equal error at which to compare.", ranks=", ".join(under))
        )
    said.append(say("That a lower rank forgets less at the same skill is not a law."))
    return " ".join(said)


def table(record: LearnsForgets) -> dict[str, np.ndarray]:
    """Both errors by rank, as columns."""
    columns: dict[str, np.ndarray] = {"rank": record.rank}
    for name, values in (("excess", record.excess), ("forgets", record.forgets), ("train", record.train)):
        columns |= dict(zip((f"{name}_low", f"{name}_median", f"{name}_high"), values, strict=True))
    return columns | {"full_stopped_early_forgets": record.matched, "seeds_rank_forgets_less": record.less}


def plot_learns_forgets(record: LearnsForgets, *, theme: str = "light") -> go.Figure:
    """Learnt against forgotten: LoRA by rank, full fine-tuning by time."""
    return still_curves(
        [
            Drawn(say("LoRA, by rank"), "delta", record.forgets[1], record.excess[1], dots=True),
            Drawn(say("full, stopped early"), "faint", record.path[1], record.path[0], "dash"),
        ],
        title=say("Learnt against forgotten"),
        x=say("forgotten: ‖ΔW‖²/‖ΔW*‖²"),
        y=say("error on the new task"),
        theme=theme,
    )
