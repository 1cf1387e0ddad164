"""What is kept of one visit: one typed object a concern, made by the module whose concern it is."""

from __future__ import annotations

from typing import TypeVar

import streamlit as st

__all__ = ["kept"]

T = TypeVar("T")


def kept(kind: type[T]) -> T:
    """This visit's object of this kind, made when it is first asked for."""
    key = f"{kind.__module__}.{kind.__qualname__}"
    if key not in st.session_state:
        st.session_state[key] = kind()
    found: T = st.session_state[key]
    return found
