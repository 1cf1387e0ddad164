"""Gauge: the same product from other factors, and what a gradient step makes of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.style import LETTERS, number, numbers
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.factorisation import balance, balance_drift, gradient_step, product_jacobian, turn
from lora_viz.layer.matrices import drawn_matrix, low_rank_factors
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON", "STEPS", "WAYS", "Gauge", "gauge"]

WAYS = ("both", "turn", "stretch")
D_OUT, D_IN = 12, 10
STRETCH, FRAMES = 100.0, 41
STEPS = 100  # of the drift of the balance, and ten times as many at a tenth of η
SAME, OTHER = 1e-9, 1e-3  # relative changes: rounding; a step that is another one
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
    all_Q = np.stack([turn(rank, a) * _lengths(rank, c) for a, c in zip(angle, stretch, strict=True)])
    all_B, all_A = B @ all_Q, np.linalg.solve(all_Q, np.broadcast_to(A, (FRAMES, *A.shape)))
    product = all_B @ all_A
    after_A, after_B = gradient_step(all_A, all_B, wanted, lr)
    step = after_B @ after_A - product
    return Gauge(
        way=way, value=np.degrees(angle) if way == "turn" else stretch, rank=rank, lr=lr, A=all_A, B=all_B,
        product=product, step=step, moved_A=_moved(all_A), moved_B=_moved(all_B), moved_product=_moved(product),
        moved_step=_moved(step), balance=np.linalg.norm(balance(all_A, all_B), axis=(1, 2)),
        drift=(balance_drift(A, B, wanted, lr, STEPS), balance_drift(A, B, wanted, lr / 10, 10 * STEPS)),
        jacobian=product_jacobian(A, B), jacobian_at_0=product_jacobian(A, np.zeros_like(B)),
    )  # fmt: skip


def _lengths(r: int, condition: float) -> Float[np.ndarray, "r"]:
    """From √condition down to 1/√condition; for one direction √condition alone."""
    return condition ** (np.linspace(0.5, -0.5, r) if r > 1 else np.array([0.5]))


def _moved(values: Float[np.ndarray, "T m n"]) -> Float[np.ndarray, "T"]:
    return np.linalg.norm(values - values[0], axis=(1, 2)) / np.linalg.norm(values[0])


def _free(values: Float[np.ndarray, "parameters"]) -> int:
    return int((values > COUNTED * values[0]).sum())


def film(record: Gauge) -> Film:
    """The playhead moves Q: both factors change, the product does not, the next step does if Q stretches."""
    d_out, d_in = record.product.shape[1:]
    r, T = record.rank, len(record.value)
    turning = record.way == "turn"
    names = tuple(str(i + 1) for i in range(r * (d_out + d_in)))
    parameters, free, at_0 = r * (d_out + d_in), _free(record.jacobian), _free(record.jacobian_at_0)
    counted = say("{here} and {at_0} of {parameters} are not 0", here=free, at_0=at_0, parameters=parameters)
    return Film(
        axis=to_say("angle of Q in degrees") if turning else to_say("condition number of Q"), values=record.value,
        start=T // 2, seconds_per_frame=0.12, narration=tuple(_narrate(record, t) for t in range(T)),
        panels=(
            HeatMap(
                "lora_a", f"A → Q⁻¹A: {r}×{d_in}", "A", record.A, limit=np.abs(record.A).max(axis=(1, 2)), span=4,
                caption=_changes(record.moved_A),
            ),
            HeatMap(
                "lora_b", f"B → B Q: {d_out}×{r}", "B", record.B, limit=np.abs(record.B).max(axis=(1, 2)), span=2,
                caption=tuple(say("by {change}", change=_times(v)) for v in record.moved_B),
            ),
            HeatMap(
                "product", say("product B A"), "delta", record.product, limit=float(np.abs(record.product[0]).max()),
                span=3, caption=_changes(record.moved_product),
            ),
            HeatMap(
                "step", say("its change in one step"), "delta", record.step,
                limit=np.maximum(np.abs(record.step).max(axis=(1, 2)), 1e-300), hatched=True, span=3,
                caption=_changes(record.moved_step),
            ),
            Lines(
                "changes", say("Change, relative to Q = I"), y_label="‖X − X₀‖/‖X₀‖", scale="log",
                x_scale="linear" if turning else "log", span=5, row=1,
                series=(
                    Series("lora_a", "A", "A", record.moved_A, dash="dot"),
                    Series("lora_b", "B", "B", record.moved_B),
                    Series("product", "B A", "delta", record.moved_product),
                    Series("step", say("next step of B A"), "ink", record.moved_step, dash="dash"),
                ),
            ),
            Bars(
                "jacobian", say("Singular values of the Jacobian"), y_label="σ", span=4, row=1,
                labels=names, bar_ids=tuple(f"sigma_{name}" for name in names),
                groups=(
                    Group("here", say("at these factors"), "delta", record.jacobian),
                    Group("at_0", say("at B = 0"), "ink", record.jacobian_at_0, outline=True),
                ),
                caption=(counted,),
            ),
            Readout(
                "counted", say("Counted and measured"),
                (
                    Row("parameters", say("entries of A and B"), (str(parameters),)),
                    Row("free", say("degrees of freedom · entries − r²"), (f"{free} · {parameters - r * r}",),
                    colour="delta"),
                    Row("free_at_0", say("degrees of freedom at B = 0"), (str(at_0),)),
                    Row("balance", "‖BᵀB − AAᵀ‖", numbers(record.balance)),
                    Row("drift", say("its drift in {steps} steps", steps=STEPS), (_drifted(record.drift[0]),)),
                    Row("slow_drift", say("same time at η/10"), (_drifted(record.drift[1]),)),
                ),
                span=3, row=1,
            ),
        ),
    )  # fmt: skip


def _changes(moved: Float[np.ndarray, "T"]) -> tuple[str, ...]:
    return tuple(say("changed by {change}", change=_times(v)) for v in moved)


def _drifted(value: float) -> str:
    return say("diverges") if np.isnan(value) else number(value)


def _times(value: float) -> str:
    """Small changes in percent, what is rounding or manifold as it is."""
    return f"{number(100 * value)} %" if 1e-4 < value < 10 else number(float(value)) + ("×" if value >= 10 else "")


def _narrate(record: Gauge, t: int) -> str:
    if t == 0:
        return say("Q = I: the factors as drawn.")
    value = number(float(record.value[t]))
    moved = {"A": record.moved_A, "B": record.moved_B, "product": record.moved_product, "step": record.moved_step}
    changes = {name: _times(values[t]) for name, values in moved.items()}
    if record.way == "turn":
        return say(
            "Q rotated by {angle}°. Changes: A {A}, B {B}, B A {product}, its next step {step}.", angle=value, **changes
        )
    return say(
        "Condition number of Q {condition}. Changes: A {A}, B {B}, B A {product}, its next step {step}.",
        condition=value,
        **changes,
    )


@sentences
def takeaway(record: Gauge) -> Iterator[str]:
    """What was seen, in this product's own numbers."""
    d_out, d_in = record.product.shape[1:]
    parameters = record.rank * (d_out + d_in)
    product, step = float(record.moved_product.max()), float(record.moved_step.max())
    yield say(
        "A and B changed by up to {A} and {B}, their product by {product} (rounding).",
        A=_times(record.moved_A.max()), B=_times(record.moved_B.max()), product=number(product),
    )  # fmt: skip
    if step < SAME:
        yield say("A rotation keeps the next gradient step, to within {step}.", step=number(step))
    else:
        yield say("The next gradient step of the product changed by up to {step}.", step=_times(step))
    yield say(
        "Their {parameters} entries give the product {free} degrees of freedom ({at_0} at B = 0).",
        parameters=parameters, free=_free(record.jacobian), at_0=_free(record.jacobian_at_0),
    )  # fmt: skip


