"""The machine: every vector and matrix inside one LoRA layer, in a run that sees one sample a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable
from lora_viz.core.experiment import Experiment, ExperimentError, Sweep
from lora_viz.core.run import Run
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, Lines, Machine, Series
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.tasks import batches
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Part, Prose
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["CONVENTIONS", "LESSON", "LayerFlow", "layer_flow", "narrated", "phases"]

LEARNT = 0.5  # of the initial loss: what is below it has been learnt
# What the documents of the field call the frozen weight, the factors and the update.
CONVENTIONS: dict[str, tuple[str, str, str, str]] = {
    "paper": ("W₀", "A", "B", "ΔW = s·B A"),
    "peft": (to_say("base weight"), "lora_A", "lora_B", to_say("delta weight = s·lora_B lora_A")),
    "down_up": ("W", "down", "up", "ΔW = s·up down"),
    "row_vectors": ("W₀ᵀ", to_say("Aᵀ (down)"), to_say("Bᵀ (up)"), "ΔWᵀ = s·Aᵀ Bᵀ"),
}


class LayerFlow(NamedTuple):
    """The sample of each step on its way: x, h = A x, u = B h, y = W x + s·u, g = y − t, and the gradients it gives.

    ``sample_loss`` is ½‖g‖² of that one sample, ``loss`` the mean over all samples.
    """

    steps: Int[np.ndarray, "T"]
    W: Float[np.ndarray, "d_out d_in"]
    A: Float[np.ndarray, "T r d_in"]
    B: Float[np.ndarray, "T d_out r"]
    x: Float[np.ndarray, "T d_in"]
    target: Float[np.ndarray, "T d_out"]
    h: Float[np.ndarray, "T r"]
    u: Float[np.ndarray, "T d_out"]
    y: Float[np.ndarray, "T d_out"]
    g: Float[np.ndarray, "T d_out"]
    grad_A: Float[np.ndarray, "T r d_in"]
    grad_B: Float[np.ndarray, "T d_out r"]
    sample_loss: Float[np.ndarray, "T"]
    loss: Float[np.ndarray, "T"]
    sigma: Float[np.ndarray, "T r"]
    target_sigma: Float[np.ndarray, "k"]
    scaling: float
    lr: float
    optimizer: str
    frozen: str
    diverged_at: int


def layer_flow(run: Run) -> LayerFlow:
    """Follow the one sample that each step of a run with batch 1 has seen, up to the last finite step.

    Raises ExperimentError for another batch: its steps are no single sample's.
    """
    e, task = run.experiment, run.task
    if e.batch != 1:
        raise ExperimentError(
            say("batch={batch} cannot be followed through the layer. Valid values: 1.", batch=e.batch)
        )
    alive = run.last() + 1
    factored, steps = run.factored()[:alive], run.steps[:alive]
    A, B = factored.A, factored.B
    seen = batches(e)[steps, 0]
    x = task.inputs[seen]
    target = x @ task.base_weight.T + task.residuals[seen]
    h = np.einsum("tri,ti->tr", A, x)
    u = np.einsum("tor,tr->to", B, h)
    y = x @ task.base_weight.T + e.scaling * u
    g = y - target
    grad_A, grad_B = factored.gradients(g[:, :, None] * x[:, None, :])
    return LayerFlow(
        steps=steps, W=task.base_weight, A=A, B=B, x=x, target=target, h=h, u=u, y=y, g=g, grad_A=grad_A, grad_B=grad_B,
        sample_loss=0.5 * np.sum(g**2, axis=1), loss=run.loss[:alive, 0], sigma=factored.singular_values(),
        target_sigma=np.linalg.svd(task.target_delta, compute_uv=False), scaling=e.scaling, lr=e.lr,
        optimizer=e.optimizer, frozen=e.frozen, diverged_at=int(run.diverged_at[0]),
    )  # fmt: skip


def film(record: LayerFlow, settings: Settings) -> Film:
    """The layer, its loss and its singular values over one playhead; in slow motion each step in eight phases."""
    r = record.A.shape[1]
    inputs, outputs = np.hstack([record.x, record.h]), np.hstack([record.y, record.target])
    delta = record.scaling * record.B @ record.A
    coloured = (record.W, record.A, record.B, delta, record.grad_A, record.grad_B, inputs, outputs)
    limits = tuple(float(np.abs(x).max()) or 1.0 for x in coloured)
    convention = settings["convention"]
    W, A, B, dW = map(say, CONVENTIONS[convention])
    k = min(len(record.target_sigma), r + 2)
    learnt = np.zeros((len(record.steps), k))
    learnt[:, :r] = record.sigma
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=0.1, autoplay=True,
        narration=tuple(narrated(record, t) for t in range(len(record.steps))),
        phases=tuple(phases(record, t) for t in range(len(record.steps))),
        panels=(
            Machine(
                "layer", say("One LoRA layer, one sample a step"), colour="ink", W=record.W, A=record.A, B=record.B,
                x=record.x, target=record.target, scaling=record.scaling, limits=limits, names=(W, A, B, dW),
                symbol="W" if convention == "peft" else W, lr=record.lr, rows=convention == "row_vectors",
            ),
            Lines(
                "loss", say("Loss over all samples"), y_label=say("loss"), x_scale="sqrt", span=3,
                series=(Series("loss", say("loss"), "ink", record.loss),),
            ),
            Bars(
                "singular_values", say("Singular values of ΔW"), y_label="σ", span=3, row=1,
                labels=tuple(str(i + 1) for i in range(k)), bar_ids=tuple(f"sigma_{i + 1}" for i in range(k)),
                groups=(
                    Group("learnt", say("learnt"), "delta", learnt),
                    Group("target", say("target"), "ink", record.target_sigma[:k], outline=True),
                ),
            ),
        ),
    )  # fmt: skip


def narrated(record: LayerFlow, t: int) -> str:
    """What is to be seen at this step."""
    step = int(record.steps[t])
    if t + 1 == len(record.steps) and record.diverged_at >= 0:
        return say("Step {step}: training diverged after this step; lower the learning rate.", step=step)
    a, b = np.linalg.norm(record.grad_A[t]), np.linalg.norm(record.grad_B[t])
    if not record.g[t].any():
        return say("Step {step}: this sample's error is exactly 0, so there is nothing to learn from it.", step=step)
    if a == 0 and b == 0:
        return say("Step {step}: both gradients are exactly 0, so this layer cannot learn.", step=step)
    if a == 0:
        return (say("Step {step}: B is 0, so ΔW and ∇A are exactly 0. Only weight decay moves A.", step=step)
                if _moves(record.A, t)
                else say("Step {step}: B is 0, so ΔW and ∇A are exactly 0. A does not change.", step=step))  # fmt: skip
    if b == 0:
        return (say("Step {step}: A is 0, so ∇B is exactly 0. Only weight decay moves B.", step=step)
                if _moves(record.B, t)
                else say("Step {step}: A is 0, so ∇B is exactly 0. B does not change.", step=step))  # fmt: skip
    just_left = t and record.B[t].any() and not record.B[t - 1].any()
    if just_left and record.frozen != "A" and np.array_equal(record.A[t], record.A[0]):
        return say(
            "Step {step}: B has left 0. A has not moved yet, but ∇A is now {size}.", step=step, size=number(float(a))
        )
    size = number(float(record.scaling * np.linalg.norm(record.B[t] @ record.A[t])))
    return say(
        "Step {step}: ‖ΔW‖ is {size}, the loss over all samples is {loss}.",
        step=step, size=size, loss=number(float(record.loss[t])),
    )  # fmt: skip


def _moves(factor: Float[np.ndarray, "T m n"], t: int) -> bool:
    return t + 1 < len(factor) and not np.array_equal(factor[t], factor[t + 1])


def phases(record: LayerFlow, t: int) -> tuple[str, ...]:
    """The step told slowly, with its own numbers; sums are written out for the first entry."""
    A, B, x, h, g = record.A[t], record.B[t], record.x[t], record.h[t], record.g[t]
    s, back = record.scaling, record.B[t].T @ record.g[t]

    def dot(left: Float[np.ndarray, "k"], right: Float[np.ndarray, "k"]) -> str:
        terms = [f"{_short(p)}·{_short(q)}" for p, q in zip(left[:2], right[:2], strict=True)]
        return " + ".join(terms) + (" + …" if len(left) > 2 else "")

    if t + 1 < len(record.steps):
        moved = record.A[t + 1] - A, record.B[t + 1] - B
        a, b = (number(float(np.linalg.norm(m))) for m in moved)
        update = say("update ({optimizer}): A moves by {a}, B by {b}", optimizer=record.optimizer.upper(), a=a, b=b)
    elif record.diverged_at >= 0:
        update = say("no update: training diverged here")
    else:
        update = say("no update: this is the last step")
    g1, h1, x1, back1 = _short(g[0]), _short(h[0]), _short(x[0]), _short(back[0])
    b1, a1 = _short(record.grad_B[t, 0, 0]), _short(record.grad_A[t, 0, 0])
    y1 = f"{_short(record.W[0] @ x)} + {s:g}·{_short(record.u[t, 0])} = {_short(record.y[t, 0])}"
    return (
        f"1/8  h = A x:  h₁ = {dot(A[0], x)} = {h1}",
        f"2/8  u = B h:  u₁ = {dot(B[0], h)} = {_short(record.u[t, 0])}",
        f"3/8  y = W x + s·u:  y₁ = {y1}",
        say("4/8  loss = ½‖y − t‖² = {loss} for this sample", loss=number(float(record.sample_loss[t]))),
        f"5/8  g = y − t:  g₁ = {_short(record.y[t, 0])} − {_short(record.target[t, 0])} = {g1}",
        say("6/8  ∇B = s·g hᵀ:  first entry {s:g}·{g}·{h} = {grad_B}", s=s, g=g1, h=h1, grad_B=b1),
        say("7/8  ∇A = s·(Bᵀg) xᵀ:  first entry {s:g}·{back}·{x} = {grad_A}", s=s, back=back1, x=x1, grad_A=a1),
        f"8/8  {update}",
    )


def _short(value: float) -> str:
    text = number(float(value))
    return f"({text})" if text.startswith("−") else text


@sentences
def takeaway(record: LayerFlow) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if record.diverged_at >= 0:
        yield say("Training diverged after step {step}: lower the learning rate.", step=record.diverged_at)
        return
    if np.ptp(record.loss) == 0:
        yield say(
            "Nothing was learnt: the loss stayed at {loss} for {steps} steps, because the gradient of every factor "
            "that may move is exactly 0.",
            loss=number(float(record.loss[0])), steps=record.steps[-1],
        )  # fmt: skip
        return
    b, a = (number(float(np.linalg.norm(x[0]))) for x in (record.grad_B, record.grad_A))
    yield say("At step 0 ‖∇A‖ was {a} and ‖∇B‖ was {b}.", a=a, b=b)
    yield say(
        "In {steps} steps of one sample each, with W unchanged, the loss went from {first} to {last}.",
        steps=record.steps[-1], first=number(float(record.loss[0])), last=number(float(record.loss[-1])),
    )  # fmt: skip


def verdict(record: LayerFlow) -> Verdict:
    """W has no time axis: it is one matrix for all steps. The side path has learnt where the loss is below half."""
    first, last = float(record.loss[0]), float(record.loss[-1])
    evidence = {"first": first, "last": last, "steps": int(record.steps[-1]), "W_dimensions": record.W.ndim}
    if record.diverged_at >= 0:
        return undecided(say("training diverged after step {step}", step=record.diverged_at), **evidence)
    if not first:
        return undecided(say("nothing is missing: the initial loss is 0"), **evidence)
    told = say(
        "the frozen W and what A and B learnt take the loss from {first} to {last}", first=number(first),
        last=number(last),
    ) if number(first) != number(last) else say("the loss stays at {first}", first=number(first))  # fmt: skip
    return true_here(told, **evidence) if last < LEARNT * first else false_here(told, **evidence)


def beside(record: LayerFlow) -> tuple[Part, ...]:
    """What can be done with the picture."""
    how = say("Hover any cell to see how it is computed. Click a cell of A or B to change it. Press S for slow motion.")
    return (Prose(how, small=True),)


def table(record: LayerFlow) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    return {
        "step": record.steps,
        "loss": record.loss,
        "sample_loss": record.sample_loss,
        "grad_A_norm": np.sqrt(np.sum(record.grad_A**2, axis=(1, 2))),
        "grad_B_norm": np.sqrt(np.sum(record.grad_B**2, axis=(1, 2))),
        **{f"sigma_{i + 1}": record.sigma[:, i] for i in range(record.sigma.shape[1])},
    }


def maths(record: LayerFlow, settings: Settings) -> str:
    """The layer and its gradients in formulas, with what there is to train counted."""
    e = settings.experiment
    return say(
        r"""
