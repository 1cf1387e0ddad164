"""How large is the start? Entries of B A against rank when both are random, and A's variance as libraries draw it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.run import StartSizes
from lora_viz.core.seeds import spread
from lora_viz.film.panels import Curve, Curves, Film, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = ["STARTS", "InitVariance", "film", "init_variance", "plot_init_variance", "table", "takeaway"]

Dash = Literal["solid", "dash", "dot", "dashdot"]
# start of A -> its name, who uses it, its dash
STARTS: dict[str, tuple[str, str, Dash]] = {
    "B_zero": (to_say("Kaiming"), to_say("PEFT, loralib"), "solid"),
    "gaussian": (to_say("std 1/r"), to_say("PEFT “gaussian”"), "dash"),
    "variance_1_over_r": ("N(0, 1/r)", to_say("textbooks, no library"), "dot"),
    "kaiming_variance": ("N(0, 2/d)", to_say("textbooks, for ReLU"), "dashdot"),
}
RULES: tuple[tuple[str, float, str, Dash], ...] = (
    ("s = 1", 0.0, "delta", "solid"),
    ("1/√r", -0.5, "ink", "dash"),
    ("1/r", -1.0, "W", "dot"),
)
BINS = 61


class InitVariance(NamedTuple):
    """(low, median, high) over the seeds: rms of s·BA per rule S, Var(A) and E‖Ax‖²/E‖x‖² per start I.

    ``density`` is the histogram of the entries of BA over ``bins`` (their middles), NaN where a bin is empty;
    ``normal`` the density of N(0, r·σ⁴). ``rms_slope`` are least-squares slopes of the median, log–log.
    ``expected`` is Var(A) by rule.
    """

    ranks: Int[np.ndarray, "R"]
    bins: Float[np.ndarray, "b"]
    density: Float[np.ndarray, "R b"]
    normal: Float[np.ndarray, "R b"]
    rms: Float[np.ndarray, "3 S R"]
    rms_slope: Float[np.ndarray, "S"]
    variance: Float[np.ndarray, "3 I R"]
    expected: Float[np.ndarray, "I R"]
    output: Float[np.ndarray, "3 I R"]
    inits: tuple[str, ...]
    sigma: float
    d_in: int
    seeds: int


def init_variance(sizes: StartSizes, d_in: int) -> InitVariance:
    """Read the sizes of the starts of a layer of ``d_in`` inputs."""
    r = sizes.ranks.astype(float)
    wide = 3.2 * np.sqrt(r[-1]) * sizes.sigma**2
    edges = np.linspace(-wide, wide, BINS + 1)
    middle = 0.5 * (edges[1:] + edges[:-1])
    counts = np.stack([np.histogram(entries, edges)[0] for entries in sizes.entries])
    density = counts / (sizes.entries.shape[1] * (edges[1] - edges[0]))
    std = np.sqrt(r)[:, None] * sizes.sigma**2
    normal = np.exp(-0.5 * (middle / std) ** 2) / (std * np.sqrt(2 * np.pi))
    rms = spread(np.stack([sizes.rms * r[:, None] ** power for _, power, _, _ in RULES]), axis=-1)
    x = np.log(r) - np.log(r).mean()
    laws = {
        "B_zero": 1 / (3 * d_in) + 0 * r,
        "gaussian": r**-2,
        "variance_1_over_r": 1 / r,
        "kaiming_variance": 2 / d_in + 0 * r,
    }
    return InitVariance(
        ranks=sizes.ranks,
        bins=middle,
        density=np.where(counts > 0, density, np.nan),
        normal=np.where(normal >= density[counts > 0].min() / 3, normal, np.nan),
        rms=rms,
        rms_slope=np.log(rms[1]) @ x / (x @ x),
        variance=spread(sizes.variance, axis=-1),
        expected=np.stack([laws[name] for name in sizes.inits]),
        output=spread(sizes.output, axis=-1),
        inits=sizes.inits,
        sigma=sizes.sigma,
        d_in=d_in,
        seeds=sizes.rms.shape[-1],
    )


def film(record: InitVariance) -> Film:
    """The playhead runs over the ranks: the histogram widens, the sizes follow their powers of r."""
    own = record.inits

    def starts(values: Float[np.ndarray, "3 I R"]) -> tuple[Series, ...]:
        return tuple(
            Series(
                name=say(STARTS[n][0]),
                colour="A",
                dash=STARTS[n][2],
                y=values[1, i],
                low=values[0, i],
                high=values[2, i],
            )
            for i, n in enumerate(own)
        )

    return Film(
        axis=to_say("rank"),
        of_last=True,
        values=record.ranks.astype(float),
        start=len(record.ranks) // 2,
        seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t) for t in range(len(record.ranks))),
        panels=(
            Curves(
                title=say("Entries of B A, both factors random"),
                x=record.bins,
                x_label=say("value of an entry"),
                y_label=say("density, log"),
                scale="log",
                series=(
                    Curve(name=say("measured"), colour="delta", y=record.density),
                    Curve(name="N(0, r·σ⁴)", colour="ink", y=record.normal, dash="dash"),
                ),
            ),
            Lines(
                title=say("Root mean square of s·BA (drag here)"),
                y_label=say("rms, log"),
                scale="log",
                x_scale="log",
                series=tuple(
                    Series(
                        name=say(
                            "{rule} (slope {slope})",
                            rule=name,
                            slope=number(round(float(record.rms_slope[k]), 2)),
                        ),
                        colour=colour,
                        dash=dash,
                        y=record.rms[1, k],
                        low=record.rms[0, k],
                        high=record.rms[2, k],
                    )
                    for k, (name, _, colour, dash) in enumerate(RULES)
                ),
            ),
            Lines(
                title=say("Variance of A's entries"),
                y_label=say("Var(A), log"),
                scale="log",
                x_scale="log",
                series=starts(record.variance),
                row=1,
                span=4,
            ),
            Lines(
                title=say("What h = A x keeps of ‖x‖²"),
                y_label=say("E‖Ax‖²/E‖x‖², log"),
                scale="log",
                x_scale="log",
                series=starts(record.output),
                row=1,
                span=4,
            ),
            Readout(
                title=say("Var(A): measured, by rule"),
                row=1,
                span=4,
                rows=tuple(
                    Row(
                        label=f"{say(STARTS[name][0])}: {say(STARTS[name][1])}",
                        text=tuple(
                            f"{number(float(v))}, {number(float(x))}"
                            for v, x in zip(record.variance[1, i], record.expected[i], strict=True)
                        ),
                        colour="A",
                    )
                    for i, name in enumerate(own)
                ),
            ),
        ),
    )


def _narrate(record: InitVariance, t: int) -> str:
    r = int(record.ranks[t])
    found, law = float(record.rms[1, 0, t]) ** 2, r * record.sigma**4
    return say(
        "Rank {rank}: the entries of BA have variance {found}; r·σ⁴ is {law}.",
        rank=r,
        found=number(found),
        law=number(law),
    )


def takeaway(record: InitVariance) -> str:
    """What was seen, in the run's own numbers."""
    low, middle, high = (float(x) for x in record.rms[:, 0, -1] ** 2 / (record.ranks[-1] * record.sigma**4))
    slopes = ", ".join(
        say("r^{power} for {rule}", power=number(round(float(x), 2)), rule=RULES[k][0])
        for k, x in enumerate(record.rms_slope)
    )
    used = record.inits.index("B_zero")
    change = float(record.output[1, used, -1] / record.output[1, used, 0])
    return say(
        "With both factors random at σ = {sigma} the variance of BA's entries at rank "
        "{rank} was {middle} times r·σ⁴ ({low} to {high}, {seeds} seeds); "
        "rms(s·BA) goes as {slopes}: 1/r does more than is needed, and with B = 0 there is nothing to do. "
        "The libraries' own start keeps Var(A) at {variance}, so ‖Ax‖² grows "
        "{change}-fold from rank {first} to {rank}.",
        sigma=number(record.sigma),
        rank=record.ranks[-1],
        middle=number(middle),
        low=number(low),
        high=number(high),
        seeds=record.seeds,
        slopes=slopes,
        variance=number(float(record.variance[1, used, -1])),
        change=number(change),
        first=record.ranks[0],
    )


def table(record: InitVariance) -> dict[str, np.ndarray]:
    """The record's curves, as columns."""
    columns = {"rank": record.ranks, "rms_BA": record.rms[1, 0]}
    for i, name in enumerate(record.inits):
        columns |= {f"variance_A_{name}": record.variance[1, i], f"output_{name}": record.output[1, i]}
    return columns


def plot_init_variance(record: InitVariance, *, theme: str = "light") -> go.Figure:
    """rms of s·BA against rank under three rules, both axes logarithmic."""
    figure = go.Figure()
    for k, (name, _, colour, dash) in enumerate(RULES):
        line = {"color": IDENTITY[theme][colour], "dash": dash, "width": 3}
        figure.add_scatter(x=record.ranks, y=record.rms[1, k], name=name, mode="lines+markers", line=line)
    figure.update_layout(
        **plotly_layout(
            title=say("Root mean square of s·BA at the start"),
            xaxis={"title": say("rank r"), "type": "log"},
            yaxis={"title": "rms", "type": "log"},
        )
    )
    return figure
