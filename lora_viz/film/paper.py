"""A panel of a film on paper: its still figure, and its numbers as columns, read from the film alone."""

from __future__ import annotations

import re

import numpy as np
import plotly.graph_objects as go

from lora_viz.film.panels import Bars, Curves, Film, HeatMap, Lines
from lora_viz.film.still import Drawn, still_curves
from lora_viz.film.style import DIVERGING, IDENTITY, plotly_layout
from lora_viz.i18n.language import say

__all__ = ["columns", "printed"]

_BY_HAND = re.compile(r" \((?:drag(?: here)?|(?:hier )?ziehen)\)$")  # what a title says of the screen


def printed(film: Film, panel: str, *, theme: str = "light") -> go.Figure:
    """The panel of this id as a still figure, at the film's last frame where it moves."""
    shown = film.panel(panel)
    title = _BY_HAND.sub("", shown.title)
    if isinstance(shown, Lines | Curves):
        x, label = (film.values, say(film.axis)) if isinstance(shown, Lines) else (shown.x, shown.x_label)
        curves = [
            Drawn(s.name.rstrip(":"), s.colour, x, _last(s.y), s.dash, s.dots, low=_end(s.low), high=_end(s.high))
            for s in shown.series
        ]
        log = ("x" if shown.x_scale == "log" else "") + ("y" if shown.scale == "log" else "")
        figure = still_curves(curves, title=title, x=label, y=shown.y_label, log=log, theme=theme)
        for mark in shown.marks:
            figure.add_vline(x=mark.at, line_dash="dot", annotation_text=mark.label)
        return figure
    if isinstance(shown, Bars):
        tones = IDENTITY[theme]
        figure = go.Figure([
            go.Bar(x=shown.labels, y=_last(group.values), name=group.name.rstrip(":"), marker_color=tones[group.colour])
            for group in shown.groups
        ])  # fmt: skip
        figure.update_layout(
            **plotly_layout(title=title, barmode="group", yaxis={"title": shown.y_label, "type": shown.scale})
        )
        return figure
    assert isinstance(shown, HeatMap), f"{shown.kind} has no still figure"
    limit = float(np.max(shown.limit))
    scale = list(zip((0.0, 0.5, 1.0), DIVERGING[theme], strict=True))
    figure = go.Figure(go.Heatmap(z=_last(shown.values, 2), zmin=-limit, zmax=limit, colorscale=scale))
    figure.update_layout(**plotly_layout(title=title, yaxis={"autorange": "reversed"}))
    return figure


def columns(film: Film, *panels: str) -> dict[str, np.ndarray]:
    """The film's axis, and every curve of these panels over it, with its band: by the ids of panel and curve."""
    found = {film.axis.replace(" ", "_"): film.values}
    for panel in panels:
        shown = film.panel(panel)
        assert isinstance(shown, Lines), f"the curves of {panel} have an axis of their own"
        for series in shown.series:
            for end, values in (("", series.y), ("_low", series.low), ("_high", series.high)):
                if values is not None:
                    found[f"{panel}_{series.id}{end}"] = values
    return found


def _last(values: np.ndarray, still: int = 1) -> np.ndarray:
    """The last frame of what moves; finite numbers alone can be drawn."""
    shown = np.asarray(values[-1] if values.ndim > still else values, float)
    return np.where(np.isfinite(shown), shown, np.nan)


def _end(values: np.ndarray | None) -> np.ndarray | None:
    return None if values is None else _last(values)
