"""Still figures on the screen, beside their alt text, with their numbers to take away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from lora_viz.export.columns_json import as_json
from lora_viz.export.taken_along import csv_text, file_name
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import on_screen

__all__ = ["ask_format", "csv_button", "json_button", "modebar", "show_figure", "shown_theme"]


# What Plotly's own bar says: it knows other languages only from files that it would fetch.
TIPS = (
    to_say("Download plot"),
    to_say("Zoom"),
    to_say("Pan"),
    to_say("Box Select"),
    to_say("Lasso Select"),
    to_say("Zoom in"),
    to_say("Zoom out"),
    to_say("Autoscale"),
    to_say("Reset axes"),
    to_say("Orbital rotation"),
    to_say("Turntable rotation"),
    to_say("Reset camera to default"),
    to_say("Reset camera to last save"),
)


def shown_theme() -> str:
    """Light or dark, as the visitor has it."""
    return st.context.theme.type or "light"


def ask_format(name: str) -> str:
    """Ask as what the camera saves the figure: SVG or PNG."""
    return str(st.pills(say("The camera saves"), ("SVG", "PNG"), default="SVG", required=True, key=f"format_{name}"))


def modebar(name: str, saved: str = "SVG") -> dict[str, Any]:
    """Plotly's own bar, always in sight: its camera saves 1920×1080 points, drawn at half of that for large type."""
    return {
        "scrollZoom": False,
        "displaylogo": False,
        "displayModeBar": True,
        "locale": "visitor",
        "locales": {"visitor": {"dictionary": {tip: say(tip) for tip in TIPS}, "format": {}}},
        "toImageButtonOptions": {"format": saved.lower(), "filename": name, "width": 960, "height": 540, "scale": 2},
    }


def show_figure(figure: Callable[[str], go.Figure], *, name: str, alt: str) -> None:
    """The figure in the visitor's theme, with the current reading as its alt text."""
    st.plotly_chart(
        figure(shown_theme()), key=f"plot_{name}", alt=alt, width="stretch",
        config=modebar(name),
    )  # fmt: skip


def csv_button(label: str, table: Mapping[str, np.ndarray], *, name: str) -> None:
    """The numbers behind a picture, as CSV."""
    st.download_button(
        on_screen(label), csv_text(table), file_name(f"{name}.csv"), "text/csv", on_click="ignore", key=f"csv_{name}"
    )


def json_button(label: str, table: Mapping[str, np.ndarray], *, name: str) -> None:
    """The same numbers as JSON."""
    text = as_json(table)
    st.download_button(
        on_screen(label), text, file_name(f"{name}.json"), "application/json", on_click="ignore", key=f"json_{name}"
    )
