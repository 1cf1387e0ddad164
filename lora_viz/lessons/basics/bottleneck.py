"""Where can an update push? Inputs squeezed through A into r numbers, lifted by B onto col(B)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.run import Run
from lora_viz.core.spectra import (
    covariance_root,
    least_squares,
    orthonormal_columns,
    principal_angles,
    reduced_rank_floor,
)
from lora_viz.film.panels import Cloud, Film, Lines, Points, Readout, Row, Series, Span
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = ["Bottleneck", "bottleneck", "film", "plot_bottleneck", "table", "takeaway"]

SHOWN = 140  # samples drawn; all are trained on
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
    it is small, col(B) is hardly r-dimensional and its last direction jumps.
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
    best, _ = reduced_rank_floor(least_squares(task)[0], covariance_root(task), e.rank)
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
        if q.shape[1] == e.rank:
            angle_B[t] = principal_angles(q, target_out).max()
        if p.shape[1] == e.rank:
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
        steps=run.steps[:alive],
        rank=e.rank,
        inputs=inputs,
        code=code,
        outputs=outputs,
        wanted=inputs @ task.target_delta.T,
        row_A=row_A,
        col_B=col_B,
        target_in=target_in.T,
        target_out=target_out.T,
        ghosts=ghosts,
        movement=np.linalg.norm(moved, axis=2).max(axis=1, initial=0.0),
        outside=outside,
        angle_A=angle_A,
        angle_B=angle_B,
        flatness=np.divide(widths[:, -1], widths[:, 0], out=np.zeros(alive), where=widths[:, 0] > 0),
        loss=run.loss[:alive, 0],
        diverged_at=int(run.diverged_at[0]),
    )


def _probe(inputs: Float[np.ndarray, "n d_in"]) -> int:
    """A sample well inside the cloud but away from 0, so that it can be seen."""
    size = np.linalg.norm(inputs, axis=1)
    return int(np.argsort(size)[len(size) // 2])


def film(record: Bottleneck) -> Film:
    """Three clouds over one playhead, the turning subspaces, and the two residuals in words."""
    d_in, d_out, r = record.inputs.shape[1], record.wanted.shape[1], record.rank
    fine = record.diverged_at < 0  # what diverges may leave the picture
    x_limit = _reach(record.inputs, record.ghosts)
    y_limit = _reach(record.wanted, record.outputs if fine else record.outputs[:1])
    h_limit = _reach(record.code if fine else record.code[:1])
    at = _probe(record.inputs)
    outputs = Cloud(
        title=say(OUT[r]) if r < d_out or d_out == 3 else say("out: Δy = s·B h, all on the whole plane"),
        colour="delta",
        dimension=d_out,
        limit=y_limit,
        axes="y",
        view=_view(record.col_B[-1]),
        spans=(
            Span(name="u", colour="faint", basis=record.target_out * y_limit * 0.95, style="axes"),
            Span(name="col(B)", colour="B", basis=record.col_B * y_limit * 0.9),
        ),
        points=(
            Points(name=say("asked for"), colour="faint", xyz=record.wanted, style="ring"),
            Points(name="Δy", colour="delta", xyz=record.outputs),
            Points(name=say("probe"), colour="ink", xyz=record.outputs[:, at : at + 1], style="probe"),
        ),
        caption=tuple(_pushed(d_out, r, count) for count in _counts(record.col_B)),
    )
    return Film(
        axis=to_say("step"),
        training=True,
        of_last=True,
        values=record.steps.astype(float),
        start=len(record.steps) - 1,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Cloud(
                title=say("in: x, {d_in} numbers", d_in=d_in),
                colour="ink",
                dimension=d_in,
                limit=x_limit,
                axes="x",
                view=_view(record.row_A[-1]),
                spans=(Span(name="row(A)", colour="A", basis=record.row_A * x_limit * 0.8),),
                points=(
                    Points(name="x", colour="W", xyz=record.inputs),
                    Points(name=say("x + ker A"), colour="alarm", xyz=record.ghosts, style="ghost"),
                    Points(name=say("probe"), colour="ink", xyz=record.inputs[at : at + 1], style="probe"),
                ),
                caption=tuple(_read(r, d_in, count) for count in _counts(record.row_A)),
            ),
            Cloud(
                title=(
                    say("bottleneck: h = A x, 1 number") if r == 1 else say("bottleneck: h = A x, {r} numbers", r=r)
                ),
                colour="A",
                dimension=r,
                limit=h_limit,
                axes="h",
                points=(
                    Points(name="h", colour="A", xyz=record.code),
                    Points(name=say("probe"), colour="ink", xyz=record.code[:, at : at + 1], style="probe"),
                ),
                caption=(f"x ({d_in}) → A ({r}×{d_in}) → h ({r}) → B ({d_out}×{r}) → Δy ({d_out})",),
            ),
            outputs,
            Lines(
                title=say("Largest angle to the best rank-r update"),
                y_label=say("degrees"),
                x_scale="sqrt",
                reach=10.0,
                span=7,
                row=1,
                series=(
                    Series(name="row(A)", colour="A", y=record.angle_A),
                    Series(name="col(B)", colour="B", y=record.angle_B),
                ),
            ),
            Readout(
                title=say("Measured"),
                span=5,
                row=1,
                rows=(
                    Row(
                        label=say("farthest Δy from col(B)"), text=tuple(number(v) for v in record.outside), colour="B"
                    ),
                    Row(label=say("Δy moves, for a step in ker A"), text=_moves(record), colour="A"),
                    Row(label=say("loss"), text=tuple(number(v) for v in record.loss)),
                ),
            ),
        ),
    )


def _reach(*sets: Float[np.ndarray, "... d"]) -> float:
    """How far do the axes reach, if every point is to lie inside the picture from wherever it is seen?

    The picture shows 1.35 times as much where it turns, else 1.2 times; what is left beyond the points is for their
    own size.
    """
    beyond = 1.25 if sets[0].shape[-1] == 3 else 1.12
    return max(float(np.linalg.norm(points, axis=-1).max(initial=0.0)) for points in sets) / beyond or 1.0


def _view(basis: Float[np.ndarray, "k d"]) -> tuple[float, float]:
    """From where is this subspace seen well? Neither edge-on nor face-on: a plane should look like one."""
    rows = basis[np.isfinite(basis).all(axis=1)]
    if basis.shape[1] != 3 or len(rows) not in (1, 2):
        return -0.65, 0.42
    normal = np.cross(rows[0], rows[1]) if len(rows) == 2 else rows[0]
    wanted = 0.75 if len(rows) == 2 else 0.2  # |cosine| between the line of sight and the normal, or the line
    best, view = np.inf, (-0.65, 0.42)
    for yaw in np.linspace(-np.pi, np.pi, 37):
        for pitch in (0.3, 0.42, 0.55):
            sight = np.array([-np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
            miss = abs(abs(sight @ normal) / np.linalg.norm(normal) - wanted) + 0.02 * abs(yaw + 0.65)
            if miss < best:
                best, view = miss, (float(yaw), pitch)
    return view


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


def _moves(record: Bottleneck) -> tuple[str, ...]:
    if not record.ghosts.shape[1]:
        return (say("ker A = {0}: nothing is lost"),)
    return tuple(number(v) for v in record.movement)


def _narrate(record: Bottleneck, t: int) -> str:
    step = int(record.steps[t])
    if not np.isfinite(record.col_B[t]).any():
        never = not np.isfinite(record.col_B[-1]).any()
        if never:
            return say("Step {step}: B is 0, so every Δy is exactly 0: nothing ever moves.", step=step)
        return say("Step {step}: B is 0, so every Δy is exactly 0: nowhere to push yet.", step=step)
    if t + 1 == len(record.steps) and record.diverged_at >= 0:
        return say("Step {step}: here training diverged; the picture shows the last finite state.", step=step)
    if not np.isfinite(record.angle_B[t]):
        return say("Step {step}: col(B) does not have {rank} dimensions yet.", step=step, rank=record.rank)
    if not np.isfinite(record.row_A[t]).any():
        return say("Step {step}: A is 0, so it reads nothing and every Δy is exactly 0.", step=step)
    if not np.isfinite(record.angle_A[t]):
        return say("Step {step}: row(A) does not have {rank} dimensions yet.", step=step, rank=record.rank)
    if record.rank == record.wanted.shape[1]:
        return say(
            "Step {step}: col(B) is the whole space: Δy can go anywhere. Loss {loss}.",
            step=step,
            loss=number(record.loss[t]),
        )
    if record.flatness[t] < 0.02:
        return say(
            "Step {step}: B's columns are almost parallel here, so the last direction of col(B) is hardly determined.",
            step=step,
        )
    a, b = _degrees(record.angle_A[t]), _degrees(record.angle_B[t])
    return say(
        "Step {step}: col(B) is {b} away from the best directions to push, row(A) {a} from the best to read.",
        step=step,
        b=b,
        a=a,
    )


def _degrees(angle: float) -> str:
    return say("less than 0.001°") if angle < 1e-3 else f"{number(angle)}°"


def takeaway(record: Bottleneck) -> str:
    """What was seen, in the run's own numbers."""
    d_in, d_out, r = record.inputs.shape[1], record.wanted.shape[1], record.rank
    if record.diverged_at >= 0:
        return say("Training diverged after step {step}: lower the learning rate.", step=record.diverged_at)
    if not np.isfinite(record.col_B[-1]).any():
        return say("B never left 0, so every Δy stayed exactly 0: with nowhere to push, nothing was learnt.")
    lost = d_in - r
    seen = say(
        "Whatever the input, Δy stayed on col(B), {r} of {d_out} dimensions: "
        "the farthest output is {outside} away from it, rounding.",
        r=min(r, d_out),
        d_out=d_out,
        outside=number(record.outside[-1]),
    )
    movement = number(record.movement[-1])
    if lost <= 0:
        kept = say("Here A keeps all input directions: nothing is collapsed, and nothing is saved either.")
    elif lost == 1:
        kept = say(
            "1 of {d_in} input directions lies in ker A: moving along it moved Δy by {movement}.",
            d_in=d_in,
            movement=movement,
        )
    else:
        kept = say(
            "{lost} of {d_in} input directions lie in ker A: moving along them moved Δy by {movement}.",
            lost=lost,
            d_in=d_in,
            movement=movement,
        )
    a, b = record.angle_A[-1], record.angle_B[-1]
    if r == d_out or not (np.isfinite(a) and np.isfinite(b)):
        return f"{seen} {kept}"
    ended = say(
        "Training ended {b} from the best directions to push and {a} from the best to read.",
        b=_degrees(b),
        a=_degrees(a),
    )
    return f"{seen} {kept} {ended}"


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


def plot_bottleneck(record: Bottleneck, *, theme: str = "light") -> go.Figure:
    """The outputs of the finished run on col(B), as a still figure."""
    colour = IDENTITY[theme]
    y, wanted = record.outputs[-1], record.wanted
    scatter = go.Scatter3d if y.shape[1] == 3 else go.Scatter
    names = "xyz"[: y.shape[1]]
    figure = go.Figure(
        [
            scatter(
                **dict(zip(names, points.T, strict=True)), mode="markers", name=name, marker={"size": size, "color": c}
            )
            for points, name, size, c in (
                (wanted, say("asked for"), 3, colour["faint"]),
                (y, "Δy = s·B A x", 5, colour["delta"]),
            )
        ]
    )
    figure.update_layout(**plotly_layout(title=say("Outputs of a rank-{rank} update", rank=record.rank), height=560))
    return figure
