"""Is α a second learning rate? A run with s beside its twins at s = 1, one with A₀ rescaled too, one without."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.film.panels import Film, HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = [
    "AlphaIdentity",
    "alpha_identity",
    "film",
    "identity_sweep",
    "plot_alpha_identity",
    "table",
    "takeaway",
]

P, Q = 4.0, 2.0  # by what Adam's second pair of knobs is turned


class AlphaIdentity(NamedTuple):
    """Four runs of one task and one start: (s, η, A₀), its twin (1, ηk, √s·A₀), lr alone (1, ηk, A₀), and (p, q).

    k is s for SGD and √s for Adam. The fourth divides α by pq and multiplies A₀ and η_A by p and η_B by q: for Adam
    and B₀ = 0 the same run again. ``difference`` is max|ΔW − ΔW of run 0| at each step, NaN once either has diverged;
    ``worst`` the largest of it over the steps, one row a start.
    """

    steps: Int[np.ndarray, "T"]
    loss: Float[np.ndarray, "T 4"]
    difference: Float[np.ndarray, "T 4"]
    worst: Float[np.ndarray, "S 4"]
    delta: Float[np.ndarray, "T 4 d_out d_in"]
    scaling: float
    lr: float
    factor: float
    optimizer: str
    diverged_at: Int[np.ndarray, "4"]


def lr_factor(e: Experiment) -> float:
    """By what must η be multiplied when s goes into it? s for SGD, √s for Adam."""
    return e.scaling if e.optimizer == "sgd" else math.sqrt(e.scaling)


def identity_sweep(e: Experiment, seeds: int = 8) -> Sweep:
    """Which runs are compared? The four of each start, side by side."""
    k, root = lr_factor(e), math.sqrt(e.scaling)
    alone = replace(e, scaling_rule="constant", alpha=1.0, lr=e.lr * k)
    four = (
        e,
        replace(alone, init_scale=e.init_scale * root),
        alone,
        replace(e, alpha=e.alpha / (P * Q), init_scale=P * e.init_scale, lr=P * e.lr, lr_ratio=e.lr_ratio * Q / P),
    )
    return Sweep(tuple(replace(x, init_seed=e.init_seed + i) for i in range(seeds) for x in four))


def alpha_identity(run: Run) -> AlphaIdentity:
    """Compare the four runs of each start of an ``identity_sweep``."""
    e = run.experiment
    worst = []
    for first in range(0, len(run.sweep), 4):
        delta = np.stack([run.delta_weight(first + i) for i in range(4)], axis=1)
        loss = run.loss[:, first : first + 4]
        difference = np.abs(delta - delta[:, :1]).max(axis=(2, 3))
        difference[~np.isfinite(loss + loss[:, :1])] = np.nan
        worst.append(np.nanmax(difference, axis=0))
        if first == 0:
            shown = loss, difference, delta
    last = max(run.last(i) for i in range(4)) + 1
    loss, difference, delta = (x[:last] for x in shown)
    return AlphaIdentity(
        steps=run.steps[:last],
        loss=loss,
        difference=difference,
        worst=np.stack(worst),
        delta=delta,
        scaling=e.scaling,
        lr=e.lr,
        factor=lr_factor(e),
        optimizer=e.optimizer,
        diverged_at=run.diverged_at[:4],
    )


def _names(record: AlphaIdentity) -> tuple[str, str, str]:
    k = number(record.factor)
    return (f"s = {number(record.scaling)}", f"s = 1, η·{k}, A₀·{number(math.sqrt(record.scaling))}", f"s = 1, η·{k}")


def film(record: AlphaIdentity) -> Film:
    """Three losses over the steps, how far their updates are apart, and where."""
    names = _names(record)
    calm = record.loss[:, 0] <= 10 * record.loss[0, 0]
    twin, alone = (record.delta[:, i] - record.delta[:, 0] for i in (1, 2))
    together = calm & (record.loss[:, 2] <= 10 * record.loss[0, 0])
    marks: tuple[Mark, ...] = ()
    for i, name in enumerate(names):
        if record.diverged_at[i] >= 0:
            marks += (Mark(at=float(record.diverged_at[i]), label=say("{name} diverged", name=name), colour="alarm"),)
    start = int(np.argmin(np.abs(record.steps - record.steps[-1] / 8)))
    return Film(
        axis=to_say("step"),
        training=True,
        of_last=True,
        values=record.steps.astype(float),
        start=start,
        seconds_per_frame=1 / 40,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Lines(
                title=say("Loss: the first two lie on each other"),
                y_label=say("loss"),
                scale="log",
                x_scale="sqrt",
                marks=marks[:1],
                series=(
                    Series(name=names[0], colour="delta", y=record.loss[:, 0]),
                    Series(name=names[1], colour="ink", y=record.loss[:, 1], dash="dot"),
                    Series(name=names[2], colour="alarm", y=record.loss[:, 2], dash="dash"),
                ),
            ),
            Lines(
                title=say("How far is ΔW from the first run's?"),
                y_label=say("largest difference, log; strip: exactly 0"),
                scale="log",
                x_scale="sqrt",
                series=(
                    Series(name=say("η and A₀ rescaled"), colour="ink", y=record.difference[:, 1], dash="dot"),
                    Series(name=say("η alone"), colour="alarm", y=record.difference[:, 2], dash="dash"),
                ),
            ),
            HeatMap(
                title=f"ΔW, {names[0]}",
                colour="delta",
                values=record.delta[:, 0],
                limit=_limit(record.delta[:, 0][calm]),
                row=1,
                span=3,
            ),
            HeatMap(
                title=say("η and A₀ rescaled: ΔW − ΔW"),
                colour="ink",
                values=twin,
                limit=_limit(twin[calm]),
                caption=_largest(record.difference[:, 1]),
                row=1,
                span=3,
            ),
            HeatMap(
                title=say("η alone: ΔW − ΔW"),
                colour="alarm",
                values=alone,
                limit=_limit(alone[together]),
                caption=_largest(record.difference[:, 2]),
                row=1,
                span=3,
            ),
            Readout(
                title=say("Largest difference so far"),
                row=1,
                span=3,
                rows=(
                    Row(label=say("η and A₀ rescaled"), text=_so_far(record.difference[:, 1])),
                    Row(label=say("η alone"), text=_so_far(record.difference[:, 2]), colour="alarm"),
                    Row(label=f"α/{P * Q:g}, A₀·{P:g}, η_A·{P:g}, η_B·{Q:g}", text=_so_far(record.difference[:, 3])),
                ),
            ),
        ),
    )


def _limit(x: Float[np.ndarray, "..."]) -> float:
    return float(np.abs(x).max(initial=0.0)) or 1.0


def _largest(x: Float[np.ndarray, "T"]) -> tuple[str, ...]:
    return tuple(
        say("diverged") if np.isnan(v) else say("largest now: {difference}", difference=number(float(v))) for v in x
    )


def _so_far(x: Float[np.ndarray, "T"]) -> tuple[str, ...]:
    return tuple(say("0 exactly") if v == 0 else number(float(v)) for v in np.fmax.accumulate(x))


def _narrate(record: AlphaIdentity, t: int) -> str:
    step, names = int(record.steps[t]), _names(record)
    gone = [name for name, at in zip(names, record.diverged_at, strict=False) if 0 <= at <= step]
    if gone:
        return say("Step {step}: diverged: {gone}. Lower the learning rate.", step=step, gone="; ".join(gone))
    first, twin, alone = (number(float(v)) for v in record.loss[t, :3])
    if record.scaling == 1:
        return say("Step {step}: loss {loss}. s is 1 already: there is nothing to rescale.", step=step, loss=first)
    return say(
        "Step {step}: loss {first} at s = {s}; η and A₀ rescaled {twin}, the same run; η alone {alone}, another one.",
        step=step,
        first=first,
        s=number(record.scaling),
        twin=twin,
        alone=alone,
    )


def takeaway(record: AlphaIdentity) -> str:
    """What was seen, in the run's own numbers."""
    if (record.diverged_at[:2] >= 0).any():
        return say("The run diverged: lower the learning rate.")
    twin, alone, pair = record.worst[:, 1], record.worst[:, 2], record.worst[:, 3]
    if record.scaling == 1:
        return say("Here s is 1 already, so all three runs are the same. Choose another α.")
    k, root = number(record.factor), number(math.sqrt(record.scaling))
    said = say(
        "With η·{factor} and A₀·{root} the run at s = 1 never left the run at s = {scaling} by more than "
        "{twin}; with η·{factor} alone the two came apart by "
        "{least} to {most} ({starts} starts).",
        factor=k,
        root=root,
        scaling=number(record.scaling),
        twin=_exactly(twin.max()),
        least=number(float(alone.min())),
        most=number(float(alone.max())),
        starts=len(alone),
    )
    if record.optimizer == "sgd":
        said += say(
            " Adam's own identity, α, A₀, η_A and η_B turned together, is none for SGD ({pair}).",
            pair=_exactly(pair.min()),
        )
    else:
        said += say(
            " That is not rounding but Adam's ε = 10⁻⁸, which was not rescaled. "
            "Turning α, A₀, η_A and η_B together changed ΔW by at most {pair}.",
            pair=_exactly(pair.max()),
        )
    if record.diverged_at[2] >= 0:
        said += say(" With η alone it diverged after step {step}.", step=record.diverged_at[2])
    return said


def _exactly(value: float) -> str:
    return say("0 exactly") if value == 0 else number(float(value))


def table(record: AlphaIdentity) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    kinds = ("s", "lr_and_A_rescaled", "lr_alone", "pq")
    return (
        {"step": record.steps}
        | {f"loss_{name}": record.loss[:, i] for i, name in enumerate(kinds)}
        | {f"difference_{name}": record.difference[:, i] for i, name in enumerate(kinds) if i}
    )


def plot_alpha_identity(record: AlphaIdentity, *, theme: str = "light") -> go.Figure:
    """The three losses over the steps."""
    colour = IDENTITY[theme]
    figure = go.Figure()
    for i, (name, key, dash) in enumerate(
        zip(_names(record), ("delta", "ink", "alarm"), ("solid", "dot", "dash"), strict=True)
    ):
        line = {"color": colour[key], "dash": dash, "width": 3}
        figure.add_scatter(x=record.steps, y=record.loss[:, i], name=name, mode="lines", line=line)
    figure.update_layout(
        **plotly_layout(
            title=say("Is α a second learning rate?"),
            xaxis={"title": say("step")},
            yaxis={"title": say("loss"), "type": "log"},
        )
    )
    return figure
