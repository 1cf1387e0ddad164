"""Gradients of A and B and the updates that follow, from step 0 on, with exact zeros drawn as zeros."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import GradientCheck, Run
from lora_viz.core.spectra import full_gradient
from lora_viz.engine.training import autograd_check, train
from lora_viz.film.film import Film
from lora_viz.film.panels import HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import amount, number, numbers, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import exactly, sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "GradientFlow", "gradient_flow"]


class GradientFlow(NamedTuple):
    """Frobenius norms at each recorded step: gradients, the update that followed, and how far each factor has come.

    ``G`` is the full gradient ∂L/∂W that LoRA never forms; ``grad_A`` = s·BᵀG and ``grad_B`` = s·G Aᵀ are computed
    from it. ``check`` puts autograd's numbers next to them. An update is NaN where the next step was not recorded.
    """

    steps: Int[np.ndarray, "T"]
    grad_A_norm: Float[np.ndarray, "T"]
    grad_B_norm: Float[np.ndarray, "T"]
    update_A: Float[np.ndarray, "T"]
    update_B: Float[np.ndarray, "T"]
    travelled_A: Float[np.ndarray, "T"]
    travelled_B: Float[np.ndarray, "T"]
    loss: Float[np.ndarray, "T"]
    G: Float[np.ndarray, "T d_out d_in"]
    grad_A: Float[np.ndarray, "T r d_in"]
    grad_B: Float[np.ndarray, "T d_out r"]
    check: GradientCheck
    optimizer: str
    warmup: int
    diverged_at: int


def gradient_flow(run: Run, check: GradientCheck) -> GradientFlow:
    """Read the gradient story of a run's first adapter, up to its last finite step."""
    alive = run.last() + 1
    A, B, steps = run.A[0][:alive], run.B[0][:alive], run.steps[:alive]
    G = full_gradient(run)[:alive]
    grad_A, grad_B = run.factored()[:alive].gradients(G)
    return GradientFlow(
        steps=steps, grad_A_norm=run.grad_A_norm[:alive, 0], grad_B_norm=run.grad_B_norm[:alive, 0],
        update_A=_updates(A, steps), update_B=_updates(B, steps), travelled_A=_norms(A - A[0]),
        travelled_B=_norms(B - B[0]), loss=run.loss[:alive, 0], G=G, grad_A=grad_A, grad_B=grad_B, check=check,
        optimizer=run.experiment.optimizer, warmup=run.experiment.warmup, diverged_at=int(run.diverged_at[0]),
    )  # fmt: skip


def _norms(x: Float[np.ndarray, "T m n"]) -> Float[np.ndarray, "T"]:
    return np.sqrt(np.sum(x**2, axis=(1, 2)))


