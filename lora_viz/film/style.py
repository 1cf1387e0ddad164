"""Colours and numbers: one identity a colour, in pictures and in formulas, readable by the colour-blind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lora_viz.i18n.language import decimal
from lora_viz.i18n.outside import Ours

__all__ = [
    "DIVERGING",
    "IDENTITY",
    "LETTERS",
    "SEQUENTIAL",
    "amount",
    "letters_css",
    "number",
    "numbers",
    "percent",
    "plotly_layout",
    "tint",
    "to_a_tenth",
]  # fmt: skip

# The letters keep their colour everywhere. A and B are Okabe–Ito's blue and vermilion, the latter darkened until it
# reads on white; dark themes get lighter kin. No two of one theme lie nearer than ΔE 15 (CIELAB 1976), seen without
# one kind of cones either; tests/test_style.py holds it.
IDENTITY: dict[str, dict[str, str]] = {
    "light": {
        "ink": "#14181f",
        "faint": "#6d7382",
        "W": "#434d60",
        "A": "#0072b2",
        "B": "#b84e00",
        "delta": "#7c2d87",
        "clean": "#005c43",
        "alarm": "#a30418",
    },
    "dark": {
        "ink": "#f2f4f8",
        "faint": "#8e94a0",
        "W": "#b2bed3",
        "A": "#5eb8f0",
        "B": "#ff9a4d",
        "delta": "#a981c0",
        "clean": "#4be2b5",
        "alarm": "#fd707c",
    },
}

# Sign: brown below zero, teal above, zero the paper's own colour; neither hue belongs to a letter.
DIVERGING: dict[str, tuple[str, str, str]] = {
    "light": ("#7a4306", "#f7f7f5", "#015a52"),
    "dark": ("#f0b25a", "#1a1f28", "#55dccb"),
}


# Size without a sign, least to most: dark to bright on both themes, in the same order for the colour-blind.
SEQUENTIAL: tuple[str, ...] = ("#00224e", "#35456c", "#666970", "#948e77", "#c8b866", "#fee838")


def number(value: float) -> str:
    """A measured number for reading, in the language spoken: zero as "0", 1.52e−15 as 1.52·10⁻¹⁵.

    From 0.001 to 99999 without a power. At most three significant digits, but all that stand before the point: 0.5,
    12.3, 4096.
    """
    return decimal(_digits(value))


def _digits(value: float) -> str:
    if value != value:
        return "—"
    if value == 0:
        return "0"
    if abs(value) == float("inf"):
        return "∞" if value > 0 else "−∞"
    mantissa, exponent = f"{value:.2e}".split("e")
    if -3 <= int(exponent) <= 4:
        text = f"{value:.0f}" if int(exponent) >= 2 else f"{float(f'{value:.3g}'):g}"
    else:
        text = f"{mantissa}·10{str(int(exponent)).translate(_RAISED)}"
    return text.replace("-", "−")


def amount(value: float) -> str:
    """The same before a noun in the plural: one that was measured is "1.0 percentage points", and no count."""
    text = number(value)
    return decimal("1.0") if text == "1" else text


def numbers(values: Iterable[float]) -> tuple[str, ...]:
    """All of them written so."""
    return tuple(number(float(value)) for value in values)


def percent(share: float, *, rounding: float = 1e-12) -> str:
    """A share as percent, "12.3 %"; what is smaller than ``rounding``, on either side of 0, is 0."""
    return "0 %" if abs(share) < rounding else decimal(f"{_digits(100 * share)} %")


def to_a_tenth(share: float) -> str:
    """A share in percent with one digit after the point; a dash where there is none."""
    return "—" if share != share else decimal(f"{100 * share:.1f} %")


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


# What LaTeX is told; `letters_css` gives it the theme's own tone, for no single one has 4.5:1 on white and on dark.
_MIDDLE = {"W": "#7d8695", "A": "#1f86c8", "B": "#e0700f", "delta": "#9d62c4"}


def tint(name: str, text: str) -> Ours:
    """A LaTeX piece in its identity colour."""
    return Ours(rf"\textcolor{{{_MIDDLE[name]}}}{{{text}}}")


# What a formula calls the matrices: say(r"${dW} = {B}{A}$", **LETTERS).
LETTERS = {
    "A": tint("A", "A"),
    "B": tint("B", "B"),
    "W": tint("W", "W"),
    "G": tint("W", "G"),
    "dW": tint("delta", r"\Delta W"),
}


def letters_css() -> str:
    """The colours of letters in formulas and tables as CSS, in the theme that the page is in."""

    def rule(name: str, middle: str) -> str:
        red, green, blue = (int(middle[i : i + 2], 16) for i in (1, 3, 5))
        colour = f"light-dark({IDENTITY['light'][name]}, {IDENTITY['dark'][name]})"
        in_formula = f'.katex [style*="rgb({red}, {green}, {blue})"]'
        in_formula += f', math [mathcolor="{middle}"]'
        return f"{in_formula} {{ color: {colour} !important; }} .identity-{name} {{ color: {colour}; }}"

    return "\n".join(rule(name, middle) for name, middle in _MIDDLE.items())


def plotly_layout(**more: Any) -> dict[str, Any]:
    """The layout that every still figure shares: type for a projector, room for it, no chrome."""
    return {
        "font": {"size": 16},
        "margin": {"l": 80, "r": 30, "t": 60, "b": 70},
        "legend": {"orientation": "h", "y": -0.22},
        "height": 460,
        **more,
    }
