"""What gradient descent keeps: AAᵀ − BᵀB, exact in the limit of small steps, with a drift in proportion to η."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import log_slope, spread
from lora_viz.core.spectra import full_gradient
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, HeatMap, Lines, Readout, Row, Series, band
from lora_viz.film.spreads import ranged
from lora_viz.film.still import DASHES
from lora_viz.film.style import LETTERS, number, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import adapters_diverged, exactly, sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "PARTS", "Balance", "balance", "sweeps"]

PARTS = (1, 2, 4, 8)
PROPORTIONAL = (0.8, 1.25)  # the power of η that counts as proportional


class Balance(NamedTuple):
    """D = AAᵀ − BᵀB at equal times t = ηk for learning rates ``lr``, largest first; NaN after divergence.

    ``drift`` is ‖D − D₀‖/‖D₀‖ (lr, T), ``ends`` its value at the end, (low, median, high; lr) over the seeds. For the
    largest lr and the first seed: ``D``, the squared norms of A and B, and ``identity``, the largest entry
    of D_k − D_{k−1} − η²(∇A∇Aᵀ − ∇Bᵀ∇B)_{k−1} over ‖D₀‖, which is 0 up to rounding for plain gradient descent.
    """

    steps: Int[np.ndarray, "T"]
    lr: Float[np.ndarray, "L"]
    drift: Float[np.ndarray, "L T"]
    ends: Float[np.ndarray, "3 L"]
    D: Float[np.ndarray, "T r r"]
    norm_A: Float[np.ndarray, "T"]
    norm_B: Float[np.ndarray, "T"]
    identity: Float[np.ndarray, "T"]
    slope: float
    optimizer: str
    seeds: int
    diverged: int


def balance(runs: Iterable[Run]) -> Balance:
    """Compare runs that differ in lr and, in proportion, in steps; each holds several seeds and every step."""
    drift, ends, lr = [], [], []
    diverged = 0
    first: Run | None = None
    for run in runs:
        first = first or run
        coarse = len(first.steps) - 1
        stride = max(1, (len(run.steps) - 1) // max(coarse, 1))
        lr.append(run.experiment.lr)
        of_seeds = []
        for i in range(len(run.sweep)):
            D = _difference(run, i)[::stride]
            of_seeds.append(_norms(D - D[0]) / (_norms(D[:1]) or 1.0))
        drift.append(of_seeds[0])
        ends.append([x[-1] for x in of_seeds])
        diverged += int((run.diverged_at >= 0).sum())
    assert first is not None, "at least one run"
    e, alive = first.experiment, first.last() + 1
    D, A, B = _difference(first, 0), first.A[0], first.B[0]
    a, b = first.factored().gradients(full_gradient(first))
    step = a @ a.transpose(0, 2, 1) - b.transpose(0, 2, 1) @ b
    error = np.full(len(first.steps), np.nan)
    error[1:alive] = np.abs(np.diff(D, axis=0) - e.lr**2 * step[:-1]).max(axis=(1, 2))[: alive - 1]
    spreads = spread(np.array(ends).T, axis=0)
    return Balance(
        steps=first.steps, lr=np.array(lr), drift=np.stack(drift), ends=spreads, D=D,
        norm_A=np.where(np.isnan(D[:, 0, 0]), np.nan, np.sum(A**2, axis=(1, 2))),
        norm_B=np.where(np.isnan(D[:, 0, 0]), np.nan, np.sum(B**2, axis=(1, 2))),
        identity=error / (float(_norms(D[:1])[0]) or 1.0),
        slope=log_slope(np.array(lr), spreads[1]), optimizer=e.optimizer, seeds=len(ends[0]), diverged=diverged,
    )  # fmt: skip


def _difference(run: Run, i: int) -> Float[np.ndarray, "T r r"]:
    A, B = run.A[i], run.B[i]
    D = A @ A.transpose(0, 2, 1) - B.transpose(0, 2, 1) @ B
    D[run.last(i) + 1 :] = np.nan
    return D


def _norms(x: Float[np.ndarray, "T m n"]) -> Float[np.ndarray, "T"]:
    return np.sqrt(np.sum(x**2, axis=(1, 2)))


def film(record: Balance) -> Film:
    """The playhead runs over the time t = ηk: the drift at each lr, D itself, and the sizes it keeps apart."""
    known = record.D[~np.isnan(record.D[:, 0, 0])]
    limit = float(np.minimum(np.abs(known).max(initial=0.0), 10 * np.abs(record.D[0]).max() + 1e-12)) or 1.0
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=1 / 40,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Lines(
                "drift", say("Drift of AAᵀ − BᵀB, at equal times η·k"),
                y_label=say("‖D − D₀‖/‖D₀‖, log; strip: exactly 0"), scale="log", span=7,
                series=tuple(
                    Series(
                        f"lr_over_{record.lr[0] / lr:.0f}", f"η = {number(lr)}:", "ink", record.drift[i],
                        dash=DASHES[i % 4],
                    )
                    for i, lr in enumerate(record.lr)
                ),
            ),
            Curves(
                "drift_by_lr",
                say("Drift at the end against η: slope {slope}", slope=number(record.slope)),
                x=record.lr[::-1], x_label=say("learning rate η"), y_label="‖D − D₀‖/‖D₀‖", scale="log", x_scale="log",
                span=5,
                series=(
                    Curve(
                        "drift", say("median of {seeds} seeds", seeds=record.seeds), "ink",
                        **band(record.ends[:, ::-1]), dots=True,
                    ),
                ),
            ),
            HeatMap("difference", say("D = A Aᵀ − Bᵀ B, largest η"), "ink", record.D, limit=limit, row=1, span=3),
            Lines(
                "norms", say("Squared norms of A and B, largest η"), y_label=say("squared norm"), row=1, span=5,
                series=(
                    Series("a", "‖A‖²", "A", _calm(record.norm_A)),
                    Series("b", "‖B‖²", "B", _calm(record.norm_B)),
                    Series("difference", "‖A‖² − ‖B‖²", "ink", _calm(record.norm_A - record.norm_B), dash="dash"),
                ),
            ),
            Readout(
                "step",
                say("The step to here (D₋: before it), η = {lr}", lr=number(record.lr[0])),
                (
                    Row("norms", "‖A‖² − ‖B‖²", tuple(map(exactly, record.norm_A - record.norm_B))),
                    Row("drift", say("drift of D"), tuple(map(exactly, record.drift[0]))),
                    Row("identity", "D − D₋ − η²(∇A∇Aᵀ − ∇Bᵀ∇B)", tuple(map(exactly, record.identity))),
                ),
                row=1, span=4,
            ),
        ),
    )  # fmt: skip


def _calm(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    return np.where(np.abs(values) < 1e6, values, np.nan)


def _narrate(record: Balance, t: int) -> str:
    drift = record.drift[0, t]
    if np.isnan(drift):
        return say("Step {step}: training has diverged at the largest η.", step=record.steps[t])
    return say(
        "Step {step}: AAᵀ − BᵀB has drifted by {drift} at the largest η, by {least} at the smallest.",
        step=record.steps[t], drift=percent(float(drift)), least=percent(float(record.drift[-1, t])),
    )  # fmt: skip


@sentences
def takeaway(record: Balance) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if record.diverged:
        yield adapters_diverged(record.diverged, record.seeds * len(record.lr))
        return
    if len(record.steps) < 2:
        yield say("No step was taken, so nothing has drifted.")
        return
    median = record.ends[1]
    yield say(
        "In the same training time AAᵀ − BᵀB drifted by {median} at η = {lr} and by {least} at η = {least_lr} "
        "(medians).",
        median=percent(float(median[0])), lr=number(record.lr[0]), least=percent(float(median[-1])),
        least_lr=number(record.lr[-1]),
    )  # fmt: skip
    if record.optimizer == "sgd":
        yield say("The drift goes as η to the power {slope}.", slope=number(record.slope))
    else:
        yield say(
            "{optimizer} does not follow the gradient, and its drift goes as η to the power {slope}.",
            optimizer=_rule(record), slope=number(record.slope),
        )  # fmt: skip


@sentences
def detail(record: Balance) -> Iterator[str]:
    """The range over the seeds, and what each step adds."""
    if record.diverged or len(record.steps) < 2:
        return
    yield say(
        "Drift at the largest η, median and range of {seeds} seeds: {drift}.",
        seeds=record.seeds, drift=ranged(record.ends[:, 0], percent),
    )  # fmt: skip
    if record.optimizer == "sgd" and np.isfinite(record.identity).any():
        yield say(
            "Each step changed D by η²(∇A∇Aᵀ − ∇Bᵀ∇B), to within {worst} of the initial norm of D.",
            worst=number(float(np.nanmax(record.identity))),
        )


def _rule(record: Balance) -> str:
    return {"sgd": "SGD"}.get(record.optimizer, record.optimizer.capitalize())


def verdict(record: Balance) -> Verdict:
    """The drift at the end is proportional to η, from the largest to the smallest."""
    if record.diverged:
        return undecided(say("training diverged at some η"), diverged=record.diverged)
    median = record.ends[1]
    if not median.all():
        return undecided(say("nothing drifted"), largest=float(median[0]), smallest=float(median[-1]))
    power = math.log(median[0] / median[-1]) / math.log(record.lr[0] / record.lr[-1])
    evidence = {"largest": float(median[0]), "smallest": float(median[-1]), "power": power}
    told = say(
        "with {optimizer}, η {times:.0f} times smaller leaves a drift of {least} instead of {most}",
        optimizer=_rule(record), times=record.lr[0] / record.lr[-1], least=percent(float(median[-1])),
        most=percent(float(median[0])),
    )  # fmt: skip
    return (true_here if PROPORTIONAL[0] <= power <= PROPORTIONAL[1] else false_here)(told, **evidence)


def table(record: Balance) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    columns: dict[str, np.ndarray] = {"step_of_largest_lr": record.steps}
    columns |= {f"drift_lr_{lr:.4g}": record.drift[i] for i, lr in enumerate(record.lr)}
    return columns | {"norm_A_squared": record.norm_A, "norm_B_squared": record.norm_B, "identity": record.identity}


def maths(record: Balance) -> str:
    """Why gradient flow keeps the difference, and what one step of gradient descent adds to it."""
    return say(
        r"""
