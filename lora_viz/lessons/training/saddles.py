"""When each direction of the target is learnt: from a very small initialisation and from LoRA's default."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import first_below, spread
from lora_viz.engine.training import train
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.spreads import ranged
from lora_viz.film.still import DASHES
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import adapters_diverged, sentences, step_or_never
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "Saddles", "saddles"]

STARTS = ("both_random_small", "B_zero")
RECORDS = 201
DISTINCT = 1e-9


class Saddles(NamedTuple):
    """How much of each of the target's k first directions is learnt: c_i = u_iᵀ ΔW v_i, for a tiny start and LoRA's.

    ``half`` is the step at which c_i reaches σ_i/2, (start, low-median-high over the seeds, i); ``learnt`` and
    ``mixing``, ΔW in the target's directions, are the first seed's, (start, T, …). ``floors`` are the losses of the
    critical points at which the first 0, 1, … directions are learnt and no other: saddles all but the last. ``cut`` is
    the loss on the straight line from (B, A), at 1, through (0, 0) to (−B, −A), at −1, whose update is the same.
    """

    steps: Int[np.ndarray, "T"]
    starts: tuple[str, ...]
    sigma: Float[np.ndarray, "k"]
    learnt: Float[np.ndarray, "S T k"]
    mixing: Float[np.ndarray, "S T k k"]
    loss: Float[np.ndarray, "S T"]
    floors: Float[np.ndarray, "k_and_1"]
    half: Float[np.ndarray, "S 3 k"]
    cut_at: Float[np.ndarray, "P"]
    cut: Float[np.ndarray, "S T P"]
    rank: int
    seeds: int
    shown: int
    diverged: int


def saddles(runs: Iterable[Run], *, shown: str = "both_random_small") -> Saddles:
    """Follow the target's directions through a sweep over init and init_seed, on round inputs without noise."""
    (run,) = runs
    e, task = run.experiment, run.task
    k = min(max(e.true_rank, 1), 6)
    left, sigma, right = np.linalg.svd(task.target_delta)
    u, v, sigma = left[:, :k], right[:k].T, sigma[:k]
    starts = tuple(dict.fromkeys(x.init for x in run.sweep.experiments))
    half, learnt, mixing, loss, cut = [], [], [], [], []
    cut_at = np.linspace(-1.2, 1.2, 49)
    for start in starts:
        members = [i for i, x in enumerate(run.sweep.experiments) if x.init == start]
        times = []
        for i in members:
            s = run.sweep[i].scaling
            along = s * np.einsum("tkr,trk->tk", u.T @ run.B[i], run.A[i] @ v)
            along[run.last(i) + 1 :] = np.nan
            times.append(first_below(run.steps.astype(float), sigma - along, sigma / 2))
            if i == members[0]:
                inside = s * (u.T @ run.B[i]) @ (run.A[i] @ v)
                inside[run.last(i) + 1 :] = np.nan
                learnt.append(along)
                mixing.append(inside)
                loss.append(run.loss[:, i])
                delta = run.delta_weight(i)
                size, along_M = np.sum(delta**2, axis=(1, 2)), np.sum(delta * task.target_delta, axis=(1, 2))
                line = cut_at**4 * size[:, None] - 2 * cut_at**2 * along_M[:, None] + np.sum(task.target_delta**2)
                line[run.last(i) + 1 :] = np.nan
                cut.append(line / 2)
        half.append(spread(np.stack(times), axis=0))
    energy = np.linalg.svd(task.target_delta, compute_uv=False) ** 2
    return Saddles(
        steps=run.steps, starts=starts, sigma=sigma, learnt=np.stack(learnt), mixing=np.stack(mixing),
        loss=np.stack(loss), floors=np.array([0.5 * energy[i:].sum() for i in range(k + 1)]), half=np.stack(half),
        cut_at=cut_at, cut=np.stack(cut), rank=e.rank, seeds=len(run.sweep) // len(starts),
        shown=starts.index(shown) if shown in starts else 0, diverged=int((run.diverged_at >= 0).sum()),
    )  # fmt: skip


