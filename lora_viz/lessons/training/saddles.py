"""When each direction of the target is learnt: one after another from a tiny start, closer together from LoRA's."""

from __future__ import annotations

from collections.abc import Iterable
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
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import adapters_diverged, step_or_never
from lora_viz.lessons.settings import Settings

__all__ = ["LESSON", "Saddles", "saddles"]

STARTS = ("both_random_small", "B_zero")
RECORDS = 201


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
            say("{start}: how much of each direction", start=_name(record.starts[at])),
            y_label=say("uᵢᵀ ΔW vᵢ; dotted i: half of σᵢ learnt, median"), x_scale="sqrt", reach=limit,
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
                "loss", say("Loss; dotted: so many are learnt"), y_label=say("loss, log"), scale="log", x_scale="sqrt",
                row=1, span=4,
                series=(
                    Series("loss", say("loss"), "ink", calm(record.loss[s])),
                    *(
                        Series(f"stair_{i}", f"{i}:", "faint", np.full(frames, floor), dash="dot")
                        for i, floor in enumerate(record.floors[: min(record.rank, k)])
                    ),
                ),
            ),
            HeatMap(
                "within", say("ΔW, from within"), "delta", record.mixing[s], limit=limit, caption=("Uᵀ ΔW V",), row=1,
                span=2,
            ),
            Curves(
                "cut", say("From (B, A) to (−B, −A)"), x=record.cut_at, x_label=say("× both"), y_label=say("loss"),
                row=1, span=3, series=(Curve("loss", say("loss"), "ink", calm(record.cut[s])),),
            ),
            Readout(
                "half_learnt", say("Half learnt, median of {seeds}", seeds=record.seeds),
                tuple(
                    Row(
                        f"direction_{i + 1}", f"σ{_low(i + 1)} = {number(record.sigma[i])}",
                        ("  ·  ".join(f"{_short(start)} {step_or_never(steps[1, i])}" for start, steps in halves),),
                        colour="delta",
                    )
                    for i in range(min(k, 6))
                ),
                row=1, span=3,
            ),
        ),
    )  # fmt: skip


def _name(start: str) -> str:
    named = {"both_random_small": say("Tiny start"), "B_zero": say("LoRA's start")}
    return named.get(start) or say("Start {name}", name=start)


def _short(start: str) -> str:
    return {"both_random_small": say("Tiny"), "B_zero": "LoRA"}.get(start, start)


def _low(i: int) -> str:
    return str(i).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def _narrate(record: Saddles, t: int) -> str:
    said = []
    for at, start in enumerate(record.starts):
        learnt, name = record.learnt[at, t], _name(start)
        done, k = int((learnt >= record.sigma / 2).sum()), len(record.sigma)
        said.append(
            say("{start}: diverged", start=name)
            if np.isnan(learnt).any()
            else say("{start}: {done} of {all} directions at least half learnt", start=name, done=done, all=k)
        )
    return say("Step {step}. {starts}.", step=record.steps[t], starts="; ".join(said))


def takeaway(record: Saddles) -> str:
    """What was seen, in the run's own numbers."""
    if record.diverged:
        return adapters_diverged(record.diverged, record.seeds * len(record.starts))
    can = min(record.rank, len(record.sigma))
    sigma, half = record.sigma[:can], record.half[:, :, :can]
    said = [say("In this experiment, median and range of {seeds} seeds:", seeds=record.seeds)]
    for start, times in zip(record.starts, half, strict=True):
        spans = ", ".join(
            ranged(found, step_or_never) if np.isfinite(found[0]) else step_or_never(found[1]) for found in times.T
        )
        said.append(say("{start}: half learnt at step {spans}.", start=_name(start), spans=spans))
    median = half[0, 1]
    if not (np.diff(sigma) < -1e-9).all():
        said.append(
            say("Equal singular values switch on together: no order, and the directions among them are arbitrary.")
        )
    elif np.isfinite(median).all() and len(sigma) > 1:
        said.append(say(
            "From the tiny start σ·t stays between {least} and {most}: a direction half as strong waits about twice "
            "as long.",
            least=number((sigma * median).min()), most=number((sigma * median).max()),
        ))  # fmt: skip
        other = half[-1, 1]
        if len(half) > 1 and np.isfinite(other).all():
            share = number(1 / ((median[-1] - median[0]) / max(other[-1] - other[0], 1e-9)))
            said.append(say("LoRA's start passes the same stairs in {share} of the time between them.", share=share))
    elif not np.isfinite(median).all():
        said.append(say("More steps would show the directions that are still missing."))
    if record.rank < len(record.sigma):
        said.append(say("Rank {rank} ends on the {rank} strongest; the others are never learnt.", rank=record.rank))
    return " ".join(said)


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

With distinct $\sigma$ the critical points are the sets of directions that are learnt whole, the others not at all;
their losses are $\tfrac12\sum_{{i \notin S}} \sigma_i^2$. Only the $r$ strongest are a minimum; every other set is a
**strict saddle**: some direction leads down (Baldi & Hornik 1989). So no start gets stuck for ever but one that lies
exactly on a saddle, ${A} = {B} = 0$ above all. The first 0, 1, … directions give {stairs}. This is for round inputs
and no noise; at the minimum SGD needs $\eta < 1/(s\,\sigma_1)$ = {limit}.
Waiting grows with
the logarithm of how tiny the start is: LoRA's has ${B} = 0$ but an ${A}$ that is not small, so it waits less. In
${dW}$ the loss is convex; in the factors it is not: $({B}, {A})$ and $(-{B}, -{A})$ give one ${dW}$, and the hump
between them is {hump} high.""",
        **LETTERS, M="M", stairs=", ".join(map(number, record.floors)),
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
    id="saddles", menu=to_say("Saddle to saddle"), title=to_say("Saddle to saddle: what is learnt first?"),
    claim=to_say(
        "From a tiny start the strongest direction of the target switches on first, then the next: between them the "
        "loss rests near a saddle. LoRA's own start presses the stairs together."
    ),
    place=90,
    default=Experiment(
        target_rank=4, spectrum="geometric", target_condition=8.0, rank=4, alpha=1.0, scaling_rule="constant",
        init="both_random_small", optimizer="sgd", lr=0.05, samples=64, steps=500,
    ),
    controls=(
        Choice(
            id="init", label=to_say("Start, below"), options=("both_random_small", "B_zero"),
            help=to_say("Whose loss and ΔW are shown below: both factors of size 10⁻³, or LoRA's own."),
        ),
        CONTROLS["spectrum"].only("geometric", "power", "flat"), CONTROLS["target_rank"].only(1, 2, 3, 4, 5, 6),
        CONTROLS["rank"], CONTROLS["lr"].only(0.01, 0.02, 0.05, 0.1, 0.2),
    ),
    more=(CONTROLS["alpha"].only(1.0, 2.0, 4.0), CONTROLS["steps"]),
    measure=measure, film=film, takeaway=takeaway, maths=maths, on_paper="directions_both_random_small", table=table,
    exports=lambda record, settings, lab: (sweep(settings.experiment),),
    question=Question(
        to_say(
            "From the tiny start the strongest direction is half learnt at step {now}. Start with factors a tenth as "
            "large: at which step is it then?"
        ),
        to_say(
            "It grows by a factor at every step: a tenth of the start costs a few more steps, not ten times as many."
        ),
        _ask, _tinier,
    ),
)  # fmt: skip
