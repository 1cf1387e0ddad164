"""Which colour means what? One identity a colour, in pictures and in formulas, readable by the colour-blind."""

from __future__ import annotations

from typing import Any

__all__ = ["DIVERGING", "IDENTITY", "number", "plotly_layout", "tint"]

# The letters keep their colour everywhere. A and B are Okabe–Ito's blue and vermilion; dark themes get lighter kin.
IDENTITY: dict[str, dict[str, str]] = {
    "light": {
        "ink": "#14181f",
        "faint": "#8a93a3",
        "W": "#5f6875",
        "A": "#0072b2",
        "B": "#d55e00",
        "delta": "#7b3fa0",
        "clean": "#00795a",
        "alarm": "#b00020",
    },
    "dark": {
        "ink": "#f2f4f8",
        "faint": "#8e98aa",
        "W": "#aeb6c4",
        "A": "#5eb8f0",
        "B": "#ff9a4d",
        "delta": "#c99bea",
        "clean": "#3fd0a4",
        "alarm": "#ff8a8a",
    },
}

# Sign: brown below zero, teal above, zero the paper's own colour; neither hue belongs to a letter.
DIVERGING: dict[str, tuple[str, str, str]] = {
    "light": ("#7a4306", "#f7f7f5", "#015a52"),
    "dark": ("#f0b25a", "#1a1f28", "#55dccb"),
}


def number(value: float, digits: int = 3) -> str:
    """How is a measured number written? Zero as "0", the rest with three significant digits: 1.52e−15 as 1.52·10⁻¹⁵."""
    if value != value:
        return "—"
    if value == 0:
        return "0"
    if abs(value) == float("inf"):
        return "∞" if value > 0 else "−∞"
    if 1e-3 <= abs(value) < 1e5:
        text = f"{value:.{digits}g}" if abs(value) < 10 ** (digits - 1) else f"{value:,.0f}".replace(",", " ")
        return text.replace("-", "−")
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}·10{raised}".replace("-", "−")


def tint(name: str, text: str) -> str:
    """A LaTeX piece in its identity colour. A mid tone that reads on both themes."""
    middle = {"W": "#7d8695", "A": "#1f86c8", "B": "#e0700f", "delta": "#9d62c4"}
    return rf"\textcolor{{{middle[name]}}}{{{text}}}"


def plotly_layout(**more: Any) -> dict[str, Any]:
    """The layout that every still figure shares: type for a projector, room for it, no chrome."""
    return {
        "font": {"size": 16},
        "margin": {"l": 80, "r": 30, "t": 60, "b": 70},
        "legend": {"orientation": "h", "y": -0.22},
        "height": 460,
        **more,
    }
