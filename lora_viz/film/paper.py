"""A panel of a film on paper: its still figure, and its numbers as columns, read from the film alone."""

from __future__ import annotations

import html
import re

import numpy as np
import plotly.graph_objects as go

from lora_viz.film.clouds import still_points
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Cloud, Curve, Curves, Field, HeatMap, Lines, Passages, Series
from lora_viz.film.still import Drawn, still_curves
from lora_viz.film.style import DIVERGING, IDENTITY, plotly_layout
from lora_viz.i18n.language import say

__all__ = ["columns", "printed"]

# What a title says of the screen.
_BY_HAND = re.compile(r" \((?:drag(?: here)?|click a cell|(?:hier )?ziehen|Zelle anklicken)\)$")


def printed(film: Film, panel: str, *, theme: str = "light") -> go.Figure:
    """The panel of this id as a still figure: where it moves, at a training's last frame, else where the film opens.

    On a logarithmic axis exact zeros stand as crosses below everything else.
    """
    shown, frame, tones = film.panel(panel), -1 if film.training else film.start, IDENTITY[theme]
    title = _BY_HAND.sub("", shown.title)
    match shown:
        case Lines() | Curves():
            return _curves(film, shown, frame, title, theme)
        case Bars():
            figure = go.Figure()
            for group in shown.groups:
                heights, colour = _at(frame, group.values), tones[group.colour]
                figure.add_bar(x=shown.labels, y=heights, name=group.name.rstrip(":"), marker_color=colour)
            axis = {"title": shown.y_label, "type": shown.scale}
            return figure.update_layout(**plotly_layout(title=title, barmode="group", yaxis=axis))
        case Cloud():
            return _cloud(shown, frame, title, tones)
        case Passages():
            said = [row.text[frame if len(row.text) > 1 else 0] for row in shown.rows]
            table = go.Table(cells={"values": [[row.label for row in shown.rows], [_plain(text) for text in said]]})
            return go.Figure(table).update_layout(**plotly_layout(title=title))
        case Field():
            return _mapped(shown, _at(frame, shown.values, 2), title, tones)
    assert isinstance(shown, HeatMap), f"{shown.kind} has no still figure"
    limit = float(np.max(shown.limit))
    scale = list(zip((0.0, 0.5, 1.0), DIVERGING[theme], strict=True))
    figure = go.Figure(go.Heatmap(z=_at(frame, shown.values, 2), zmin=-limit, zmax=limit, colorscale=scale))
    return figure.update_layout(**plotly_layout(title=title, yaxis={"autorange": "reversed"}))


def columns(film: Film, *panels: str) -> dict[str, np.ndarray]:
    """The film's axis, and what these panels show over it, by the ids of panel and part: curves and bands, passages."""
    found = {film.axis.partition(":")[0].replace(" ", "_"): film.values}  # "t: x + t·z" is a t
    for panel in panels:
        shown = film.panel(panel)
        if isinstance(shown, Passages):
            frames = len(film.values)
            found |= {f"{panel}_{row.id}": np.array(row.text * (frames // len(row.text))) for row in shown.rows}
            continue
        assert isinstance(shown, Lines), f"the curves of {panel} have an axis of their own"
        for series in shown.series:
            for end, values in (("", series.y), ("_low", series.low), ("_high", series.high)):
                if values is not None:
                    found[f"{panel}_{series.id}{end}"] = values
    return found


def _plain(text: str) -> str:
    """Plotly reads HTML: what a model wrote is none."""
    return html.escape(text).replace("\n", "<br>")


def _curves(film: Film, shown: Lines | Curves, frame: int, title: str, theme: str) -> go.Figure:
    x, label = (film.values, say(film.axis)) if isinstance(shown, Lines) else (shown.x, shown.x_label)
    curves = [
        Drawn(s.name.rstrip(":"), s.colour, x, _at(frame, s.y), s.dash, s.dots, *_ends(frame, s)) for s in shown.series
    ]
    log = ("x" if shown.x_scale == "log" else "") + ("y" if shown.scale == "log" else "")
    drawn = [c._replace(y=np.where(c.y > 0, c.y, np.nan)) if shown.scale == "log" else c for c in curves]
    figure = still_curves(drawn, title=title, x=label, y=shown.y_label, log=log, theme=theme)
    for mark in shown.marks:
        figure.add_vline(x=mark.at, line_dash="dot")
        at = np.log10(mark.at) if "x" in log else mark.at  # a line's place is a number, a text's its logarithm
        figure.add_annotation(x=at, y=1, yref="y domain", yanchor="bottom", text=mark.label, showarrow=False)
    every = np.concatenate([curve.y for curve in curves])
    bottom = float(every[every > 0].min()) / 10 if (every > 0).any() else 0.1
    for curve in curves if shown.scale == "log" else ():
        if (zero := curve.y == 0).any():
            name, cross = say("{curve} exactly 0", curve=curve.name), {"symbol": "x", "size": 12}
            below = {"x": curve.x[zero], "y": np.full(zero.sum(), bottom)}
            colour = IDENTITY[theme][curve.colour]
            figure.add_scatter(**below, name=name, mode="markers", marker=cross | {"color": colour})
    return figure


def _cloud(shown: Cloud, frame: int, title: str, tones: dict[str, str]) -> go.Figure:
    figure = go.Figure([
        still_points(_at(frame, p.xyz, 2), name=p.name, mode="markers", marker={"color": tones[p.colour], "size": 5})
        for p in shown.points
    ])  # fmt: skip
    for span in shown.spans:
        line, ends = {"color": tones[span.colour], "width": 3}, _at(frame, span.basis, 2)
        for i, end in enumerate(ends[np.isfinite(ends).all(axis=1)]):
            both = np.stack([-end, end])
            figure.add_trace(still_points(both, name=span.name, mode="lines", line=line, showlegend=i == 0))
    return figure.update_layout(**plotly_layout(title=title, height=560))


def _mapped(field: Field, values: np.ndarray, title: str, tones: dict[str, str]) -> go.Figure:
    """The map as cells over named rows and columns, the chosen one framed."""
    z = values if field.limits is None else np.clip(values, *field.limits)
    log = field.scale == "log"
    z = np.log10(np.where(z > 0, z, np.nan)) if log else z
    cells = go.Heatmap(x=field.x_labels, y=field.y_labels, z=z, colorscale="Cividis")
    figure = go.Figure(cells.update(colorbar={"title": "log₁₀"} if log else {}))
    if field.chosen is not None:
        row, column = field.chosen
        frame = {"symbol": "square-open", "size": 16, "color": tones["alarm"], "line": {"width": 4}}
        x, y = [field.x_labels[column]], [field.y_labels[row]]
        figure.add_scatter(x=x, y=y, mode="markers", name=say("chosen"), marker=frame)
    axes = {f"{axis}axis": {"title": t, "type": "category"} for axis, t in (("x", field.x_title), ("y", field.y_title))}
    return figure.update_layout(**plotly_layout(title=title, **axes))


def _at(frame: int, values: np.ndarray, still: int = 1) -> np.ndarray:
    """What moves at this frame, what stands still as it is; finite numbers alone can be drawn."""
    shown = np.asarray(values[frame] if values.ndim > still else values, float)
    return np.where(np.isfinite(shown), shown, np.nan)


def _ends(frame: int, curve: Series | Curve) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Both ends of the curve's band, where it has one."""
    if curve.low is None or curve.high is None:
        return None, None
    return _at(frame, curve.low), _at(frame, curve.high)
