"""What is kept of one visit: one typed object a concern, made by the module whose concern it is."""

from __future__ import annotations

from typing import TypeVar

import streamlit as st

__all__ = ["key_of", "of_visit"]

T = TypeVar("T")


def key_of(kind: type) -> str:
    """Under which key this kind of object is kept."""
    return f"{kind.__module__}.{kind.__qualname__}"


def of_visit(kind: type[T]) -> T:
    """This visit's object of this kind, made when it is first asked for."""
    key = key_of(kind)
    if key not in st.session_state:
        st.session_state[key] = kind()
    found: T = st.session_state[key]
    return found
