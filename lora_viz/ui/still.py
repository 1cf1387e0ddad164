"""How does a page show a figure that stands still? Beside its alt text, with its numbers to take away."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping

import numpy as np
import plotly.graph_objects as go
import streamlit as st

__all__ = ["csv_button", "show_figure", "shown_theme"]


def shown_theme() -> str:
    """Light or dark, as the visitor has it."""
    return st.context.theme.type or "light"


def show_figure(figure: Callable[[str], go.Figure], *, name: str, alt: str) -> None:
    """The figure in the visitor's theme, with the current reading as its alt text."""
    st.plotly_chart(
        figure(shown_theme()), key=f"plot_{name}", alt=alt, width="stretch",
        config={"scrollZoom": False, "displayModeBar": False},
    )  # fmt: skip


def csv_button(label: str, table: Mapping[str, np.ndarray], *, name: str) -> None:
    """The numbers behind a picture, as CSV."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(table)
    writer.writerows(zip(*(column.tolist() for column in table.values()), strict=True))
    st.download_button(label, out.getvalue(), f"{name}.csv", "text/csv", on_click="ignore", key=f"csv_{name}")
