"""Does the first update depend on the rank? Its size against r for each rule, optimiser and start, and the slopes."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import FirstUpdates
from lora_viz.core.seeds import spread
from lora_viz.film.panels import Field, Film, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = ["RULES", "STARTS", "FirstUpdate", "film", "first_update", "plot_first_update", "table", "takeaway"]

# What s, and what the standard deviation of A's entries, is proportional to: the power of r.
RULES = {"lora": ("α/r", -1.0), "rslora": ("α/√r", -0.5), "constant": (to_say("constant"), 0.0)}
STARTS = {
    "B_zero": (to_say("Kaiming"), 0.0),
    "variance_1_over_r": ("N(0, 1/r)", -0.5),
    "gaussian": (to_say("std 1/r"), -1.0),
}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
LOOKS: dict[str, tuple[str, Literal["solid", "dash", "dot"]]] = {
    "lora": ("delta", "solid"),
    "rslora": ("ink", "dash"),
    "constant": ("W", "dot"),
}


class FirstUpdate(NamedTuple):
    """(low, median, high) over the starts' seeds of what is shown, and of the fitted log–log slopes of all.

    ``progress`` is −⟨ΔW₁, G⟩/‖G‖, ``size`` ‖ΔW₁‖, ``grad_B`` ‖∇B‖ at step 0; slopes are least-squares fits of log y to
    log r, one a seed. ``theory`` holds what the slopes should be: integers and halves for progress and ‖∇B‖, the same
    fit to the expected ‖ΔW₁‖ for the size.
    """

    ranks: Int[np.ndarray, "R"]
    progress: Float[np.ndarray, "3 S R"]
    size: Float[np.ndarray, "3 S R"]
    grad_B: Float[np.ndarray, "3 S R"]
    progress_slope: Float[np.ndarray, "3 O I S"]
    size_slope: Float[np.ndarray, "3 O I S"]
    grad_slope: Float[np.ndarray, "3 I S"]
    progress_theory: Float[np.ndarray, "O I S"]
    size_theory: Float[np.ndarray, "O I S"]
    grad_theory: Float[np.ndarray, "I S"]
    rules: tuple[str, ...]
    optimizers: tuple[str, ...]
    inits: tuple[str, ...]
    optimizer: str
    init: str
    seeds: int
    d: int


def first_update(updates: FirstUpdates, e: Experiment) -> FirstUpdate:
    """Fit all slopes; show those of ``e``'s optimizer and start (of the first start, if ``e``'s is not among them)."""
    init = e.init if e.init in updates.inits else updates.inits[0]
    optimizer = "sgd" if e.optimizer == "sgd" else "adam"
    o, i = updates.optimizers.index(optimizer), updates.inits.index(init)
    rule = np.array([RULES[name][1] for name in updates.rules])
    start = np.array([STARTS[name][1] for name in updates.inits])[:, None]
    r = updates.ranks.astype(float)
    # the expected ‖u A‖ for Gaussian A: its rows agree along G, and add at random across it
    expected = np.sqrt(np.stack([r * (r + e.d_in + 1), r * (e.d_in + 2 / np.pi * (r - 1))]))
    power = np.stack([2 * (rule + start), rule + start])
    return FirstUpdate(
        ranks=updates.ranks,
        progress=spread(updates.progress[o, i], axis=-1),
        size=spread(updates.size[o, i], axis=-1),
        grad_B=spread(updates.grad_B[i], axis=-1),
        progress_slope=spread(_slope(updates.progress, r), axis=-1),
        size_slope=spread(_slope(updates.size, r), axis=-1),
        grad_slope=spread(_slope(updates.grad_B, r), axis=-1),
        progress_theory=power + 1,
        size_theory=power + _slope(expected[:, :, None], r)[:, 0][:, None, None],
        grad_theory=rule + start + 0.5,
        rules=updates.rules,
        optimizers=updates.optimizers,
        inits=updates.inits,
        optimizer=optimizer,
        init=init,
        seeds=updates.size.shape[-1],
        d=e.d_in,
    )


def _slope(y: Float[np.ndarray, "*shape R N"], r: Float[np.ndarray, "R"]) -> Float[np.ndarray, "*shape N"]:
    x = np.log(r) - np.log(r).mean()
    return np.einsum("r,...rn->...n", x, np.log(y)) / np.sum(x**2)


def signed(slope: float) -> str:
    """A slope with its sign, two decimals; what rounds to zero has none."""
    text = f"{slope:+.2f}"
    return "0.00" if float(text) == 0 else text.replace("-", "−")


def film(record: FirstUpdate) -> Film:
    """The playhead runs over the ranks; the slopes of all combinations stand beside the theory's."""
    o, i = record.optimizers.index(record.optimizer), record.inits.index(record.init)
    pairs = [(a, b) for a in range(len(record.optimizers)) for b in range(len(record.inits))][::-1]

    def label(a: int, b: int) -> str:
        mark = "▸ " if (a, b) == (o, i) else ""
        return f"{mark}{OPTIMIZERS[record.optimizers[a]]}, {say(STARTS[record.inits[b]][0])}"

    def series(values: Float[np.ndarray, "3 S R"], slopes: Float[np.ndarray, "S"]) -> tuple[Series, ...]:
        return tuple(
            Series(
                name=say("{rule} (slope {slope})", rule=say(RULES[rule][0]), slope=signed(float(slopes[k]))),
                colour=LOOKS[rule][0],
                dash=LOOKS[rule][1],
                y=values[1, k],
                low=values[0, k],
                high=values[2, k],
            )
            for k, rule in enumerate(record.rules)
        )

    slopes = np.stack([record.progress_slope[1, a, b] for a, b in pairs])
    return Film(
        axis=to_say("rank"),
        of_last=True,
        values=record.ranks.astype(float),
        start=len(record.ranks) // 2,
        seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t) for t in range(len(record.ranks))),
        panels=(
            Lines(
                title=say("Useful part of the first update (drag here)"),
                y_label=say("−⟨ΔW₁, G⟩/‖G‖, log"),
                scale="log",
                x_scale="log",
                series=series(record.progress, record.progress_slope[1, o, i]),
            ),
            Lines(
                title=say("Size of the first update ‖ΔW₁‖"),
                y_label=say("Frobenius norm, log"),
                scale="log",
                x_scale="log",
                series=series(record.size, record.size_slope[1, o, i]),
            ),
            Field(
                title=say("Measured slope of the useful part; 0: free of the rank"),
                values=np.abs(slopes),
                x_labels=tuple(say(RULES[rule][0]) for rule in record.rules),
                y_labels=tuple(label(a, b) for a, b in pairs),
                x_title=say("scaling rule"),
                y_title=say("optimiser, A's start; colour: |slope|"),
                regions=np.arange(slopes.size, dtype=float).reshape(slopes.shape),
                region_names=tuple(signed(float(x)) for x in slopes.ravel()),
                row=1,
                span=7,
            ),
            Readout(
                title=say("Slopes for {optimizer}: α/r, α/√r, constant", optimizer=OPTIMIZERS[record.optimizer]),
                row=1,
                span=5,
                rows=(
                    *_rows(say("useful part"), record.progress_slope[1, o, i], record.progress_theory[o, i]),
                    *_rows("‖ΔW₁‖", record.size_slope[1, o, i], record.size_theory[o, i]),
                    *_rows("‖∇B‖", record.grad_slope[1, i], record.grad_theory[i]),
                ),
            ),
        ),
    )


