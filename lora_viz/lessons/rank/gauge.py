"""Are A and B unique? The same product from other factors, and what a gradient step makes of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from lora_viz.film.panels import Bars, Film, Group, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.matrices import drawn_matrix, low_rank_factors

__all__ = ["WAYS", "Gauge", "film", "gauge", "plot_gauge", "table", "takeaway"]

WAYS = ("both", "turn", "stretch")
D_OUT, D_IN = 12, 10
STRETCH, FRAMES = 100.0, 41
STEPS = 100  # of the drift of the balance, and ten times as many at a tenth of η
COUNTED = 1e-9  # a singular value above this share of the largest counts


class Gauge(NamedTuple):
    """B Q and Q⁻¹A for an invertible Q that moves away from I: what changes, relative to its size at Q = I?

    ``moved_A``, ``moved_B``, ``moved_product`` and ``moved_step`` are ‖X − X₀‖/‖X₀‖ for Q⁻¹A, B Q, their product and
    the change ``step`` that one gradient step of size η on L = ½‖B A − M‖² makes to the product. ``balance`` is
    ‖BᵀB − AAᵀ‖; ``drift`` how far BᵀB − AAᵀ moves in the same training time at η and at η/10, NaN where it diverges.
    ``jacobian`` and ``jacobian_at_0`` are the singular values of (B, A) ↦ B A at these factors and at B = 0.
    """

    way: str
    value: Float[np.ndarray, "T"]
    rank: int
    lr: float
    A: Float[np.ndarray, "T r d_in"]
    B: Float[np.ndarray, "T d_out r"]
    product: Float[np.ndarray, "T d_out d_in"]
    step: Float[np.ndarray, "T d_out d_in"]
    moved_A: Float[np.ndarray, "T"]
    moved_B: Float[np.ndarray, "T"]
    moved_product: Float[np.ndarray, "T"]
    moved_step: Float[np.ndarray, "T"]
    balance: Float[np.ndarray, "T"]
    drift: tuple[float, float]
    jacobian: Float[np.ndarray, "parameters"]
    jacobian_at_0: Float[np.ndarray, "parameters"]


def gauge(way: str, rank: int, lr: float, seed: int, shape: tuple[int, int] = (D_OUT, D_IN)) -> Gauge:
    """Turn, stretch, or do both to the factors of one product; step from each."""
    d_out, d_in = shape
    A, B = low_rank_factors(d_out, d_in, rank, seed)
    A, B = A / np.sqrt(d_in), B / np.sqrt(d_out)
    wanted = 2 * drawn_matrix("power", d_out, d_in, seed)
    share = np.linspace(0, 1, FRAMES)
    angle = 2 * np.pi * share if way == "turn" else np.pi / 2 * share * (way == "both")
    stretch = STRETCH ** (share * (way != "turn"))
    all_Q = np.stack([_turn(rank, a) * _lengths(rank, c) for a, c in zip(angle, stretch, strict=True)])
    all_B, all_A = B @ all_Q, np.linalg.solve(all_Q, np.broadcast_to(A, (FRAMES, *A.shape)))
    product = all_B @ all_A
    after_A, after_B = _stepped(all_A, all_B, wanted, lr)
    step = after_B @ after_A - product
    return Gauge(
        way=way,
        value=np.degrees(angle) if way == "turn" else stretch,
        rank=rank,
        lr=lr,
        A=all_A,
        B=all_B,
        product=product,
        step=step,
        moved_A=_moved(all_A),
        moved_B=_moved(all_B),
        moved_product=_moved(product),
        moved_step=_moved(step),
        balance=np.linalg.norm(_balance(all_A, all_B), axis=(1, 2)),
        drift=(_drift(A, B, wanted, lr, STEPS), _drift(A, B, wanted, lr / 10, 10 * STEPS)),
        jacobian=_jacobian(A, B),
        jacobian_at_0=_jacobian(A, np.zeros_like(B)),
    )


def _turn(r: int, angle: float) -> Float[np.ndarray, "r r"]:
    """A rotation by this angle in each plane of neighbouring axes, one after the other."""
    out = np.eye(r)
    for i in range(r - 1):
        plane = np.eye(r)
        plane[i : i + 2, i : i + 2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        out = out @ plane
    return out


def _lengths(r: int, condition: float) -> Float[np.ndarray, "r"]:
    """From √condition down to 1/√condition; for one direction √condition alone."""
    return condition ** (np.linspace(0.5, -0.5, r) if r > 1 else np.array([0.5]))


def _stepped(A: np.ndarray, B: np.ndarray, wanted: np.ndarray, lr: float) -> tuple[np.ndarray, np.ndarray]:
    missing = B @ A - wanted
    return A - lr * np.swapaxes(B, -1, -2) @ missing, B - lr * missing @ np.swapaxes(A, -1, -2)


def _balance(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    return np.swapaxes(B, -1, -2) @ B - A @ np.swapaxes(A, -1, -2)


def _drift(A: np.ndarray, B: np.ndarray, wanted: np.ndarray, lr: float, steps: int) -> float:
    start = _balance(A, B)
    for _ in range(steps):
        A, B = _stepped(A, B, wanted, lr)
        if not np.abs(B).max() < 1e6:
            return float("nan")
    return float(np.linalg.norm(_balance(A, B) - start))


def _moved(values: Float[np.ndarray, "T m n"]) -> Float[np.ndarray, "T"]:
    return np.linalg.norm(values - values[0], axis=(1, 2)) / np.linalg.norm(values[0])


def _jacobian(A: Float[np.ndarray, "r d_in"], B: Float[np.ndarray, "d_out r"]) -> Float[np.ndarray, "parameters"]:
    """Singular values of (dB, dA) ↦ dB A + B dA: how many are not 0 is how many ways the product can move."""
    whole = np.hstack([np.kron(np.eye(len(B)), A.T), np.kron(B, np.eye(A.shape[1]))])
    found = np.linalg.svd(whole, compute_uv=False)
    return np.pad(found, (0, whole.shape[1] - len(found)))


def _free(values: Float[np.ndarray, "parameters"]) -> int:
    return int((values > COUNTED * values[0]).sum())


def film(record: Gauge) -> Film:
    """The playhead moves Q: both factors change, the product does not, the next step does if Q stretches."""
    d_out, d_in = record.product.shape[1:]
    r, T = record.rank, len(record.value)
    turn = record.way == "turn"
    step_limit = np.maximum(np.abs(record.step).max(axis=(1, 2)), 1e-300)
    parameters = r * (d_out + d_in)
    return Film(
        axis=to_say("angle of Q in degrees") if turn else to_say("condition number of Q"),
        values=record.value,
        start=T // 2,
        seconds_per_frame=0.12,
        narration=tuple(_narrate(record, t) for t in range(T)),
        panels=(
            HeatMap(
                title=f"A → Q⁻¹A: {r}×{d_in}",
                colour="A",
                values=record.A,
                limit=np.abs(record.A).max(axis=(1, 2)),
                span=4,
                caption=tuple(say("changed by {change}", change=_times(v)) for v in record.moved_A),
            ),
            HeatMap(
                title=f"B → B Q: {d_out}×{r}",
                colour="B",
                values=record.B,
                limit=np.abs(record.B).max(axis=(1, 2)),
                span=2,
                caption=tuple(say("by {change}", change=_times(v)) for v in record.moved_B),
            ),
            HeatMap(
                title=say("product B A"),
                colour="delta",
                values=record.product,
                limit=float(np.abs(record.product[0]).max()),
                span=3,
                caption=tuple(say("changed by {change}", change=_times(v)) for v in record.moved_product),
            ),
            HeatMap(
                title=say("one step's change of it"),
                colour="delta",
                values=record.step,
                limit=step_limit,
                hatched=True,
                span=3,
                caption=tuple(say("changed by {change}", change=_times(v)) for v in record.moved_step),
            ),
            Lines(
                title=say("Change, relative to Q = I"),
                y_label="‖X − X₀‖/‖X₀‖",
                scale="log",
                x_scale="linear" if turn else "log",
                span=5,
                row=1,
                series=(
                    Series(name="A", colour="A", y=record.moved_A),
                    Series(name="B", colour="B", y=record.moved_B),
                    Series(name="B A", colour="delta", y=record.moved_product),
                    Series(name=say("next step of B A"), colour="ink", y=record.moved_step, dash="dash"),
                ),
            ),
            Bars(
                title=say("Ways to move B A: Jacobian's σ"),
                y_label="σ",
                span=4,
                row=1,
                labels=tuple(str(i + 1) for i in range(parameters)),
                groups=(
                    Group(name=say("at these factors"), colour="delta", values=record.jacobian),
                    Group(name=say("at B = 0"), colour="A", values=record.jacobian_at_0),
                ),
                caption=(
                    say(
                        "{here} and {at_0} of {parameters} are not 0",
                        here=_free(record.jacobian),
                        at_0=_free(record.jacobian_at_0),
                        parameters=parameters,
                    ),
                ),
            ),
            Readout(
                title=say("Counted and measured"),
                span=3,
                row=1,
                rows=(
                    Row(label=say("numbers in A and B"), text=(str(parameters),)),
                    Row(
                        label=say("ways to move B A · less r²"),
                        text=(f"{_free(record.jacobian)} · {parameters - r * r}",),
                        colour="delta",
                    ),
                    Row(label=say("ways at B = 0"), text=(str(_free(record.jacobian_at_0)),), colour="A"),
                    Row(label="‖BᵀB − AAᵀ‖", text=tuple(number(float(v)) for v in record.balance)),
                    Row(label=say("its drift in {steps} steps", steps=STEPS), text=(_drifted(record.drift[0]),)),
                    Row(label=say("same time at η/10"), text=(_drifted(record.drift[1]),)),
                ),
            ),
        ),
    )


def _drifted(value: float) -> str:
    return say("diverges") if np.isnan(value) else number(value)


def _times(value: float) -> str:
    """Small changes in percent, what is rounding or manifold as it is."""
    return f"{number(100 * value)} %" if 1e-4 < value < 10 else number(float(value)) + ("×" if value >= 10 else "")


def _narrate(record: Gauge, t: int) -> str:
    if t == 0:
        return say("Q = I: the factors as drawn.")
    value = number(float(record.value[t]))
    A, B, product, step = (
        _times(moved[t]) for moved in (record.moved_A, record.moved_B, record.moved_product, record.moved_step)
    )
    if record.way == "turn":
        return say(
            "Q turned by {angle}°: A has changed by {A}, B by {B}, B A by {product}, its next step by {step}.",
            angle=value,
            A=A,
            B=B,
            product=product,
            step=step,
        )
    return say(
        "Q with condition number {condition}: A has changed by {A}, B by {B}, B A by {product}, its next step by "
        "{step}.",
        condition=value,
        A=A,
        B=B,
        product=product,
        step=step,
    )


def takeaway(record: Gauge) -> str:
    """What was seen, in this product's own numbers."""
    d_out, d_in = record.product.shape[1:]
    parameters = record.rank * (d_out + d_in)
    product, step = float(record.moved_product.max()), float(record.moved_step.max())
    said = [
        say(
            "Not unique: A and B changed by up to {A} and {B}, their product by {product}, rounding.",
            A=_times(record.moved_A.max()),
            B=_times(record.moved_B.max()),
            product=number(product),
        )
    ]
    if step < 1e-9:
        said.append(
            say(
                "Turning alone leaves the next gradient step as it is, to {step}: what a step sees of Q is Q Qᵀ.",
                step=number(step),
            )
        )
    else:
        said.append(
            say(
                "But the next gradient step of the product changed by up to {step}: plain gradient descent does "
                "depend on which factors carry it.",
                step=_times(step),
            )
        )
    said.append(
        say(
            "Of the {parameters} numbers {free} are free, and {at_0} at B = 0, where every adapter starts.",
            parameters=parameters,
            free=_free(record.jacobian),
            at_0=_free(record.jacobian_at_0),
        )
    )
    return " ".join(said)


