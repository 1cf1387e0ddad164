"""Who moves first? Gradients and updates of A and B from step 0 on, with exact zeros drawn as zeros."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float, Int

from lora_viz.core.run import GradientCheck, Run
from lora_viz.core.spectra import full_gradient
from lora_viz.film.panels import Film, HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = ["GradientFlow", "film", "gradient_flow", "plot_gradient_flow", "table", "takeaway"]


class GradientFlow(NamedTuple):
    """Frobenius norms at each recorded step: gradients, the update that followed, and how far each factor has come.

    ``G`` is the full gradient ∂L/∂W that LoRA never forms, ``grad_A`` = s·BᵀG and ``grad_B`` = s·G Aᵀ its shadows.
    ``check`` puts autograd's numbers beside. An update is NaN where the next step was not recorded.
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
        steps=steps,
        grad_A_norm=run.grad_A_norm[:alive, 0],
        grad_B_norm=run.grad_B_norm[:alive, 0],
        update_A=_updates(A, steps),
        update_B=_updates(B, steps),
        travelled_A=_norms(A - A[0]),
        travelled_B=_norms(B - B[0]),
        loss=run.loss[:alive, 0],
        G=G,
        grad_A=grad_A,
        grad_B=grad_B,
        check=check,
        optimizer=run.experiment.optimizer,
        warmup=run.experiment.warmup,
        diverged_at=int(run.diverged_at[0]),
    )


def _norms(x: Float[np.ndarray, "T m n"]) -> Float[np.ndarray, "T"]:
    return np.sqrt(np.sum(x**2, axis=(1, 2)))


def _updates(x: Float[np.ndarray, "T m n"], steps: Int[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    moved = np.full(len(x), np.nan)
    moved[:-1] = np.where(np.diff(steps) == 1, _norms(np.diff(x, axis=0)), np.nan)
    return moved


def film(record: GradientFlow) -> Film:
    """Gradients and updates over the steps, the full gradient and its two shadows, autograd beside the formula."""
    c = record.check
    calm = record.loss <= 10 * record.loss[0]
    hand_over = _hand_over(record)
    marks: tuple[Mark, ...] = (
        (Mark(at=float(hand_over), label=say("step {step}: ‖∇A‖ ≥ ‖∇B‖", step=hand_over)),) if hand_over else ()
    )
    if record.diverged_at >= 0:
        marks += (Mark(at=float(record.diverged_at), label=say("diverged"), colour="alarm"),)

    def reading(values: Float[np.ndarray, "T"]) -> tuple[str, ...]:
        return tuple(say("0 exactly") if v == 0 else number(v) for v in values[: len(record.steps)])

    return Film(
        axis=to_say("step"),
        training=True,
        of_last=True,
        values=record.steps.astype(float),
        start=0 if record.diverged_at < 0 else len(record.steps) - 1,
        seconds_per_frame=1 / 40,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Lines(
                title=say("Size of the gradients"),
                y_label=say("norm, log; strip: exactly 0"),
                scale="log",
                x_scale="sqrt",
                marks=marks,
                series=(
                    Series(name="‖∇A‖", colour="A", y=record.grad_A_norm),
                    Series(name="‖∇B‖", colour="B", y=record.grad_B_norm),
                ),
            ),
            Lines(
                title=say("Size of the updates ({optimizer})", optimizer=record.optimizer.upper()),
                y_label=say("‖new − old‖, log; strip: exactly 0"),
                scale="log",
                x_scale="sqrt",
                series=(
                    Series(name=say("A moves by"), colour="A", y=record.update_A),
                    Series(name=say("B moves by"), colour="B", y=record.update_B),
                ),
            ),
            HeatMap(
                title=say("full gradient G (never formed)"),
                colour="W",
                values=record.G,
                limit=_limit(record.G, calm),
                hatched=True,
                caption=_largest(record.G),
                row=1,
                span=4,
            ),
            HeatMap(
                title="∇B = s·G Aᵀ",
                colour="B",
                values=record.grad_B,
                limit=_limit(record.grad_B, calm),
                hatched=True,
                caption=_largest(record.grad_B),
                row=1,
                span=2,
            ),
            HeatMap(
                title="∇A = s·Bᵀ G",
                colour="A",
                values=record.grad_A,
                limit=_limit(record.grad_A, calm),
                hatched=True,
                caption=_largest(record.grad_A),
                row=1,
                span=3,
            ),
            Readout(
                title=say("Autograd beside the formula"),
                row=1,
                span=3,
                rows=(
                    Row(label=say("‖∇A‖ autograd"), text=reading(c.autograd_A), colour="A"),
                    Row(label="‖∇A‖ = ‖s·BᵀG‖", text=reading(c.formula_A), colour="A"),
                    Row(label=say("‖∇B‖ autograd"), text=reading(c.autograd_B), colour="B"),
                    Row(label="‖∇B‖ = ‖s·G Aᵀ‖", text=reading(c.formula_B), colour="B"),
                    Row(
                        label=say("largest difference"),
                        text=tuple(number(max(a, b)) for a, b in zip(c.difference_A, c.difference_B, strict=True))[
                            : len(record.steps)
                        ],
                    ),
                ),
            ),
        ),
    )


def _largest(x: Float[np.ndarray, "T m n"]) -> tuple[str, ...]:
    return tuple(say("largest now: {size}", size=number(float(v))) for v in np.abs(x).max(axis=(1, 2)))


def _limit(x: Float[np.ndarray, "T m n"], calm: Bool[np.ndarray, "T"]) -> float:
    """The colours' range: the largest entry of the run, of a diverging run before it blows up."""
    return float(np.abs(x[calm]).max()) or 1.0


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
            "Step {step}: training diverged after this step. The curves stop here; lower the learning rate.", step=step
        )
    if a and b:
        return say("Step {step}: both gradients are exactly 0. Nothing can ever move.", step=step)
    still = record.travelled_A[t] == 0 and record.travelled_B[t] == 0
    if a:
        size = number(record.grad_B_norm[t])
        if step:
            return say("Step {step}: ∇A is exactly 0 because B is still 0; ∇B is {size}.", step=step, size=size)
        if not record.warmup:
            return say("Step 0: ∇A is exactly 0 because B = 0; ∇B is {size}.", size=size)
        return say(
            "Step 0: ∇A is exactly 0 because B = 0; ∇B is {size}; the warm-up starts at learning rate 0, so B waits "
            "too.",
            size=size,
        )
    if b:
        return say(
            "Step {step}: ∇B is exactly 0 because A = 0; ∇A is {size}.",
            step=step,
            size=number(record.grad_A_norm[t]),
        )
    if still:
        return say("Step {step}: both factors have a gradient at once: neither is 0.", step=step)
    if t and record.grad_A_norm[t - 1] == 0 and record.travelled_A[t] > 0:
        return say(
            "Step {step}: A has moved by {way} without any gradient: that is weight decay.",
            step=step,
            way=number(record.travelled_A[t]),
        )
    if record.travelled_A[t] == 0:
        return say(
            "Step {step}: B has left 0, so ∇A wakes up: {size}. A itself has not moved yet.",
            step=step,
            size=number(record.grad_A_norm[t]),
        )
    if record.travelled_B[t] == 0:
        return say(
            "Step {step}: A has left 0, so ∇B wakes up: {size}. B itself has not moved yet.",
            step=step,
            size=number(record.grad_B_norm[t]),
        )
    return say(
        "Step {step}: ‖∇A‖ {size_A}, ‖∇B‖ {size_B}, loss {loss}.",
        step=step,
        size_A=number(record.grad_A_norm[t]),
        size_B=number(record.grad_B_norm[t]),
        loss=number(record.loss[t]),
    )