$$
\frac{{d}}{{dt}}{A}{A}^\top = \frac{{d}}{{dt}}{B}^\top{B} = -s\,({B}^\top {G} {A}^\top + {A} {G}^\top {B})
\quad\Rightarrow\quad D = {A}{A}^\top - {B}^\top{B} \ \text{{is constant under gradient flow}}
$$

A step of gradient descent adds $\eta^2(\nabla_{{{A}}}\nabla_{{{A}}}^\top - \nabla_{{{B}}}^\top\nabla_{{{B}}})$ to
$D$, exactly. Over a fixed time there are $1/\eta$ steps, so the drift is of order η. Adam follows another direction, so
neither holds for it. In the limit of small steps ${B}_0 = 0$ gives
${B}^\top{B} = {A}{A}^\top - {A}_0{A}_0^\top$. Here, with {optimizer}, $\|{A}\|^2 - \|{B}\|^2$ went from {first} to
{last} at the largest η. Many pairs $({B}Q, Q^{{-1}}{A})$ have the same product. For orthogonal $Q$ their $D$ is
the same up to a rotation, for other $Q$ it differs.""",
        **LETTERS,
        optimizer=_rule(record),
        first=number(record.norm_A[0] - record.norm_B[0]),
        last=number(record.norm_A[-1] - record.norm_B[-1]),
    )


def sweeps(e: Experiment) -> tuple[Sweep, ...]:
    """One sweep of eight starts a learning rate, each as far in time as the others."""
    return tuple(Sweep.over(replace(e, lr=e.lr / p, steps=e.steps * p), init_seed=range(8)) for p in PARTS)


def measure(settings: Settings, lab: Lab) -> Balance:
    """Train at smaller and smaller learning rates, every step recorded."""
    e = settings.experiment
    return balance(lab.train_each(sweeps(e), settings.device, records=e.steps * PARTS[-1] + 1))


def _ask(seen: Seen, _: Any) -> Measured:
    a, b = shown(seen.film, "norms", "a"), shown(seen.film, "norms", "b")
    at = first_place(np.abs(a - a[0]) >= np.abs(a[-1] - a[0]) / 2)
    step, grown = int(seen.film.values[at]), a[at] - a[0]
    told = say(
        "At step {step} ‖B‖² was {b}; ‖A‖² had changed by {change}.", step=step, b=word(b[at]), change=word(grown)
    )
    about = {"step": step, "a0": word(a[0]), "a": word(a[at]), "b0": word(b[0])}
    return Measured(float(b[at]), (a[at], b[0] + grown / 2, b[0] + grown**0.5, b[0] + grown), told, about)


LESSON = Lesson(
    hero="drift",
    id="balance", menu=to_say("Balance of A and B"),
    title=to_say("Balance of A and B: what is conserved during training?"),
    claim=to_say(
        "With gradient descent AAᵀ and BᵀB change by the same amount: AAᵀ − BᵀB keeps its value, apart from a drift "
        "proportional to η."
    ),
    place=100,
    default=Experiment(
        d_in=19, d_out=13, target_rank=3, rank=4, alpha=4.0, optimizer="sgd", lr=0.05, samples=64, steps=100,
    ),
    controls=(
        CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["lr"].only(0.01, 0.02, 0.05, 0.1, 0.2), CONTROLS["rank"],
        CONTROLS["init"].only("B_zero", "A_zero", "both_random"),
    ),
    more=tuple(CONTROLS[name] for name in ("alpha", "condition", "noise", "target_rank")),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail,
    maths=maths, on_paper="drift", table=table,
    exports=lambda record, settings, lab: sweeps(settings.experiment),
    question=Question(
        to_say("‖A‖² began at {a0} and ‖B‖² at {b0}. At step {step} ‖A‖² is {a}: what is ‖B‖²?"),
        to_say(
            "Gradient descent with small steps adds the same amount to both, so the trace of AAᵀ − BᵀB is kept. With "
            "Adam it is not."
        ),
        _ask,
    ),
)  # fmt: skip
