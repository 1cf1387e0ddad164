"""The low-rank bottleneck: A reduces an input to r numbers, B lifts them onto col(B), and no update leaves it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.spectra import (
    covariance_root,
    least_squares,
    orthonormal_columns,
    principal_angles,
    reduced_rank_floor,
)
from lora_viz.engine.training import train
from lora_viz.film.clouds import limit, view
from lora_viz.film.film import Film
from lora_viz.film.panels import Cloud, Lines, Points, Readout, Row, Series, Span
from lora_viz.film.style import number, numbers, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "Bottleneck", "bottleneck"]

SHOWN = 140  # samples drawn; all are trained on
ALIKE = 0.99  # of σ_r: what comes next is as good, and no direction is the best one
ROUNDING = 1e-6  # of the largest Δy, in float32 too
OUT = {
    1: to_say("out: Δy = s·B h, all on a line"),
    2: to_say("out: Δy = s·B h, all on a plane"),
    3: to_say("out: Δy = s·B h, all on a volume"),
}


class Bottleneck(NamedTuple):
    """What the clouds show at each recorded step: x, h = A x and Δy = s·B h, and the subspaces they live in.

    ``movement`` is ‖ΔW(x + z) − ΔW x‖ for the largest z ∈ ker A drawn (``ghosts``), ``outside`` the largest part of any
    Δy outside col(B). ``angle_A`` and ``angle_B`` are the largest principal angles, in degrees, between row(A), col(B)
    and those of the best rank-r update; NaN where a subspace has fewer dimensions. ``flatness`` is σ_r/σ₁ of B: where
    it is small, col(B) is hardly r-dimensional and its last direction jumps. ``spread`` is σ_{r+1}/σ_r of the best
    update of any rank on these samples: near 1 the best directions are an arbitrary choice, and both angles are NaN.
    """

    steps: Int[np.ndarray, "T"]
    rank: int
    inputs: Float[np.ndarray, "n d_in"]
    code: Float[np.ndarray, "T n r"]
    outputs: Float[np.ndarray, "T n d_out"]
    wanted: Float[np.ndarray, "n d_out"]
    row_A: Float[np.ndarray, "T r d_in"]
    col_B: Float[np.ndarray, "T r d_out"]
    target_in: Float[np.ndarray, "r d_in"]
    target_out: Float[np.ndarray, "r d_out"]
    ghosts: Float[np.ndarray, "T pairs d_in"]
    movement: Float[np.ndarray, "T"]
    outside: Float[np.ndarray, "T"]
    angle_A: Float[np.ndarray, "T"]
    angle_B: Float[np.ndarray, "T"]
    flatness: Float[np.ndarray, "T"]
    spread: float
    loss: Float[np.ndarray, "T"]
    diverged_at: int


def bottleneck(run: Run) -> Bottleneck:
    """Follow a cloud of inputs through the adapter, at every recorded step up to the last finite one."""
    e, task = run.experiment, run.task
    alive = run.last() + 1
    A, B = run.A[0][:alive], run.B[0][:alive]
    inputs = task.inputs[:SHOWN]
    code = inputs @ np.swapaxes(A, 1, 2)
    outputs = e.scaling * code @ np.swapaxes(B, 1, 2)
    fitted, root = least_squares(task)[0], covariance_root(task)
    best, _ = reduced_rank_floor(fitted, root, e.rank)
    strengths = np.append(np.linalg.svd(fitted @ root, compute_uv=False), 0.0)
    spread = float(strengths[e.rank] / strengths[e.rank - 1]) if strengths[e.rank - 1] else 1.0
    known = spread < ALIKE
    left, _, right = np.linalg.svd(best)
    target_out, target_in = left[:, : e.rank], right[: e.rank].T

    col_B = np.full((alive, e.rank, e.d_out), np.nan)
    row_A = np.full((alive, e.rank, e.d_in), np.nan)
    outside, angle_A, angle_B = np.zeros(alive), np.full(alive, np.nan), np.full(alive, np.nan)
    widths = np.linalg.svd(B, compute_uv=False)
    kernel = np.linalg.svd(A)[2][:, e.rank :]
    for t in range(alive):
        q, p = orthonormal_columns(B[t]), orthonormal_columns(A[t].T)
        col_B[t, : q.shape[1]], row_A[t, : p.shape[1]] = q.T, p.T
        every = orthonormal_columns(B[t], tol=1e-14)  # a direction only just born counts too
        outside[t] = np.abs(outputs[t] - outputs[t] @ every @ every.T).max()
        if known and q.shape[1] == e.rank:
            angle_B[t] = principal_angles(q, target_out).max()
        if known and p.shape[1] == e.rank:
            angle_A[t] = principal_angles(p, target_in).max()
    probe = inputs[_probe(inputs)]
    for t in range(1, alive):  # the sign of a null vector is free: keep it from flipping between frames
        turned = np.sum(kernel[t] * kernel[t - 1], axis=-1) < 0
        kernel[t][turned] *= -1
    ways = 1.6 * kernel
    ghosts = np.stack([np.broadcast_to(probe, ways.shape), probe + ways], axis=2).reshape(alive, -1, e.d_in)
    delta = e.scaling * B @ A
    moved = np.einsum("toi,tki->tko", delta, probe + ways) - (delta @ probe)[:, None]
    return Bottleneck(
        steps=run.steps[:alive], rank=e.rank, inputs=inputs, code=code, outputs=outputs,
        wanted=inputs @ task.target_delta.T, row_A=row_A, col_B=col_B, target_in=target_in.T, target_out=target_out.T,
        ghosts=ghosts, movement=np.linalg.norm(moved, axis=2).max(axis=1, initial=0.0), outside=outside,
        flatness=np.divide(widths[:, -1], widths[:, 0], out=np.zeros(alive), where=widths[:, 0] > 0),
        angle_A=angle_A, angle_B=angle_B, spread=spread, loss=run.loss[:alive, 0], diverged_at=int(run.diverged_at[0]),
    )  # fmt: skip


def _probe(inputs: Float[np.ndarray, "n d_in"]) -> int:
    """A sample well inside the cloud but away from 0, so that it can be seen."""
    size = np.linalg.norm(inputs, axis=1)
    return int(np.argsort(size)[len(size) // 2])


def film(record: Bottleneck) -> Film:
    """Three clouds over one playhead, the turning subspaces, and the two residuals in words."""
    d_in, d_out, r = record.inputs.shape[1], record.wanted.shape[1], record.rank
    fine = record.diverged_at < 0  # what diverges may leave the picture
    x_limit = limit(record.inputs, record.ghosts)
    y_limit = limit(record.wanted, record.outputs if fine else record.outputs[:1])
    at = _probe(record.inputs)
    moves = numbers(record.movement) if r < d_in else (say("ker A = {0}: nothing is lost"),)
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Cloud(
                "in", say("in: x, {d_in} numbers", d_in=d_in), "ink", dimension=d_in, limit=x_limit, axes="x",
                view=view(record.row_A[-1]), spans=(Span("row_a", "row(A)", "A", record.row_A * x_limit * 0.8),),
                points=(
                    Points("inputs", "x", "W", record.inputs),
                    Points("kernel", say("x + ker A"), "alarm", record.ghosts, style="ghost"),
                    Points("probe", say("probe"), "ink", record.inputs[at : at + 1], style="probe"),
                ),
                caption=tuple(_read(r, d_in, count) for count in _counts(record.row_A)),
            ),
            Cloud(
                "code", say("bottleneck: h = A x, {r} numbers", r=r) if r > 1 else say("bottleneck: h = A x, 1 number"),
                "A", dimension=r, limit=limit(record.code if fine else record.code[:1]), axes="h",
                points=(
                    Points("code", "h", "A", record.code),
                    Points("probe", say("probe"), "ink", record.code[:, at : at + 1], style="probe"),
                ),
                caption=(f"x ({d_in}) → A ({r}×{d_in}) → h ({r}) → B ({d_out}×{r}) → Δy ({d_out})",),
            ),
            Cloud(
                "out", say(OUT[r]) if r < d_out or d_out == 3 else say("out: Δy = s·B h, all on the whole plane"),
                "delta", dimension=d_out, limit=y_limit, axes="y", view=view(record.col_B[-1]),
                spans=(
                    Span("best", "u", "faint", record.target_out * y_limit * 0.95, style="axes"),
                    Span("col_b", "col(B)", "B", record.col_B * y_limit * 0.9),
                ),
                points=(
                    Points("target", say("target"), "faint", record.wanted, style="ring"),
                    Points("trained", "Δy", "delta", record.outputs),
                    Points("probe", say("probe"), "ink", record.outputs[:, at : at + 1], style="probe"),
                ),
                caption=tuple(_pushed(d_out, r, count) for count in _counts(record.col_B)),
            ),
            Lines(
                "angles", say("Largest angle to the best rank-r update"), y_label=say("degrees"), x_scale="sqrt",
                reach=10.0, span=7, row=1,
                series=(Series("row_a", "row(A)", "A", record.angle_A), Series("col_b", "col(B)", "B", record.angle_B)),
            ),
            Readout(
                "measured", say("Measured"),
                (
                    Row("outside", say("farthest Δy from col(B)"), numbers(record.outside), colour="B"),
                    Row("movement", say("Δy moves, for a step in ker A"), moves, colour="A"),
                    Row("loss", say("loss"), numbers(record.loss)),
                ),
                span=5, row=1,
            ),
        ),
    )  # fmt: skip


def _counts(basis: Float[np.ndarray, "T k d"]) -> list[int]:
    return [int(count) for count in np.isfinite(basis).all(axis=2).sum(axis=1)]


def _read(rows: int, columns: int, count: int) -> str:
    if count == 1:
        return say("A is {rows}×{columns}: 1 direction read", rows=rows, columns=columns)
    return say("A is {rows}×{columns}: {count} directions read", rows=rows, columns=columns, count=count)


def _pushed(rows: int, columns: int, count: int) -> str:
    if count == 1:
        return say("B is {rows}×{columns}: 1 direction to push along", rows=rows, columns=columns)
    return say("B is {rows}×{columns}: {count} directions to push along", rows=rows, columns=columns, count=count)


def _narrate(record: Bottleneck, t: int) -> str:
    step = int(record.steps[t])
    if not np.isfinite(record.col_B[t]).any():
        if not np.isfinite(record.col_B[-1]).any():
            return say("Step {step}: B is 0, as at every step, so every Δy is exactly 0.", step=step)
        return say("Step {step}: B is still 0, so every Δy is exactly 0.", step=step)
    if t + 1 == len(record.steps) and record.diverged_at >= 0:
        return say("Step {step}: training diverged here. The picture shows the last finite state.", step=step)
    if not np.isfinite(record.row_A[t]).any():
        return say("Step {step}: A is 0, so every Δy is exactly 0.", step=step)
    if (count := _counts(record.col_B)[t]) < record.rank:
        return say("Step {step}: col(B) has {count} of {rank} dimensions.", step=step, count=count, rank=record.rank)
    if (count := _counts(record.row_A)[t]) < record.rank:
        return say("Step {step}: row(A) has {count} of {rank} dimensions.", step=step, count=count, rank=record.rank)
    loss = number(record.loss[t])
    if record.rank == record.wanted.shape[1]:
        return say("Step {step}: col(B) is the whole space, so Δy can go anywhere. Loss {loss}.", step=step, loss=loss)
    if record.spread >= ALIKE:
        return say("Step {step}: several directions are equally good here. Loss {loss}.", step=step, loss=loss)
    if record.flatness[t] < 0.02:
        return say(
            "Step {step}: B's columns are almost parallel here, so the last direction of col(B) is hardly determined.",
            step=step,
        )
    a, b = _degrees(record.angle_A[t]), _degrees(record.angle_B[t])
    return say(
        "Step {step}: col(B) is {b} from the best output directions, row(A) {a} from the best input directions.",
        step=step, b=b, a=a,
    )  # fmt: skip


def _degrees(angle: float) -> str:
    return f"< {number(0.001)}°" if angle < 1e-3 else f"{number(angle)}°"


def takeaway(record: Bottleneck) -> str:
    """What was seen, in the run's own numbers."""
    d_in, d_out, r = record.inputs.shape[1], record.wanted.shape[1], record.rank
    if record.diverged_at >= 0:
        return say("Training diverged after step {step}: lower the learning rate.", step=record.diverged_at)
    if not np.isfinite(record.col_B[-1]).any():
        return say("B stayed 0, so every Δy stayed exactly 0 and nothing was learnt.")
    seen = say(
        "Δy stayed on col(B), {r} of {d_out} dimensions, to within {outside}.",
        r=_counts(record.col_B)[-1], d_out=d_out, outside=number(record.outside[-1]),
    )  # fmt: skip
    movement = number(record.movement[-1])
    if r >= d_in:
        kept = say("A has as many rows as x has numbers, so no input direction is lost.")
    elif r == d_in - 1:
        kept = say(
            "1 of {d_in} input directions lies in ker A; a step along it moved Δy by {movement}.",
            d_in=d_in, movement=movement,
        )  # fmt: skip
    else:
        kept = say(
            "{lost} of {d_in} input directions lie in ker A; a step along them moved Δy by {movement}.",
            lost=d_in - r, d_in=d_in, movement=movement,
        )  # fmt: skip
    if record.spread >= ALIKE and r < d_out:
        return f"{seen} {kept} {say('Several directions are equally good here, so there are no best ones.')}"
    angles = record.angle_A[-1], record.angle_B[-1]
    if r == d_out or not np.isfinite(angles).all():
        return f"{seen} {kept}"
    a, b = map(_degrees, angles)
    ended = say("Training ended {b} from the best output directions and {a} from the best input directions.", a=a, b=b)
    return f"{seen} {kept} {ended}"