def takeaway(record: GradientFlow) -> str:
    """What was seen, in the run's own numbers."""
    a, b = record.grad_A_norm, record.grad_B_norm
    if record.diverged_at >= 0:
        return say(
            "Training diverged after step {step}: the loss had grown from {first} to {last}. Lower the learning rate.",
            step=record.diverged_at,
            first=number(record.loss[0]),
            last=number(record.loss[-1]),
        )
    if not a.any() and not b.any():
        return say(
            "Both factors are 0, so both gradients are exactly 0 at all {steps} recorded steps: "
            "the loss stayed at {loss}. This start can never learn.",
            steps=len(record.steps),
            loss=number(record.loss[-1]),
        )
    if a[0] == 0:
        said = [say("At step 0 ‖∇A‖ was exactly 0 and ‖∇B‖ was {b}.", b=number(b[0])), _first_moves(record)]
    elif b[0] == 0:
        said = [say("At step 0 ‖∇B‖ was exactly 0 and ‖∇A‖ was {a}.", a=number(a[0])), _first_moves(record)]
    else:
        said = [
            say(
                "Neither factor was 0, so both had gradients at step 0 ({a} and {b}), "
                "and the output was already disturbed before the first step.",
                a=number(a[0]),
                b=number(b[0]),
            )
        ]
    if a.any():
        said.append(
            say(
                "‖∇A‖ peaked at step {peak}, and autograd and the formula never differed by more than {difference}.",
                peak=int(record.steps[np.argmax(a)]),
                difference=number(float(max(record.check.difference_A.max(), record.check.difference_B.max()))),
            )
        )
    return " ".join(said)


def _first_moves(record: GradientFlow) -> str:
    """When did each factor first differ from its start?"""
    told = []
    for name, travelled in (("A", record.travelled_A), ("B", record.travelled_B)):
        moved = np.flatnonzero(travelled)
        told.append(
            (int(record.steps[moved[0]]), say("{factor} after step {step}", factor=name, step=record.steps[moved[0]]))
            if len(moved)
            else None
        )
    parts = [text for _, text in sorted(filter(None, told))]
    return say("Who had moved: {moves}.", moves=", ".join(parts)) if parts else say("Nothing has moved.")


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


def plot_gradient_flow(record: GradientFlow, *, theme: str = "light") -> go.Figure:
    """Gradient norms over the steps on a logarithmic axis; exact zeros stand as crosses on the bottom line."""
    colour = IDENTITY[theme]
    curves = (("‖∇A‖", record.grad_A_norm, "A"), ("‖∇B‖", record.grad_B_norm, "B"))
    positive = np.concatenate([y[y > 0] for _, y, _ in curves]) if any((y > 0).any() for _, y, _ in curves) else [1.0]
    bottom = float(np.min(positive)) / 10
    figure = go.Figure()
    for name, y, key in curves:
        line = {"color": colour[key], "width": 3}
        figure.add_scatter(x=record.steps, y=np.where(y > 0, y, np.nan), name=name, mode="lines", line=line)
        zero = record.steps[y == 0]
        if len(zero):
            figure.add_scatter(
                x=zero, y=np.full(len(zero), bottom), name=say("{curve} exactly 0", curve=name), mode="markers",
                marker={"symbol": "x", "size": 12, "color": colour[key]},
            )  # fmt: skip
    figure.update_layout(
        **plotly_layout(
            title=say("Size of the gradients"),
            xaxis={"title": say("step")},
            yaxis={"title": say("Frobenius norm"), "type": "log"},
        )
    )
    return figure