def film(record: Saddles) -> Film:
    """The playhead runs over the steps: the directions of both starts, the loss on its stairs, ΔW from within."""
    s, k = record.shown, len(record.sigma)
    limit = float(record.sigma[0]) or 1.0

    halves = list(zip(record.starts, record.half, strict=True))

    def directions(at: int) -> Lines:
        return Lines(
            f"directions_{record.starts[at].lower()}",
            say("Learnt of each direction: {start}", start=_name(record.starts[at])),
            y_label=say("uᵢᵀ ΔW vᵢ; dotted: half of σᵢ learnt, median"), x_scale="sqrt", reach=limit,
            span=12 // len(record.starts),
            series=tuple(
                Series(
                    f"direction_{i + 1}", say("direction {i}:", i=i + 1), "delta",
                    np.clip(record.learnt[at, :, i], -9 * limit, 9 * limit), dash=DASHES[i % 4],
                )
                for i in range(k)
            ),
            marks=tuple(
                Mark(f"half_{i + 1}", float(record.half[at, 1, i]), str(i + 1))
                for i in range(k)
                if np.isfinite(record.half[at, 1, i])
            ),
        )  # fmt: skip

    frames, most = len(record.steps), 9 * record.floors[0] + 1

    def calm(loss: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        return np.where(loss < most, loss, np.nan)

    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float), start=frames - 1,
        seconds_per_frame=1 / 25,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            *(directions(at) for at in range(len(record.starts))),
            Lines(
                "loss", say("Loss; dotted: 0, 1, … directions learnt"), y_label=say("loss, log"), scale="log",
                x_scale="sqrt", row=1, span=4,
                series=(
                    Series("loss", say("loss"), "ink", calm(record.loss[s])),
                    *(
                        Series(f"stair_{i}", f"{i}:", "faint", np.full(frames, floor), dash="dot")
                        for i, floor in enumerate(record.floors[: min(record.rank, k)])
                    ),
                ),
            ),
            HeatMap(
                "within", say("ΔW in the target's directions"), "delta", record.mixing[s], limit=limit,
                caption=("Uᵀ ΔW V",), row=1, span=2,
            ),
            Curves(
                "cut", say("Straight line from (B, A) to (−B, −A)"), x=record.cut_at,
                x_label=say("factor on A and B"), y_label=say("loss"),
                row=1, span=3, series=(Curve("loss", say("loss"), "ink", calm(record.cut[s])),),
            ),
            Readout(
                "half_learnt", say("Half learnt, median of {seeds}", seeds=record.seeds),
                tuple(
                    Row(
                        f"direction_{i + 1}", f"σ{_low(i + 1)} = {number(record.sigma[i])}",
                        ("; ".join(f"{_short(start)}: {step_or_never(steps[1, i])}" for start, steps in halves),),
                        colour="delta",
                    )
                    for i in range(min(k, 6))
                ),
                row=1, span=3,
            ),
        ),
    )  # fmt: skip


def _name(start: str) -> str:
    named = {"both_random_small": say("very small initialisation"), "B_zero": say("LoRA default")}
    return named.get(start) or start


def _short(start: str) -> str:
    return {"both_random_small": say("very small"), "B_zero": say("default")}.get(start, start)


def _low(i: int) -> str:
    return str(i).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _narrate(record: Saddles, t: int) -> str:
    said = []
    for at, start in enumerate(record.starts):
        learnt, name = record.learnt[at, t], _name(start)
        done, k = int((learnt >= record.sigma / 2).sum()), len(record.sigma)
        said.append(
            say("{start} diverged", start=name)
            if np.isnan(learnt).any()
            else say("{start} {done} of {all}", start=name, done=done, all=k)
        )
    return say("Step {step}. Directions at least half learnt: {starts}.", step=record.steps[t], starts=", ".join(said))