def verdict(record: Bottleneck) -> Verdict:
    """No Δy is off col(B), and a step in ker A does not move it, both but for rounding."""
    d_in, d_out, r = record.inputs.shape[1], record.wanted.shape[1], record.rank
    largest = float(np.abs(record.outputs[-1]).max())
    outside, movement = float(record.outside[-1]), float(record.movement[-1])
    evidence = {"largest": largest, "outside": outside, "movement": movement}
    if not largest:
        return undecided(say("every Δy is exactly 0"), **evidence)
    if outside > ROUNDING * largest or movement > ROUNDING * largest:
        return false_here(
            say("Δy leaves col(B) by {outside} and moves by {movement} for a step in ker A", outside=number(outside),
                movement=number(movement)), **evidence
        )  # fmt: skip
    if r >= max(d_in, d_out):
        return undecided(say("r = {r} columns of B can span the whole space, so nothing is excluded", r=r), **evidence)
    return true_here(
        say("no Δy is farther than {outside} from col(B), and a step in ker A moves Δy by {movement}",
            outside=number(outside), movement=number(movement)), **evidence
    )  # fmt: skip


def table(record: Bottleneck) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    return {
        "step": record.steps,
        "loss": record.loss,
        "angle_row_A_degrees": record.angle_A,
        "angle_col_B_degrees": record.angle_B,
        "outside_col_B": record.outside,
        "movement_in_ker_A": record.movement,
    }


