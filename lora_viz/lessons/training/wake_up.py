"""When A starts to learn: the norm of ∇A over the first steps, what a formula predicts, and how it depends on s."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import log_slope, spread
from lora_viz.core.spectra import full_gradient
from lora_viz.engine.training import train
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Lines, Mark, Readout, Row, Series, band
from lora_viz.film.spreads import ranged
from lora_viz.film.still import DASHES
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import adapters_diverged, exactly, sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "WakeUp", "wake_up"]

EQUAL = 0.05  # how far the second growth of ‖∇A‖ may differ from the first
FOURFOLD = 0.1  # how far the effect of twice the s may differ from s²
STROKES = {"half": DASHES[3], "whole": DASHES[0], "twice": DASHES[2]}  # of the scaling


class WakeUp(NamedTuple):
    """‖∇A‖ at each step for scalings ``s`` from B = 0, and what the law says: (s, T), the first seed's.

    With h_k = Σ_{j<k} η_j the law is h_k·s²‖A₀G₀ᵀG₀‖ for SGD and h_k·s·‖sign(A₀G₀ᵀ)G₀‖ for Adam. ``first`` is ‖∇A‖ at
    the first step where it is not 0, ``first_B`` ‖∇B‖ at step 0, both (low, median, high; s) over the seeds; ``holds``
    is the last step, for the scaling ``shown``, before which the law was never 1 % wrong, (low, median, high).
    """

    steps: Int[np.ndarray, "T"]
    s: Float[np.ndarray, "S"]
    grad_A: Float[np.ndarray, "S T"]
    grad_B: Float[np.ndarray, "S T"]
    law: Float[np.ndarray, "S T"]
    first: Float[np.ndarray, "3 S"]
    first_B: Float[np.ndarray, "3 S"]
    holds: Float[np.ndarray, "3"]
    wakes: int
    shown: int
    optimizer: str
    seeds: int
    diverged: int


def wake_up(runs: Iterable[Run], *, shown: float) -> WakeUp:
    """Read the law off one sweep over alpha and init_seed whose factors start at B = 0, every step recorded."""
    (run,) = runs
    e = run.experiment
    alphas = sorted({x.alpha for x in run.sweep.experiments})
    moved = np.array([min(1.0, k / e.warmup) if e.warmup else 1.0 for k in range(len(run.steps))])
    travelled = e.lr * e.lr_ratio * np.concatenate([[0.0], np.cumsum(moved)[:-1]])
    rows, laws, others, first, first_B, holds = [], [], [], [], [], []
    wakes = 0
    for alpha in alphas:
        members = [i for i, x in enumerate(run.sweep.experiments) if x.alpha == alpha]
        law = np.stack([travelled * _rate(run, i) for i in members])
        found = run.grad_A_norm[:, members].T
        rows.append(found[0])
        laws.append(law[0])
        others.append(run.grad_B_norm[:, members[0]])
        awake = np.flatnonzero(found[0] > 0)
        wakes = int(awake[0]) if len(awake) else 0
        first.append(found[:, wakes])
        first_B.append(run.grad_B_norm[0, members])
        if alpha == shown:
            holds = [_holds(a, b) for a, b in zip(found, law, strict=True)]
    return WakeUp(
        steps=run.steps,
        s=np.array([next(x.scaling for x in run.sweep.experiments if x.alpha == alpha) for alpha in alphas]),
        grad_A=np.stack(rows), grad_B=np.stack(others), law=np.stack(laws), first=spread(np.array(first).T, axis=0),
        first_B=spread(np.array(first_B).T, axis=0), holds=spread(np.array(holds, dtype=float), axis=0), wakes=wakes,
        shown=alphas.index(shown), optimizer=e.optimizer, seeds=len(run.sweep) // len(alphas),
        diverged=int((run.diverged_at >= 0).sum()),
    )  # fmt: skip


def _rate(run: Run, i: int) -> float:
    """What one step of length 1 on B adds to ‖∇A‖, from the gradient at step 0."""
    e, A, G = run.sweep[i], run.A[i][0], full_gradient(run, i)[0]
    if e.optimizer == "sgd":
        return float(e.scaling**2 * np.linalg.norm(A @ G.T @ G))
    return float(abs(e.scaling) * np.linalg.norm(np.sign(A @ G.T) @ G))


def _holds(found: Float[np.ndarray, "T"], law: Float[np.ndarray, "T"]) -> float:
    wrong = np.flatnonzero(~(np.abs(found - law) <= 0.01 * law))
    return float(wrong[0] - 1 if len(wrong) else len(law) - 1)


def film(record: WakeUp) -> Film:
    """The playhead runs over the steps: ‖∇A‖ and its law, their ratio, and both gradients against s."""
    k = record.shown
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(record.law[k] > 0, record.grad_A[k] / record.law[k], np.nan)
    slope_A, slope_B = (log_slope(record.s, x[1]) for x in (record.first, record.first_B))
    holds = float(record.holds[1])
    order = np.argsort(record.s)
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=min(record.wakes, len(record.steps) - 1), seconds_per_frame=1 / 15,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Lines(
                "grad_a",
                say("‖∇A‖ from B = 0, measured, and the formula for s = {s}", s=number(record.s[k])),
                y_label=say("‖∇A‖, log; strip: exactly 0"), scale="log", x_scale="sqrt", span=7,
                series=(
                    *(
                        Series(id, f"s = {number(s)}:", "A", found, dash=dash)
                        for (id, dash), s, found in zip(STROKES.items(), record.s, record.grad_A, strict=True)
                    ),
                    Series("law", say("formula:"), "faint", record.law[k], dash="dash"),
                ),
            ),
            Curves(
                "by_scaling",
                say(
                    "Against s: ‖∇A‖ at its first step, slope {slope_A}; ‖∇B‖, {slope_B}",
                    slope_A=number(slope_A), slope_B=number(slope_B),
                ),
                x=record.s[order], x_label=say("scaling s"), y_label=say("Frobenius norm"), scale="log", x_scale="log",
                span=5,
                series=tuple(
                    Curve(id, name, colour, **band(values[:, order]), dots=True)
                    for id, name, colour, values in (
                        ("grad_a", say("‖∇A‖ at step {step}", step=record.wakes), "A", record.first),
                        ("grad_b", say("‖∇B‖ at step 0"), "B", record.first_B),
                    )
                ),
            ),
            Lines(
                "ratio", say("Measured / formula, s = {s}", s=number(record.s[k])), y_label=say("ratio"),
                x_scale="sqrt", reach=1.2, row=1, span=7,
                series=(
                    Series("ratio", say("‖∇A‖ / formula"), "A", np.where(ratio < 9, ratio, np.nan)),
                    Series("law", say("formula"), "faint", np.ones(len(ratio)), dash="dash"),
                ),
                marks=(Mark("holds", holds, say("within 1 % until {step}", step=number(holds))),) if holds > 0 else (),
            ),
            Readout(
                "gradients", say("At this step, s = {s}", s=number(record.s[k])),
                (
                    Row("grad_a", say("‖∇A‖ measured"), tuple(map(exactly, record.grad_A[k])), colour="A"),
                    Row("law", say("‖∇A‖ by the formula"), tuple(map(exactly, record.law[k]))),
                    Row("grad_b", say("‖∇B‖ measured"), tuple(map(exactly, record.grad_B[k])), colour="B"),
                ),
                row=1, span=5,
            ),
        ),
    )  # fmt: skip


def _narrate(record: WakeUp, t: int) -> str:
    found = record.grad_A[record.shown, t]
    if np.isnan(found):
        return say("Step {step}: training has diverged.", step=record.steps[t])
    if found == 0:
        return say("Step {step}: ∇A is exactly 0 because B is 0.", step=record.steps[t])
    return say(
        "Step {step}: ‖∇A‖ is {found}; the formula gives {law}.",
        step=record.steps[t], found=number(found), law=number(record.law[record.shown, t]),
    )  # fmt: skip


@sentences
def takeaway(record: WakeUp) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if record.diverged:
        yield adapters_diverged(record.diverged, record.seeds * len(record.s))
        return
    if not record.grad_A.any():
        yield say("∇A stayed exactly 0, because B did not move.")
        return
    without = say("step 0") if record.wakes == 1 else say("steps 0 to {last}", last=record.wakes - 1)
    yield say("‖∇A‖ was exactly 0 at {without}.", without=without)
    if record.holds[1] < record.wakes:
        yield say("Even the first ‖∇A‖ after that is more than 1 % off the formula: lower η or s.")
    else:
        yield say(
            "After that the formula was accurate to 1 % until step {median:.0f} (median of {seeds} seeds).",
            median=record.holds[1], seeds=record.seeds,
        )  # fmt: skip
    k = record.shown
    yield say(
        "Doubling s multiplied the first ‖∇B‖ by {B} and the first ‖∇A‖ by {A} (medians).",
        B=number(record.first_B[1, k + 1] / record.first_B[1, k]),
        A=number(record.first[1, k + 1] / record.first[1, k]),
    )  # fmt: skip


@sentences
def detail(record: WakeUp) -> Iterator[str]:
    """The range over the seeds, and the powers of s."""
    if record.diverged or not record.grad_A.any():
        return
    yield say(
        "Last step at which the formula is accurate to 1 %, median and range of {seeds} seeds: {steps}.",
        seeds=record.seeds, steps=ranged(np.maximum(record.holds, 0)),
    )  # fmt: skip
    yield say(
        "From half to twice the s, ‖∇B‖ at step 0 goes as s to the power {slope_B}, the first ‖∇A‖ as s to the power "
        "{slope_A}.",
        slope_B=number(log_slope(record.s, record.first_B[1])), slope_A=number(log_slope(record.s, record.first[1])),
    )  # fmt: skip
    if record.optimizer != "sgd":
        yield say("Adam's first step on B has the same length for any s.")


def verdict(record: WakeUp, settings: Settings) -> Verdict:
    """∇A is 0 at first, grows as much in the second step as in the first, and with SGD fourfold at twice s."""
    if record.diverged:
        return undecided(say("some adapters diverged"), diverged=record.diverged)
    k, found = record.shown, record.grad_A[record.shown]
    if not found.any() or len(found) < 3:
        return undecided(say("∇A stayed exactly 0"))
    warmup = settings.experiment.warmup
    if warmup:
        return false_here(
            say("during the warm-up η grows, so ‖∇A‖ grows by more at every step"), zero=float(found[0]),
            first=float(found[record.wakes]),
        )  # fmt: skip
    grown = float((found[2] - found[1]) / found[1])
    times = float(record.first[1, k + 1] / record.first[1, k])
    evidence = {"zero": float(found[0]), "second_over_first": grown, "times": times}
    if abs(grown - 1) > EQUAL:
        return false_here(
            say("‖∇A‖ is {one} at step 1 and {two} at step 2: the steps are too long", one=number(found[1]),
                two=number(found[2])), **evidence,
        )  # fmt: skip
    if record.optimizer == "sgd" and abs(times - 4) > 4 * FOURFOLD:
        return false_here(
            say("doubling s multiplied the first ‖∇A‖ by {times}, not by 4", times=number(times)), **evidence
        )  # fmt: skip
    return true_here(
        say("‖∇A‖ is 0, then {one}, then {two}, and doubling s multiplied the first of them by {times}",
            one=number(found[1]), two=number(found[2]), times=number(times)), **evidence,
    )  # fmt: skip


def table(record: WakeUp) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    columns: dict[str, np.ndarray] = {"step": record.steps}
    for i, s in enumerate(record.s):
        columns |= {
            f"grad_A_s{s:g}": record.grad_A[i],
            f"law_s{s:g}": record.law[i],
            f"grad_B_s{s:g}": record.grad_B[i],
        }
    return columns


def maths(record: WakeUp, settings: Settings) -> str:
    """The first steps in closed form, and the formula next to what was measured."""
    e, at = settings.experiment, record.wakes
    return say(
        r"""