def verdict(record: Gauge) -> Verdict:
    """The product stays, up to rounding, while its next gradient step changes."""
    product, step = float(record.moved_product.max()), float(record.moved_step.max())
    evidence = {"product": product, "step": step, "way": record.way}
    told = {"product": number(product), "step": _times(step)}
    if product > SAME:
        return false_here(say("the product changed by {product}", **told), **evidence)
    if step < OTHER:
        return false_here(say("this Q is a rotation, and the next gradient step stays as it is"), **evidence)
    return true_here(
        say("the product changed by {product}, which is rounding, and its next gradient step by up to {step}", **told),
        **evidence,
    )


def maths(record: Gauge) -> str:
    """The gauge freedom, what a step sees of it, and what it counts here."""
    r, (d_out, d_in) = record.rank, record.product.shape[1:]
    return say(
        r"""
$$
{B}{A} = ({B}Q)(Q^{{-1}}{A}), \qquad
\Delta({B}{A}) \approx -\eta\,\big(G\,{A}^\top (QQ^\top)^{{-1}}{A} + {B}\,QQ^\top {B}^\top G\big), \qquad
\mathrm{{dof}} = r(d_\mathrm{{out}} + d_\mathrm{{in}}) - r^2
$$

$Q$ is any invertible {rank}×{rank} matrix, so $r^2 = {squared}$ of the {parameters} numbers are
redundant. The product changed by at most {moved}. The step depends on $QQ^\top$, so a rotation does not change it and a
stretch does. The balance ${B}^\top{B} - {A}{A}^\top$ is conserved only as $\eta \to 0$. Its drift in the same training
time: {drift} at $\eta = {lr:g}$, {slow_drift} at a tenth of it. Here $L = \tfrac12\|{B}{A} - M\|_F^2$, plain gradient
descent.""",
        rank=r, squared=r**2, parameters=r * (d_out + d_in), moved=number(float(record.moved_product.max())),
        drift=_drifted(record.drift[0]), lr=record.lr, slow_drift=_drifted(record.drift[1]), **LETTERS,
    )  # fmt: skip