def _updates(x: Float[np.ndarray, "T m n"], steps: Int[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    moved = np.full(len(x), np.nan)
    moved[:-1] = np.where(np.diff(steps) == 1, _norms(np.diff(x, axis=0)), np.nan)
    return moved


def film(record: GradientFlow) -> Film:
    """Gradients and updates over the steps, the full gradient and both that come of it, autograd and the formula."""
    c = record.check
    calm = record.loss <= 10 * record.loss[0]
    hand_over = _hand_over(record)
    marks = []
    if hand_over:
        marks.append(Mark("hand_over", float(hand_over), say("step {step}: ‖∇A‖ ≥ ‖∇B‖", step=hand_over)))
    if record.diverged_at >= 0:
        marks.append(Mark("diverged", float(record.diverged_at), say("diverged"), colour="alarm"))

    difference = numbers(np.maximum(c.difference_A, c.difference_B)[: len(record.steps)])

    def reading(values: Float[np.ndarray, "T"]) -> tuple[str, ...]:
        return tuple(map(exactly, values[: len(record.steps)]))

    def gradient(id: str, title: str, colour: str, values: Float[np.ndarray, "T m n"], *, span: int) -> HeatMap:
        sizes = np.abs(values).max(axis=(1, 2))
        limit = float(sizes[calm].max()) or 1.0  # of a diverging run, before it blows up
        told = tuple(say("largest now: {size}", size=size) for size in numbers(sizes))
        return HeatMap(id, title, colour, values, limit=limit, hatched=True, caption=told, row=1, span=span)

    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=0 if record.diverged_at < 0 else len(record.steps) - 1,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Lines(
                "gradients", say("Norm of the gradients"), y_label=say("norm, log; strip: exactly 0"), scale="log",
                x_scale="sqrt", marks=tuple(marks),
                series=(
                    Series("grad_a", "‖∇A‖", "A", record.grad_A_norm),
                    Series("grad_b", "‖∇B‖", "B", record.grad_B_norm),
                ),
            ),
            Lines(
                "updates", say("Norm of the updates ({optimizer})", optimizer=record.optimizer.upper()),
                y_label=say("‖new − old‖, log; strip: exactly 0"), scale="log", x_scale="sqrt",
                series=(
                    Series("update_a", say("A moves by"), "A", record.update_A),
                    Series("update_b", say("B moves by"), "B", record.update_B),
                ),
            ),
            gradient("full_gradient", say("full gradient G (never formed)"), "W", record.G, span=4),
            gradient("grad_b", "∇B = s·G Aᵀ", "B", record.grad_B, span=2),
            gradient("grad_a", "∇A = s·Bᵀ G", "A", record.grad_A, span=3),
            Readout(
                "autograd", say("Autograd and the formula"),
                (
                    Row("autograd_a", say("‖∇A‖ autograd"), reading(c.autograd_A), colour="A"),
                    Row("formula_a", "‖∇A‖ = ‖s·BᵀG‖", reading(c.formula_A), colour="A"),
                    Row("autograd_b", say("‖∇B‖ autograd"), reading(c.autograd_B), colour="B"),
                    Row("formula_b", "‖∇B‖ = ‖s·G Aᵀ‖", reading(c.formula_B), colour="B"),
                    Row("difference", say("largest difference"), difference),
                ),
                row=1, span=3,
            ),
        ),
    )  # fmt: skip


def _hand_over(record: GradientFlow) -> int:
    """The first step after 0 at which ‖∇A‖ reached ‖∇B‖ from below; 0 if there was none."""
    below = record.grad_A_norm[0] < record.grad_B_norm[0]
    reached = np.flatnonzero(record.grad_A_norm[1:] >= record.grad_B_norm[1:])
    return int(record.steps[reached[0] + 1]) if below and len(reached) else 0


def _narrate(record: GradientFlow, t: int) -> str:
    step = int(record.steps[t])
    a, b = record.grad_A_norm[t] == 0, record.grad_B_norm[t] == 0
    if t + 1 == len(record.steps) and record.diverged_at >= 0:
        return say(
            "Step {step}: training diverged after this step, so the curves stop here. Lower the learning rate.",
            step=step,
        )
    if a and b:
        return say("Step {step}: both gradients are exactly 0, so no gradient step moves A or B.", step=step)
    still = record.travelled_A[t] == 0 and record.travelled_B[t] == 0
    if a:
        size = number(record.grad_B_norm[t])
        if step:
            return say("Step {step}: ∇A is exactly 0 because B is still 0; ∇B is {size}.", step=step, size=size)
        if not record.warmup:
            return say("Step 0: ∇A is exactly 0 because B = 0; ∇B is {size}.", size=size)
        return say("Step 0: ∇A is exactly 0 because B = 0. ∇B is {size}; the warm-up starts at η = 0.", size=size)
    if b:
        return say(
            "Step {step}: ∇B is exactly 0 because A = 0; ∇A is {size}.", step=step, size=number(record.grad_A_norm[t])
        )
    if still:
        return say("Step {step}: both factors have a gradient, because neither is 0.", step=step)
    if t and record.grad_A_norm[t - 1] == 0 and record.travelled_A[t] > 0:
        return say(
            "Step {step}: A has moved by {way} without a gradient, because of weight decay.",
            step=step, way=number(record.travelled_A[t]),
        )  # fmt: skip
    if record.travelled_A[t] == 0:
        return say(
            "Step {step}: B has left 0, so ∇A is now {size}. A itself has not moved yet.",
            step=step, size=number(record.grad_A_norm[t]),
        )  # fmt: skip
    if record.travelled_B[t] == 0:
        return say(
            "Step {step}: A has left 0, so ∇B is now {size}. B itself has not moved yet.",
            step=step, size=number(record.grad_B_norm[t]),
        )  # fmt: skip
    return say(
        "Step {step}: ‖∇A‖ {size_A}, ‖∇B‖ {size_B}, loss {loss}.",
        step=step, size_A=number(record.grad_A_norm[t]), size_B=number(record.grad_B_norm[t]),
        loss=number(record.loss[t]),
    )  # fmt: skip