@sentences
def takeaway(record: Saddles) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if record.diverged:
        yield adapters_diverged(record.diverged, record.seeds * len(record.starts))
        return
    can = min(record.rank, len(record.sigma))
    medians = record.half[:, 1, :can]
    small, default = medians[0], medians[-1]
    if not np.isfinite(medians).all():
        yield say(
            "Directions half learnt within {steps} steps: {small} of {all} from the very small initialisation, "
            "{default} from LoRA's default (medians).",
            steps=record.steps[-1], small=int(np.isfinite(small).sum()), default=int(np.isfinite(default).sum()),
            all=len(record.sigma),
        )  # fmt: skip
    elif can == 1:
        yield say(
            "The strongest direction was half learnt at step {small} from the very small initialisation, at step "
            "{default} from LoRA's default (medians of {seeds} seeds).",
            small=step_or_never(small[0]), default=step_or_never(default[0]), seeds=record.seeds,
        )  # fmt: skip
    else:
        yield say(
            "From the very small initialisation, directions 1 to {can} were half learnt between steps {first} and "
            "{last}; from LoRA's default, between {first_default} and {last_default} (medians).",
            can=can, first=step_or_never(small.min()), last=step_or_never(small.max()),
            first_default=step_or_never(default.min()), last_default=step_or_never(default.max()),
        )  # fmt: skip
    if can > 1 and not _distinct(record):
        yield say("The singular values are equal, so no direction comes first.")
    if record.rank < len(record.sigma):
        yield say("With r = {rank} no further direction is learnt.", rank=record.rank)


def _distinct(record: Saddles) -> bool:
    can = min(record.rank, len(record.sigma))
    return bool((np.diff(record.sigma[:can]) < -DISTINCT).all())


@sentences
def detail(record: Saddles) -> Iterator[str]:
    """Every direction's step with its range, and how the wait depends on σ."""
    if record.diverged:
        return
    can = min(record.rank, len(record.sigma))
    for start, times in zip(record.starts, record.half[:, :, :can], strict=True):
        spans = "; ".join(
            ranged(found, step_or_never) if np.isfinite(found[0]) else step_or_never(found[1]) for found in times.T
        )
        yield say(
            "Steps at which the directions were half learnt, median and range of {seeds} seeds, {start}: {spans}.",
            seeds=record.seeds, start=_name(start), spans=spans,
        )  # fmt: skip
    median, sigma = record.half[0, 1, :can], record.sigma[:can]
    if can > 1 and _distinct(record) and np.isfinite(median).all():
        yield say(
            "From the very small initialisation, σ times the step stayed between {least} and {most}.",
            least=number((sigma * median).min()), most=number((sigma * median).max()),
        )  # fmt: skip


def verdict(record: Saddles) -> Verdict:
    """From the very small initialisation one direction after the other; from LoRA's default in less time."""
    can = min(record.rank, len(record.sigma))
    small, default = record.half[0, 1, :can], record.half[-1, 1, :can]
    evidence = {"small": small.tolist(), "default": default.tolist()}
    if record.diverged:
        return undecided(say("some adapters diverged"), **evidence)
    if can < 2:
        return undecided(say("only one direction can be learnt"), **evidence)
    if not _distinct(record):
        return false_here(say("the singular values are equal, so no direction comes first"), **evidence)
    if not np.isfinite(np.append(small, default)).all():
        return undecided(
            say("not every direction was half learnt in {steps} steps", steps=record.steps[-1]), **evidence
        )
    if (np.diff(small) <= 0).any():
        return false_here(say("a weaker direction was half learnt before a stronger one"), **evidence)
    slow, fast = float(small[-1] - small[0]), float(default.max() - default.min())
    told = say(
        "from the first direction to the last it took {slow} steps, with LoRA's default {fast}",
        slow=step_or_never(slow), fast=step_or_never(fast),
    )  # fmt: skip
    return (true_here if fast < slow else false_here)(told, **evidence)


def table(record: Saddles) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    columns: dict[str, np.ndarray] = {"step": record.steps}
    for at, start in enumerate(record.starts):
        columns |= {f"{start}_direction_{i + 1}": record.learnt[at, :, i] for i in range(len(record.sigma))}
        columns[f"{start}_loss"] = record.loss[at]
    return columns