def measure(settings: Settings, _: Lab) -> Gauge:
    """Move the factors of a product of this rank."""
    e = settings.experiment
    return gauge(settings["gauge_path"], e.rank, e.lr, e.seed)


def _ask(seen: Seen, _: None) -> Measured:
    A, B = (shown(seen.film, factor)[0] for factor in ("lora_a", "lora_b"))
    G = B @ A  # the gradient at which the target is 0; the ratio is the same for every G
    first, then = (float(np.linalg.norm(G @ a.T @ a)) for a in (A, 10 * A))
    second = np.linalg.norm(B @ B.T @ G) / np.linalg.norm((B / 10) @ (B / 10).T @ G)
    told = say(
        "‖G AᵀA‖ went from {first} to {then}, and ‖B BᵀG‖ shrank by a factor of {second}; B A did not change.",
        first=word(first), then=word(then), second=word(float(second)),
    )  # fmt: skip
    return Measured(then / first, (1, 10, 0.01), told)


LESSON = Lesson(
    hero="changes",
    id="gauge", menu=to_say("Are A and B unique?"), title=to_say("Are A and B unique?"),
    claim=to_say(
        "No. For every invertible Q, B Q and Q⁻¹A have the same product as B and A, but the next gradient step can "
        "differ."
    ),
    place=50, default=Experiment(rank=3, lr=0.01),
    controls=(
        Choice(
            id="gauge_path", label=to_say("Kind of Q"), options=WAYS,
            help=to_say(
                "Rotation: angles and lengths stay. Stretch: longer in one direction, shorter in another. Both: one "
                "after the other."
            ),
            default="both", names={"both": to_say("both"), "turn": to_say("rotation"), "stretch": to_say("stretch")},
        ),
        CONTROLS["rank"].only(2, 3, 4, 6),
        CONTROLS["lr"].only(0.001, 0.01, 0.1),
    ),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, maths=maths, on_paper="changes", trains=False,
    question=Question(
        to_say(
            "Take 10·A and B/10: B A is the same. The next gradient step of B A has two parts, G AᵀA and B BᵀG. By "
            "what factor does the first one grow?"
        ),
        to_say(
            "A appears twice in the first part. Of all the pairs with the same product, the one you hold decides which "
            "factor does most of the learning."
        ),
        _ask,
    ),
)  # fmt: skip
