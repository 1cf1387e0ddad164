"""Still figures of curves, in the letters' colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.film.style import IDENTITY, plotly_layout

__all__ = ["DASHES", "Drawn", "still_curves"]

# Curves of one identity are told apart by their strokes, on the screen and on paper.
DASHES: tuple[Literal["solid", "dash", "dashdot", "dot"], ...] = ("solid", "dash", "dashdot", "dot")


class Drawn(NamedTuple):
    """One curve of a still figure; ``low`` and ``high`` give it error bars, ``text`` says what each point is."""

    name: str
    colour: str
    x: Float[np.ndarray, "k"] | Int[np.ndarray, "k"]
    y: Float[np.ndarray, "k"] | Int[np.ndarray, "k"]
    dash: str = "solid"
    dots: bool = False
    low: Float[np.ndarray, "k"] | None = None
    high: Float[np.ndarray, "k"] | None = None
    text: tuple[str, ...] | None = None


def still_curves(
    curves: Sequence[Drawn], *, title: str, x: str, y: str, log: str = "", theme: str = "light"
) -> go.Figure:
    """The curves on common axes; ``log`` names the logarithmic ones: "x", "y", "xy". What is not finite is left out."""

    def bars(c: Drawn) -> dict[str, object] | None:
        if c.low is None or c.high is None:
            return None
        with np.errstate(invalid="ignore"):  # ∞ − ∞, where nobody arrived
            up, down = np.nan_to_num(c.high - c.y, posinf=0.0), np.nan_to_num(c.y - c.low, posinf=0.0)
        return {"type": "data", "symmetric": False, "array": up, "arrayminus": down}

    figure = go.Figure(
        [
            go.Scatter(
                x=c.x,
                y=np.where(np.isfinite(c.y), c.y, np.nan),
                name=c.name,
                mode="lines+markers" if c.dots else "lines",
                line={"color": IDENTITY[theme][c.colour], "dash": c.dash, "width": 3},
                error_y=bars(c),
                text=c.text,
            )
            for c in curves
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=title,
            xaxis={"title": x, "type": "log" if "x" in log else "linear"},
            yaxis={"title": y, "type": "log" if "y" in log else "linear"},
        )
    )
    return figure