@sentences
def takeaway(record: GradientFlow) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    a, b = record.grad_A_norm, record.grad_B_norm
    if record.diverged_at >= 0:
        yield say(
            "Training diverged after step {step}, when the loss had gone from {first} to {last}. Lower the learning "
            "rate.",
            step=record.diverged_at, first=number(record.loss[0]), last=number(record.loss[-1]),
        )  # fmt: skip
        return
    if not a.any() and not b.any():
        yield say(
            "Both factors are 0, so both gradients stayed exactly 0 and the loss stayed at {loss}. From this "
            "initialisation nothing can be learnt.",
            loss=number(record.loss[-1]),
        )
        return
    if a[0] == 0:
        yield say("At step 0 ‖∇A‖ was exactly 0 and ‖∇B‖ was {b}.", b=number(b[0]))
    elif b[0] == 0:
        yield say("At step 0 ‖∇B‖ was exactly 0 and ‖∇A‖ was {a}.", a=number(a[0]))
    if a[0] == 0 or b[0] == 0:
        yield _first_moves(record)
    else:
        yield say(
            "Neither factor was 0, so at step 0 both had a gradient ({a} and {b}) and the output already differed from "
            "that of the base model.",
            a=number(a[0]),
            b=number(b[0]),
        )
    if a.any():
        yield say(
            "‖∇A‖ was largest at step {peak}; autograd and the formula differ by at most {difference}.",
            peak=int(record.steps[np.argmax(a)]),
            difference=number(float(max(record.check.difference_A.max(), record.check.difference_B.max()))),
        )


def _first_moved(record: GradientFlow) -> dict[str, int]:
    """The step after which each factor first differed from its initial value; a factor that never did is left out."""
    travelled = {"A": record.travelled_A, "B": record.travelled_B}
    return {name: int(record.steps[way > 0][0]) for name, way in travelled.items() if way.any()}


def _first_moves(record: GradientFlow) -> str:
    moved = _first_moved(record)
    match sorted(moved, key=lambda name: moved[name]):
        case []:
            return say("No factor has moved.")
        case [only]:
            return say("Only {factor} has moved, first at step {step}.", factor=only, step=moved[only])
        case [first, second] if moved[first] == moved[second]:
            return say("A and B both first moved at step {step}.", step=moved[first])
        case [first, second]:
            return say(
                "{first} first moved at step {one}, {second} at step {two}.",
                first=first, one=moved[first], second=second, two=moved[second],
            )  # fmt: skip
    raise AssertionError("two factors")


def verdict(record: GradientFlow) -> Verdict:
    """B = 0, ∇A = 0, and B moved before A."""
    a, b, moved = record.grad_A_norm[0], record.grad_B_norm[0], _first_moved(record)
    evidence = {"grad_A": float(a), "grad_B": float(b), "moved_A": moved.get("A"), "moved_B": moved.get("B")}
    if a == 0 and b == 0:
        return false_here(say("A and B are both 0, so both gradients are exactly 0"), **evidence)
    if b == 0:
        return false_here(say("A is 0 instead of B, so ∇B is exactly 0 and A moves first"), **evidence)
    if a > 0:
        return false_here(say("neither factor is 0, so both have a gradient at step 0"), **evidence)
    if "B" not in moved:
        return undecided(say("∇A is exactly 0 at step 0, but no step was recorded in which B moved"), **evidence)
    if "A" in moved and moved["A"] <= moved["B"]:
        return false_here(
            say("∇A is exactly 0 at step 0, but weight decay moves A at step {step}, when B moves", step=moved["A"]),
            **evidence,
        )
    if "A" not in moved:
        return true_here(say("∇A is exactly 0 at step 0, B moves at step {b}, and A has not moved", b=moved["B"]),
                         **evidence)  # fmt: skip
    return true_here(
        say("∇A is exactly 0 at step 0, B moves at step {b} and A at step {a}", a=moved["A"], b=moved["B"]), **evidence
    )


def table(record: GradientFlow) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    return {
        "step": record.steps,
        "loss": record.loss,
        "grad_A_norm": record.grad_A_norm,
        "grad_B_norm": record.grad_B_norm,
        "update_A_norm": record.update_A,
        "update_B_norm": record.update_B,
        "travelled_A": record.travelled_A,
        "travelled_B": record.travelled_B,
    }


