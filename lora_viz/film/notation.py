"""A matrix as HTML, with its numbers, its identity colour and marked cells."""

from __future__ import annotations

from html import escape

import numpy as np
from jaxtyping import Float, Int

from lora_viz.film.style import letters_css, number
from lora_viz.i18n.language import decimal

__all__ = ["STYLE", "matrix_html", "plain"]

STYLE = """<style>
.worked { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.97rem; }
.worked th { text-align: left; padding: 0.25rem 0.7rem 0.25rem 0; white-space: nowrap; }
.worked th { font-weight: 700; vertical-align: middle; }
.worked > tbody > tr > td { padding: 0.3rem 0.8rem 0.3rem 0; vertical-align: middle; }
.worked tr.row { border-top: 1px solid rgba(128, 128, 128, 0.3); }
.matrix { display: inline-grid; gap: 0 0.7rem; padding: 0 0.5rem; }
.matrix { border: solid; border-width: 0 2px; border-radius: 6px; }
.matrix span { text-align: right; padding: 0.08rem 0.1rem; white-space: nowrap; }
.matrix .wrong { outline: 2px solid #c4314b; border-radius: 3px; }
.matrix .found { background: rgba(0, 140, 100, 0.28); border-radius: 3px; }
"""
STYLE += f"{letters_css()}</style>"


def matrix_html(
    values: Float[np.ndarray, "m n"], *, colour: str = "", marks: Int[np.ndarray, "m n"] | None = None
) -> str:
    """A matrix with brackets as HTML; ``marks`` gives cells the class wrong (1) or found (2)."""
    classes = {0: "", 1: "wrong", 2: "found"}

    def cell(i: int, j: int) -> str:
        mark = classes[int(marks[i, j]) if marks is not None else 0]
        return f'<span role="cell" class="{mark}" title="{plain(values[i, j], 12)}">{plain(values[i, j])}</span>'

    m, n = values.shape
    rows = ("".join(cell(i, j) for j in range(n)) for i in range(m))
    cells = "".join(f'<div role="row" style="display: contents">{row}</div>' for row in rows)
    columns = f"grid-template-columns: repeat({values.shape[1]}, auto)"
    identity = f" identity-{colour}" if colour else ""
    return f'<div class="matrix{identity}" role="table" style="{columns}">{cells}</div>'


def plain(value: float, digits: int = 4) -> str:
    """A number as one would write it by hand: so many decimals at most, no trailing zeros."""
    rounded = round(float(value), digits)
    text = (
        number(value)
        if value and (rounded == 0 or abs(value) >= 1e5)
        else decimal(f"{rounded:.{digits}f}".rstrip("0").rstrip("."))
    )
    return escape(("0" if text in ("-0", "") else text).replace("-", "−"))