def maths(record: Bottleneck, settings: Settings) -> str:
    """Where Δy lies and what A does not see, with this run's numbers."""
    e = settings.experiment
    return say(
        r"""
$$
y = \underbrace{{{W}\,x}}_{{\text{{frozen}}}} + \underbrace{{s\,{B}\,({A}\,x)}}_{{\Delta y}},
\qquad \Delta y = s\sum_{{i=1}}^{{{rank}}} h_i\,b_i \in \mathrm{{col}}({B}),
\qquad s = {scaling:.3g}
$$

The columns $b_i$ of ${B}$ are the only directions available: $\dim \mathrm{{col}}({B}) \le r = {rank}$ of {d_out}
dimensions. A step $z \in \ker {A}$ (dimension {lost}, if ${A}$ has full rank) does not change the update:
${dW}(x+z) = {dW}x$, measured to {movement}. At step 0 the largest entry of any $\Delta y$ was {largest}. The faint axes
$u_i$ are output directions of a best rank-{rank} update (reduced-rank regression on these samples).""",
        W=tint("W", "W"), A=tint("A", "A"), B=tint("B", "B"), dW=tint("delta", r"\Delta W"),
        rank=e.rank, scaling=e.scaling, d_out=e.d_out, lost=e.d_in - e.rank,
        movement=number(float(record.movement[-1])), largest=number(float(abs(record.outputs[0]).max())),
    )  # fmt: skip