def maths(record: GradientFlow, settings: Settings) -> str:
    """Both gradients as they come of the full one, with this run's norms at step 0, and how far A moves first."""
    e = settings.experiment
    text = say(
        r"""
$$
\nabla_{{{A}}} = s\,{B}^\top {G}, \qquad \nabla_{{{B}}} = s\,{G}\,{A}^\top, \qquad
{G} = \frac{{\partial L}}{{\partial W}}, \qquad s = {scaling:.3g}
$$

Each is the gradient ${G}$, which full fine-tuning would follow, multiplied by the other factor. ${G}$ exists, but LoRA
never forms it. At step 0, $\|{G}\| = {size}$,
$\|\nabla_{{{A}}}\| = {size_A}$ and
$\|\nabla_{{{B}}}\| = {size_B}$. $\nabla_{{{A}}}$ is exactly 0 whenever ${B}$ is, and $\nabla_{{{B}}}$ whenever
${A}$ is.""",
        A=tint("A", "A"), B=tint("B", "B"), G=tint("W", "G"),
        scaling=e.scaling, size=number(float((record.G[0] ** 2).sum() ** 0.5)),
        size_A=number(float(record.grad_A_norm[0])), size_B=number(float(record.grad_B_norm[0])),
    )  # fmt: skip
    moves = np.flatnonzero(record.update_A > 0)
    if not len(moves) or not e.lr:
        return text
    first = float(record.update_A[moves[0]]) / np.sqrt(e.rank * e.d_in)
    moved = say(
        "The first move of ${A}$, in step {step}, is {size} per entry (root mean square), which is {times} times the "
        "learning rate η = {lr}.",
        A=tint("A", "A"), step=int(record.steps[moves[0]]), size=number(first), times=amount(first / e.lr),
        lr=number(e.lr),
    )  # fmt: skip
    return f"{text} {moved}"


def trained(settings: Settings, lab: Lab) -> Run:
    """The run of this one adapter, every step of it kept."""
    e = settings.experiment
    return lab.train(Sweep((e,)), settings.device, records=e.steps + 1)


def measure(settings: Settings, lab: Lab) -> GradientFlow:
    """Train one adapter, and put autograd next to the formulas at every step."""
    run = trained(settings, lab)
    return gradient_flow(run, autograd_check(run))


def _other_way(e: Experiment, _: Any) -> tuple[float, float]:
    init = "B_zero" if e.init == "A_zero" else "A_zero"
    run = train(Sweep((replace(e, init=init, steps=1),)))
    return float(run.grad_A_norm[0, 0]), float(run.grad_B_norm[0, 0])


def _ask(seen: Seen, found: Any) -> Measured:
    a, b = found
    words = (say("A alone"), say("B alone"), say("both"), say("neither"))
    value = words[(0 if a else 3) if not b else (2 if a else 1)]
    start = say("A random and B = 0") if seen.experiment.init == "A_zero" else say("A = 0 and B random")
    told = say("At step 0 ‖∇A‖ was {a} and ‖∇B‖ {b}.", a=word(a), b=word(b))
    return Measured(value, words, told, {"start": start})


LESSON = Lesson(
    hero="gradients",
    id="gradient_flow", menu=to_say("Gradients of A and B"),
    title=to_say("Gradients of A and B: which factor moves first?"),
    claim=to_say(
        "With B = 0 (LoRA's default), ∇A is exactly 0. B takes the first step alone, and only then does A get a "
        "gradient."
    ),
    place=30,
    default=Experiment(
        d_in=16, d_out=12, target_rank=3, rank=4, alpha=8.0, optimizer="sgd", lr=0.02, steps=200, weight_decay=0.1,
    ),
    controls=tuple(CONTROLS[name] for name in ("init", "optimizer", "warmup", "rank", "lr")),
    more=tuple(CONTROLS[name] for name in ("alpha", "scaling_rule", "lr_ratio", "noise", "condition", "steps")),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, maths=maths, on_paper="gradients", table=table,
    exports=lambda record, settings, lab: trained(settings, lab),
    question=Question(
        to_say("Initialise with {start} instead. Which factor has a gradient at step 0?"),
        to_say("∇A = s·Bᵀ G and ∇B = s·G Aᵀ. Each contains the other factor, so it is 0 while that factor is 0."),
        _ask, _other_way,
    ),
)  # fmt: skip