$$
{B}_1 = -\eta s\,{G}_0{A}_0^\top, \qquad
\nabla_{{{A}}}\big|_1 = -\eta s^2\,{A}_0 {G}_0^\top {G}_1, \qquad
\|\nabla_{{{A}}}\|_k \approx k\,\eta\, s^2\, \|{A}_0 {G}_0^\top {G}_0\|
$$

Here η is the learning rate of ${B}$, {lr_B}. The first two are exact for SGD from ${B}_0 = 0$ without warm-up. The
third holds while $k$ steps have hardly changed ${G}$ and ${A}$. With Adam the first step is
$-\eta\,\mathrm{{sign}}({G}_0{A}_0^\top)$ for any $s$, and the third formula becomes
$k\,\eta\,s\,\|\mathrm{{sign}}({A}_0{G}_0^\top)\,{G}_0\|$. With a warm-up the sum of the learning rates so far replaces
$k\,\eta$; the first of them is 0, so ${A}$ gets its gradient one step later. At step {at} the formula for
{optimizer} gives {law}, and {grad_A} was measured. With SGD a step from ${B} = 0$ moves the layer by
$-\eta s^2\,{G}_0{A}_0^\top{A}_0$. Averaged over Kaiming's ${A}$, this is a step of full fine-tuning with the learning
rate $\eta s^2 r/(3 d_\mathrm{{in}})$ = {lr}. $W$ does not appear in these formulas, but ${G}$ depends on it, because
the residual is the label minus what $W$ gives.""",
        **LETTERS, at=at, law=number(record.law[record.shown, at]), grad_A=number(record.grad_A[record.shown, at]),
        lr=number(e.lr * e.lr_ratio * e.scaling**2 * e.rank / (3 * e.d_in)), lr_B=number(e.lr * e.lr_ratio),
        optimizer={"sgd": "SGD"}.get(e.optimizer, e.optimizer.capitalize()),
    )  # fmt: skip


def sweep(e: Experiment) -> Sweep:
    """Half, the whole and twice the scaling, eight seeds each."""
    return Sweep.over(e, alpha=(e.alpha / 2, e.alpha, 2 * e.alpha), init_seed=range(8))


def measure(settings: Settings, lab: Lab) -> WakeUp:
    """Train at three scalings, every step recorded."""
    e = settings.experiment
    return wake_up(lab.train_each((sweep(e),), settings.device, records=e.steps + 1), shown=e.alpha)


def _twice_and_half(e: Experiment, _: Any) -> tuple[float, float]:
    run = train(Sweep.each(replace(e, warmup=0, steps=1), alpha=(e.alpha, 2 * e.alpha), lr=(e.lr, e.lr / 2)))
    return float(run.grad_A_norm[1, 0]), float(run.grad_A_norm[1, 1])


def _ask(_: Seen, found: Any) -> Measured:
    one, two = found
    told = say("‖∇A‖ at step 1 was {one}, then {two}.", one=word(one), two=word(two))
    return Measured(round(two / one, 1) if one else np.nan, (1, 2, 4, 1 / 2), told)


LESSON = Lesson(
    hero="grad_a",
    id="wake_up", menu=to_say("When A starts to learn"),
    title=to_say("When A starts to learn: how fast does its gradient grow?"),
    claim=to_say(
        "With B = 0, ‖∇A‖ starts at exactly 0 and at first grows by the same amount per step, with SGD in proportion "
        "to ηs²."
    ),
    place=110,
    default=Experiment(d_in=19, d_out=13, target_rank=3, rank=4, alpha=4.0, optimizer="sgd", lr=0.005, steps=100),
    controls=(
        CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["alpha"].only(1.0, 2.0, 4.0, 8.0),
        CONTROLS["lr"].only(0.0001, 0.001, 0.002, 0.005, 0.01, 0.05), CONTROLS["rank"], CONTROLS["warmup"],
    ),
    more=tuple(CONTROLS[name] for name in ("scaling_rule", "lr_ratio", "condition", "noise", "steps")),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail,
    maths=maths, on_paper="grad_a", table=table,
    exports=lambda record, settings, lab: (sweep(settings.experiment),),
    question=Question(
        to_say("Double α and halve the learning rate. By about what factor does the first ‖∇A‖ that is not 0 change?"),
        to_say("With SGD it is proportional to η·s², so α is not just a learning rate. With Adam it goes as η·s."),
        _ask, _twice_and_half,
    ),
)  # fmt: skip