def maths(record: Saddles, settings: Settings) -> str:
    """How fast a direction grows, and the critical points between."""
    return say(
        r"""
$$
L = \tfrac12\|s{B}{A} - {M}\|_F^2: \quad
\dot c_i \approx 2 s\,\sigma_i\,c_i \ \text{{ while }}\ c_i = u_i^\top {dW} v_i \ \text{{ is small}}
\quad\Rightarrow\quad \sigma_i\, t_i \approx \text{{const}}
$$

This is for isotropic inputs and no noise. If the $\sigma_i$ are distinct, then at each critical point some set $S$ of
directions is learnt completely and the others not at all, with the loss $\tfrac12\sum_{{i \notin S}} \sigma_i^2$. Only
the $r$ strongest are a minimum. Every other set is a **strict saddle**, from which some direction leads down (Baldi &
Hornik 1989), so gradient descent stays there only if it starts exactly on it or on a path into it, as at
${A} = {B} = 0$. With the first 0, 1, … directions learnt the losses are {stairs}. At the minimum SGD needs about
$\eta < 1/(s\,\sigma_1)$ = {limit}. The time until a direction is learnt grows with the logarithm of how small the
initialisation is. LoRA's default has ${B} = 0$ but an ${A}$ that is not small, so it takes less time. In ${dW}$ the
loss is convex, in the factors it is not: $({B}, {A})$ and $(-{B}, -{A})$ give one ${dW}$, and on the straight line
between them, at 0, the loss is {hump}. For an even $r$ a rotation of the factors joins them without any barrier.""",
        **LETTERS, M="M", stairs=listed(map(number, record.floors)),
        limit=number(1 / (settings.experiment.scaling * record.sigma[0])), hump=number(record.floors[0]),
    )  # fmt: skip


def sweep(e: Experiment) -> Sweep:
    """The tiny start and LoRA's own, eight seeds each."""
    return Sweep.over(replace(e, init=STARTS[0]), init=STARTS, init_seed=range(8))


def measure(settings: Settings, lab: Lab) -> Saddles:
    """Train both starts, and follow the target's directions through them."""
    e = settings.experiment
    return saddles(lab.train_each((sweep(e),), settings.device, records=RECORDS), shown=e.init)


def _tinier(e: Experiment, _: Any) -> tuple[float, float]:
    """The step at which the strongest direction is half learnt, from the tiny start and from a tenth of it."""
    runs = (train(sweep(replace(e, init_scale=scale)), records=RECORDS) for scale in (1.0, 0.1))
    now, then = (float(saddles((run,)).half[0, 1, 0]) for run in runs)
    return now, then


def _ask(_: Seen, found: Any) -> Measured:
    now, then = found
    told = say("It was half learnt at step {then}, median of 8 seeds.", then=word(then))
    return Measured(then, (now, 10 * now, 100 * now), told, {"now": word(now)})


LESSON = Lesson(
    hero="directions_both_random_small",
    id="saddles", menu=to_say("Order of learning"),
    title=to_say("Order of learning: what is learnt first, saddle to saddle?"),
    claim=to_say(
        "From a very small initialisation the strongest direction of the target is learnt first, then the next; with "
        "LoRA's default the plateaus between are shorter."
    ),
    place=90,
    default=Experiment(
        target_rank=4, spectrum="geometric", target_condition=8.0, rank=4, alpha=1.0, scaling_rule="constant",
        init="both_random_small", optimizer="sgd", lr=0.05, samples=64, steps=500,
    ),
    controls=(
        Choice(
            id="init", label=to_say("Initialisation shown below"), options=("both_random_small", "B_zero"),
            help=to_say(
                "The run whose loss and ΔW are shown below: both factors random and very small, or LoRA's default."
            ),
        ),
        CONTROLS["spectrum"].only("geometric", "power", "flat"), CONTROLS["target_rank"].only(1, 2, 3, 4, 5, 6),
        CONTROLS["rank"], CONTROLS["lr"].only(0.01, 0.02, 0.05, 0.1, 0.2),
    ),
    more=(CONTROLS["alpha"].only(1.0, 2.0, 4.0), CONTROLS["steps"]),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail,
    maths=maths, on_paper="directions_both_random_small", table=table,
    exports=lambda record, settings, lab: (sweep(settings.experiment),),
    question=Question(
        to_say(
            "From the very small initialisation, the strongest direction is half learnt at step {now}. At which step "
            "is it half learnt if the initial factors are a tenth as large?"
        ),
        to_say(
            "While small it grows by a constant factor per step. A tenth of the initial value therefore takes a fixed "
            "number of steps more, not ten times as many."
        ),
        _ask, _tinier,
    ),
)  # fmt: skip
