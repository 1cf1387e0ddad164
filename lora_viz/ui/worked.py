"""Which matrices does the visitor want worked through? Text in, a checked example out, the last good one kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from lora_viz.film.notation import plain
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.worked import PRINTED, PRINTED_COLUMNS, VECTOR, VECTORS, Worked, WorkedError, parse_matrix
from lora_viz.ui.choices import choose, type_number, type_text

__all__ = ["ask_worked"]

_PRESETS = {
    "one_sample": VECTOR,
    "two_samples": VECTORS,
    "printed_rows": PRINTED,
    "printed_columns": PRINTED_COLUMNS,
}
_NAMES = {
    "one_sample": to_say("one sample"),
    "two_samples": to_say("two samples"),
    "printed_rows": to_say("as printed, rows"),
    "printed_columns": to_say("as printed, columns"),
}
_FIELDS = (("W", "W"), ("A", "A"), ("B", "B"), ("x", "X"), ("t", "T"))


def ask_worked() -> Worked:
    """Draw the choice of example and the fields for one's own numbers; answer with what can be worked through."""
    preset = str(choose(to_say("Samples"), tuple(_PRESETS), "one_sample", key="example", names=_NAMES))
    start = _PRESETS[preset]
    with st.expander(say("Your own numbers")):
        st.caption(say("Rows of numbers, split by lines or semicolons, or a Python or NumPy list. Up to 6×6."))
        texts = {
            name: type_text(name, _text(getattr(start, field)), key=f"{preset}_{name}", tall=110)
            for name, field in _FIELDS
        }
        scaling = type_number("s = α/r", 0.0, 64.0, start.scaling, key=f"{preset}_s")
        lr = type_number("η", 0.0, 100.0, start.lr, key=f"{preset}_lr", form="%.4g")
    kept: dict[str, Worked] = st.session_state.setdefault("worked_through", {})
    try:
        W, A, B, X, T = (parse_matrix(texts[name], name) for name, _ in _FIELDS)
        kept[preset] = replace(start, W=W, A=A, B=B, X=X, T=T, scaling=scaling, lr=lr)
    except WorkedError as error:
        st.error(say("{error} The last numbers that fitted are shown.", error=error))
    return kept.get(preset, start)


def _text(matrix: np.ndarray) -> str:
    return "\n".join(" ".join(plain(v, 12).replace("−", "-") for v in row) for row in matrix)