def table(record: Gauge) -> dict[str, np.ndarray]:
    """The changes, as columns."""
    return {
        "angle_degrees" if record.way == "turn" else "condition_number": record.value,
        "A_changed": record.moved_A,
        "B_changed": record.moved_B,
        "product_changed": record.moved_product,
        "step_changed": record.moved_step,
        "balance": record.balance,
    }


def plot_gauge(record: Gauge, *, theme: str = "light") -> go.Figure:
    """All four changes on one logarithmic axis, as a still figure; exact zeros are left out of it."""
    colour = IDENTITY[theme]
    curves = (
        (record.moved_A, "A", colour["A"], "solid"),
        (record.moved_B, "B", colour["B"], "solid"),
        (record.moved_product, "B A", colour["delta"], "solid"),
        (record.moved_step, say("next step of B A"), colour["ink"], "dash"),
    )
    figure = go.Figure(
        [
            go.Scatter(
                x=record.value, y=np.where(y > 0, y, np.nan), name=name, line={"color": c, "dash": dash, "width": 3}
            )
            for y, name, c, dash in curves
        ]
    )
    turn = record.way == "turn"
    figure.update_layout(
        **plotly_layout(
            title=say("Change relative to Q = I"),
            xaxis={"title": say("angle of Q"), "type": "linear"}
            if turn
            else {"title": say("condition of Q"), "type": "log"},
            yaxis={"title": "‖X − X₀‖/‖X₀‖", "type": "log"},
        )
    )
    return figure
