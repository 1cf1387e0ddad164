"""A panel of a film on paper: its still figure, and its numbers as columns, read from the film alone."""

from __future__ import annotations

import re

import numpy as np
import plotly.graph_objects as go

from lora_viz.film.clouds import still_points
from lora_viz.film.panels import Bars, Cloud, Curves, Film, HeatMap, Lines
from lora_viz.film.still import Drawn, still_curves
from lora_viz.film.style import DIVERGING, IDENTITY, plotly_layout
from lora_viz.i18n.language import say

__all__ = ["columns", "printed"]

_BY_HAND = re.compile(r" \((?:drag here|hier ziehen)\)$")  # what a title says of the screen


def printed(film: Film, panel: str, *, theme: str = "light") -> go.Figure:
    """The panel of this id as a still figure, at the film's last frame where it moves.

    On a logarithmic axis exact zeros stand as crosses below everything else.
    """
    shown, tones = film.panel(panel), IDENTITY[theme]
    title = _BY_HAND.sub("", shown.title)
    if isinstance(shown, Lines | Curves):
        x, label = (film.values, say(film.axis)) if isinstance(shown, Lines) else (shown.x, shown.x_label)
        curves = [
            Drawn(s.name.rstrip(":"), s.colour, x, _last(s.y), s.dash, s.dots, low=_end(s.low), high=_end(s.high))
            for s in shown.series
        ]
        log = ("x" if shown.x_scale == "log" else "") + ("y" if shown.scale == "log" else "")
        drawn = [c._replace(y=np.where(c.y > 0, c.y, np.nan)) if shown.scale == "log" else c for c in curves]
        figure = still_curves(drawn, title=title, x=label, y=shown.y_label, log=log, theme=theme)
        for mark in shown.marks:
            figure.add_vline(x=mark.at, line_dash="dot")
            at = np.log10(mark.at) if "x" in log else mark.at  # where an axis is logarithmic, an annotation's place is
            figure.add_annotation(x=at, y=1, yref="y domain", yanchor="bottom", text=mark.label, showarrow=False)
        every = np.concatenate([curve.y for curve in curves])
        bottom = float(every[every > 0].min()) / 10 if (every > 0).any() else 0.1
        for curve in curves if shown.scale == "log" else ():
            if (zero := curve.y == 0).any():
                name, cross = say("{curve} exactly 0", curve=curve.name), {"symbol": "x", "size": 12}
                below = {"x": curve.x[zero], "y": np.full(zero.sum(), bottom)}
                figure.add_scatter(**below, name=name, mode="markers", marker=cross | {"color": tones[curve.colour]})
        return figure
    if isinstance(shown, Bars):
        figure = go.Figure([
            go.Bar(x=shown.labels, y=_last(group.values), name=group.name.rstrip(":"), marker_color=tones[group.colour])
            for group in shown.groups
        ])  # fmt: skip
        figure.update_layout(
            **plotly_layout(title=title, barmode="group", yaxis={"title": shown.y_label, "type": shown.scale})
        )
        return figure
    if isinstance(shown, Cloud):
        figure = go.Figure([
            still_points(_last(p.xyz, 2), name=p.name, mode="markers", marker={"color": tones[p.colour], "size": 5})
            for p in shown.points
        ])  # fmt: skip
        for span in shown.spans:
            line, ends = {"color": tones[span.colour], "width": 3}, _last(span.basis, 2)
            for i, end in enumerate(ends[np.isfinite(ends).all(axis=1)]):
                both = np.stack([-end, end])
                figure.add_trace(still_points(both, name=span.name, mode="lines", line=line, showlegend=i == 0))
        figure.update_layout(**plotly_layout(title=title, height=560))
        return figure
    assert isinstance(shown, HeatMap), f"{shown.kind} has no still figure"
    limit = float(np.max(shown.limit))
    scale = list(zip((0.0, 0.5, 1.0), DIVERGING[theme], strict=True))
    figure = go.Figure(go.Heatmap(z=_last(shown.values, 2), zmin=-limit, zmax=limit, colorscale=scale))
    figure.update_layout(**plotly_layout(title=title, yaxis={"autorange": "reversed"}))
    return figure


def columns(film: Film, *panels: str) -> dict[str, np.ndarray]:
    """The film's axis, and every curve of these panels over it, with its band: by the ids of panel and curve."""
    found = {film.axis.partition(":")[0].replace(" ", "_"): film.values}  # "t: x + t·z" is a t
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