def trained(settings: Settings, lab: Lab) -> Run:
    """The run of this one adapter."""
    return lab.train(Sweep((settings.experiment,)), settings.device)


def measure(settings: Settings, lab: Lab) -> Bottleneck:
    """Train one adapter, and follow a cloud of inputs through it."""
    return bottleneck(trained(settings, lab))


def _unseen(e: Experiment, _: Any) -> tuple[float, float, float] | None:
    """How far W z and ΔW z move for a z of length 1 in ker A, and the most that ΔW moves any: None without such a z."""
    if e.rank >= e.d_in:
        return None
    run = train(Sweep((e,)), records=2)
    A, delta = run.A[0][-1].astype(float), run.delta_weight()[-1]
    z = np.linalg.svd(A)[2][-1]
    moved, update = (float(np.linalg.norm(matrix @ z)) for matrix in (run.task.base_weight, delta))
    return moved, update, float(np.linalg.norm(delta, 2))


def _ask(_: Seen, found: Any) -> Measured:
    if found is None:
        raise Unanswerable(
            say("At this rank no input direction is lost. Lower the rank, and the question will appear.")
        )
    moved, update, most = found
    told = say("‖W z‖ was {moved}, ‖ΔW z‖ {update}.", moved=word(moved), update=word(update))
    return Measured(moved, (0, most, moved + most), told)


