"""What does gradient descent keep? AAᵀ − BᵀB: exactly in the limit of small steps, with a drift in proportion to η."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.run import Run
from lora_viz.core.seeds import log_slope, spread
from lora_viz.core.spectra import full_gradient
from lora_viz.film.panels import Curve, Curves, Film, HeatMap, Lines, Readout, Row, Series
from lora_viz.film.still import DASHES, Drawn, still_curves
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say

__all__ = ["Balance", "balance", "film", "plot_balance", "table", "takeaway"]


class Balance(NamedTuple):
    """D = AAᵀ − BᵀB at equal times t = ηk for learning rates ``lr``, largest first; NaN after divergence.

    ``drift`` is ‖D − D₀‖/‖D₀‖ (lr, T), ``ends`` its value at the end, (low, median, high; lr) over the seeds. For the
    largest lr and the first seed: ``D``, the squared norms of A and B, the loss, and ``identity``, the largest entry
    of D_k − D_{k−1} − η²(∇A∇Aᵀ − ∇Bᵀ∇B)_{k−1} over ‖D₀‖, which is 0 up to rounding for plain gradient descent.
    """

    steps: Int[np.ndarray, "T"]
    lr: Float[np.ndarray, "L"]
    drift: Float[np.ndarray, "L T"]
    ends: Float[np.ndarray, "3 L"]
    D: Float[np.ndarray, "T r r"]
    norm_A: Float[np.ndarray, "T"]
    norm_B: Float[np.ndarray, "T"]
    loss: Float[np.ndarray, "T"]
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
        steps=first.steps,
        lr=np.array(lr),
        drift=np.stack(drift),
        ends=spreads,
        D=D,
        norm_A=np.where(np.isnan(D[:, 0, 0]), np.nan, np.sum(A**2, axis=(1, 2))),
        norm_B=np.where(np.isnan(D[:, 0, 0]), np.nan, np.sum(B**2, axis=(1, 2))),
        loss=first.loss[:, 0],
        identity=error / (float(_norms(D[:1])[0]) or 1.0),
        slope=log_slope(np.array(lr), spreads[1]),
        optimizer=e.optimizer,
        seeds=len(ends[0]),
        diverged=diverged,
    )


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
        axis=to_say("step"),
        training=True,
        of_last=True,
        values=record.steps.astype(float),
        start=len(record.steps) - 1,
        seconds_per_frame=1 / 40,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Lines(
                title=say("How far AAᵀ − BᵀB has drifted, at equal times η·k"),
                y_label=say("‖D − D₀‖/‖D₀‖, log; strip: exactly 0"),
                scale="log",
                span=7,
                series=tuple(
                    Series(name=f"η = {number(float(lr))}:", colour="ink", y=record.drift[i], dash=DASHES[i % 4])
                    for i, lr in enumerate(record.lr)
                ),
            ),
            Curves(
                title=say("Drift at the end against η: slope {slope}", slope=number(record.slope)),
                x=record.lr[::-1].copy(),
                x_label=say("learning rate η"),
                y_label="‖D − D₀‖/‖D₀‖",
                scale="log",
                x_scale="log",
                span=5,
                series=(
                    Curve(
                        name=say("median of {seeds} seeds", seeds=record.seeds),
                        colour="ink",
                        y=record.ends[1, ::-1].copy(),
                        low=record.ends[0, ::-1].copy(),
                        high=record.ends[2, ::-1].copy(),
                        dots=True,
                    ),
                ),
            ),
            HeatMap(
                title=say("D = A Aᵀ − Bᵀ B, largest η"),
                colour="ink",
                values=record.D,
                limit=limit,
                row=1,
                span=3,
            ),
            Lines(
                title=say("A and B grow together"),
                y_label=say("squared norm"),
                row=1,
                span=5,
                series=(
                    Series(name="‖A‖²", colour="A", y=_calm(record.norm_A)),
                    Series(name="‖B‖²", colour="B", y=_calm(record.norm_B)),
                    Series(name="‖A‖² − ‖B‖²", colour="ink", y=_calm(record.norm_A - record.norm_B), dash="dash"),
                ),
            ),
            Readout(
                title=say("The step to here (D₋: before it), η = {lr}", lr=number(float(record.lr[0]))),
                row=1,
                span=4,
                rows=(
                    Row(label="‖A‖² − ‖B‖²", text=_read(record.norm_A - record.norm_B)),
                    Row(label=say("drift of D"), text=_read(record.drift[0])),
                    Row(label="D − D₋ − η²(∇A∇Aᵀ − ∇Bᵀ∇B)", text=_read(record.identity)),
                ),
            ),
        ),
    )


def _calm(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    return np.where(np.abs(values) < 1e6, values, np.nan)


def _read(values: Float[np.ndarray, "T"]) -> tuple[str, ...]:
    return tuple(say("0 exactly") if v == 0 else number(float(v)) for v in values)


def _narrate(record: Balance, t: int) -> str:
    drift = record.drift[0, t]
    if np.isnan(drift):
        return say("Step {step}: diverged; nothing is kept.", step=record.steps[t])
    return say(
        "Step {step} of the largest η: AAᵀ − BᵀB has drifted by {drift} % of its "
        "size; the smallest η, at the same time, by {least} %.",
        step=record.steps[t],
        drift=number(100 * float(drift)),
        least=number(100 * float(record.drift[-1, t])),
    )


def takeaway(record: Balance) -> str:
    """What was seen, in the run's own numbers."""
    if record.diverged:
        return say(
            "{diverged} of {adapters} adapters diverged: lower the learning rate.",
            diverged=record.diverged,
            adapters=record.seeds * len(record.lr),
        )
    if len(record.steps) < 2:
        return say("No step was taken: nothing has drifted.")
    low, median, high = record.ends
    said = [
        say(
            "In this experiment, in the same time, AAᵀ − BᵀB drifted by {median} % "
            "({low} to {high} over {seeds} seeds) at "
            "η = {lr} and by {least} % at η = {least_lr}.",
            median=number(100 * float(median[0])),
            low=number(100 * float(low[0])),
            high=number(100 * float(high[0])),
            seeds=record.seeds,
            lr=number(float(record.lr[0])),
            least=number(100 * float(median[-1])),
            least_lr=number(float(record.lr[-1])),
        )
    ]
    if record.optimizer == "sgd":
        said.append(
            say("The drift goes as η to the power {slope}: only its limit η → 0 keeps D.", slope=number(record.slope))
        )
        worst = float(np.nanmax(record.identity)) if np.isfinite(record.identity).any() else 0.0
        said.append(say("Each step moved D by exactly η²(∇A∇Aᵀ − ∇Bᵀ∇B), to {worst} of its size.", worst=number(worst)))
    else:
        said.append(
            say(
                "{optimizer} does not follow the gradient, so nothing holds D even at small η: "
                "the drift goes as η to the power {slope}.",
                optimizer=record.optimizer.capitalize(),
                slope=number(record.slope),
            )
        )
    return " ".join(said)


def table(record: Balance) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    columns: dict[str, np.ndarray] = {"step_of_largest_lr": record.steps}
    columns |= {f"drift_lr_{lr:.4g}": record.drift[i] for i, lr in enumerate(record.lr)}
    return columns | {"norm_A_squared": record.norm_A, "norm_B_squared": record.norm_B, "identity": record.identity}


def plot_balance(record: Balance, *, theme: str = "light") -> go.Figure:
    """The drift over time, one curve a learning rate."""
    return still_curves(
        [
            Drawn(f"η = {number(float(lr))}", "ink", record.steps, record.drift[i], DASHES[i % 4])
            for i, lr in enumerate(record.lr)
        ],
        title=say("Drift of AAᵀ − BᵀB at equal times"),
        x=say("time ηk, in steps of η = {lr}", lr=number(float(record.lr[0]))),
        y="‖D − D₀‖/‖D₀‖",
        log="y",
        theme=theme,
    )