$$
y = {W}x + s\,{B}({A}x), \qquad \nabla_{{{B}}} = s\,g\,({A}x)^\top, \qquad \nabla_{{{A}}} = s\,({B}^\top g)\,x^\top,
\qquad g = y - t, \qquad s = {scaling:.3g}
$$

Each step sees one sample $x$ with its target $t$ and takes the loss $\tfrac12\|y - t\|^2$ of that sample alone, so
$\nabla_{{{A}}}$ and $\nabla_{{{B}}}$ have rank at most 1 at every step. ${W}$ has {frozen} entries, ${A}$ and ${B}$
together {trained}. At the last step $\|g\|$ is
{error}.""",
        W=tint("W", "W"), B=tint("B", "B"), A=tint("A", "A"), scaling=e.scaling, frozen=e.d_out * e.d_in,
        trained=e.rank * (e.d_in + e.d_out), error=number(float((record.g[-1] ** 2).sum() ** 0.5)),
    )  # fmt: skip


def trained(settings: Settings, lab: Lab) -> Run:
    """The run of this one layer, every step of it kept."""
    e = settings.experiment
    return lab.train(Sweep((e,)), settings.device, records=e.steps + 1)


def measure(settings: Settings, lab: Lab) -> LayerFlow:
    """Train the layer, and follow the sample of each step through it."""
    return layer_flow(trained(settings, lab))


def _ask(seen: Seen, _: Any) -> Measured:
    layer = seen.film.panel("layer")
    assert isinstance(layer, Machine)
    if len(layer.A) < 2:
        raise Unanswerable(say("Without a step nothing can have changed."))
    a, b = (int((factor[1] != factor[0]).sum()) for factor in (layer.A, layer.B))
    all_a, all_b, all_w = layer.A[0].size, layer.B[0].size, layer.W.size
    told = say("Step 1 changed {a} entries of A, {b} of B and none of W.", a=a, b=b)
    about = {"all_a": all_a, "all_b": all_b, "all_w": all_w}
    return Measured(a + b, (0, all_a, all_b, all_a + all_b, all_w), told, about)


LESSON = Lesson(
    hero="layer",
    id="machine", menu=to_say("Inside a LoRA layer"), title=to_say("Inside a LoRA layer: what happens in one step?"),
    claim=to_say(
        "W never changes. A small side path, down through A and up through B, learns what is missing."
    ),
    place=10,
    default=Experiment(
        d_in=8, d_out=6, target_rank=2, rank=2, alpha=2.0, optimizer="sgd", lr=0.02, batch=1, samples=64, steps=120,
    ),
    controls=(CONTROLS["rank"].only(1, 2, 3, 4), *(CONTROLS[name] for name in ("init", "frozen", "optimizer", "lr"))),
    more=tuple(CONTROLS[name] for name in ("convention", "alpha", "scaling_rule", "target_rank", "noise")),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, beside=beside, maths=maths, on_paper="loss",
    table=table,
    exports=lambda record, settings, lab: trained(settings, lab),
    question=Question(
        to_say("W has {all_w} entries, A {all_a} and B {all_b}. How many of them did the first step change?"),
        to_say(
            "W is frozen, and each factor's gradient contains the other factor, so it is exactly 0 while that one is "
            "0. "
            "Only AdamW's weight decay moves a factor without a gradient."
        ),
        _ask,
    ),
)  # fmt: skip