def _rows(name: str, found: Float[np.ndarray, "S"], theory: Float[np.ndarray, "S"]) -> tuple[Row, Row]:
    def text(slopes: Float[np.ndarray, "S"]) -> tuple[str]:
        return ("  ".join(signed(float(x)).rjust(5, "\u2007") for x in slopes),)

    return Row(label=name, text=text(found), colour="delta"), Row(
        label=say("theory"), text=text(theory), colour="faint"
    )


def _narrate(record: FirstUpdate, t: int) -> str:
    parts = [
        say(
            "{times} times as far under {rule}" if k == 0 else "{times} under {rule}",
            times=number(float(record.progress[1, k, t] / record.progress[1, k, 0])),
            rule=say(RULES[rule][0]),
        )
        for k, rule in enumerate(record.rules)
    ]
    return say("Rank {rank}: against rank 1 the first step gets {parts}.", rank=record.ranks[t], parts=", ".join(parts))


def takeaway(record: FirstUpdate) -> str:
    """What was seen, in the run's own numbers."""
    o, i = record.optimizers.index(record.optimizer), record.inits.index(record.init)
    told = []
    for k, rule in enumerate(record.rules):
        low, middle, high = (signed(float(x)) for x in record.progress_slope[:, o, i, k])
        told.append(
            say(
                "r^{middle} under {rule} ({low} to {high})",
                middle=middle,
                rule=say(RULES[rule][0]),
                low=low,
                high=high,
            )
        )
    flat = np.argwhere(np.abs(record.progress_slope[1]) < 0.1)
    named = [
        say(
            "{optimizer} from {start} under {rule}",
            optimizer=OPTIMIZERS[record.optimizers[a]],
            start=say(STARTS[record.inits[b]][0]),
            rule=say(RULES[record.rules[k]][0]),
        )
        for a, b, k in flat
    ]
    off = float(np.abs(record.progress_slope[1] - record.progress_theory).max())
    said = say(
        "With {optimizer} from {start} the useful part of the first update goes "
        "as {told}; medians and ranges of {seeds} starts. ",
        optimizer=OPTIMIZERS[record.optimizer],
        start=say(STARTS[record.init][0]),
        told=", ".join(told),
        seeds=record.seeds,
    )
    if named:
        said += say(
            "Of {all} combinations {count} are free of the rank: {named}. ",
            all=record.progress_theory.size,
            count=len(named),
            named="; ".join(named),
        )
    return said + say("No median slope is further than {off} from the theory's.", off=number(off))


def table(record: FirstUpdate) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    columns = {"rank": record.ranks}
    for k, rule in enumerate(record.rules):
        columns |= {
            f"useful_part_{rule}": record.progress[1, k],
            f"size_{rule}": record.size[1, k],
            f"grad_B_{rule}": record.grad_B[1, k],
        }
    return columns


def plot_first_update(record: FirstUpdate, *, theme: str = "light") -> go.Figure:
    """The useful part of the first update against rank, one curve a rule, both axes logarithmic."""
    figure = go.Figure()
    for k, rule in enumerate(record.rules):
        colour, dash = LOOKS[rule]
        line = {"color": IDENTITY[theme][colour], "dash": dash, "width": 3}
        figure.add_scatter(
            x=record.ranks, y=record.progress[1, k], name=say(RULES[rule][0]), mode="lines+markers", line=line
        )
    figure.update_layout(
        **plotly_layout(
            title=say(
                "Useful part of the first update, {optimizer} from {start}",
                optimizer=OPTIMIZERS[record.optimizer],
                start=say(STARTS[record.init][0]),
            ),
            xaxis={"title": say("rank r"), "type": "log"},
            yaxis={"title": "−⟨ΔW₁, G⟩/‖G‖", "type": "log"},
        )
    )
    return figure