LESSON = Lesson(
    hero="out",
    id="bottleneck", menu=to_say("The low-rank bottleneck"),
    title=to_say("The low-rank bottleneck: which outputs can an update reach?"),
    claim=to_say(
        "For any input, a rank-r update moves the output only along the r columns of B, and depends only on the r rows "
        "of A."
    ),
    place=10,
    default=Experiment(
        task="full_rank", d_in=3, d_out=3, spectrum="exponential", rank=2, alpha=4.0, lr=0.02, steps=300, condition=3.0,
    ),
    controls=(CONTROLS["rank"].only(1, 2, 3), *(CONTROLS[name] for name in ("d_in", "condition", "spectrum"))),
    more=tuple(CONTROLS[name] for name in ("optimizer", "lr", "alpha", "init", "steps")), measure=measure, film=film,
    takeaway=takeaway, verdict=verdict, maths=maths, on_paper="out", table=table,
    exports=lambda record, settings, lab: trained(settings, lab),
    question=Question(
        to_say(
            "z has length 1 and lies in ker A, so the update does not see it. How far apart are the whole layer's "
            "outputs, W x + Δy, for x and for x + z?"
        ),
        to_say("Only the side path is narrow. The frozen W still sees z, so the layer as a whole does too."),
        _ask, _unseen,
    ),
)  # fmt: skip
