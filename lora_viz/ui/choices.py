"""How does a page without an experiment ask? A name on the screen, its id in the link; a bad link is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lora_viz.i18n.language import say
from lora_viz.ui.linking import hold, possible, take, went_back, written

__all__ = ["choose", "choose_some", "heed", "keep", "switch", "type_number", "type_text"]


def choose(
    label: str,
    options: tuple[Any, ...],
    default: Any,
    *,
    key: str,
    help: str | None = None,
    names: Mapping[Any, str] | None = None,
) -> Any:
    """A choice: pills for words, a slider for numbers; a link's value that is none of them is named and dropped.

    ``names`` says what stands on the screen for an option, where that is not what the link writes.
    """
    heed(key, options, default)
    named = names or {}
    shared: dict[str, Any] = {
        "key": key,
        "help": help and say(help),
        "format_func": lambda option: say(named[option]) if option in named else written(option),
    }
    if isinstance(default, str):
        value = st.pills(say(label), options, default=default, required=True, wrap=True, **shared)
    else:
        value = st.select_slider(say(label), options, default, **shared)
    return keep(key, value, default, label)


def choose_some(label: str, options: tuple[str, ...], default: tuple[str, ...], *, key: str) -> tuple[str, ...]:
    """Several of these, maybe none; what a link lists besides is named and left out."""
    kept = st.session_state.setdefault("kept", {})
    if went_back():
        st.session_state.pop(key, None)
        kept.pop(key, None)
    if key not in st.session_state:
        given = st.query_params.get_all(key)
        unknown = [one for one in given if one and one not in options]
        if unknown:
            st.warning(
                say(
                    "{listed} is no module here: allowed are {allowed}.",
                    listed=", ".join(one[:40] for one in unknown[:3]),
                    allowed=", ".join(options),
                ),
                icon=":material/warning:",
            )
        known = [one for one in options if one in given]
        asked = known if known or given == [""] else kept.get(key, default)
        st.session_state[key] = [one for one in asked if one in options]
    chosen = st.pills(say(label), options, selection_mode="multi", default=default, key=key, wrap=True)
    kept[key] = tuple(chosen)
    hold(key, None if set(chosen) == set(default) else list(chosen) or "")
    return tuple(chosen)


def switch(label: str, usual: bool = False, *, key: str) -> bool:
    """Yes or no."""
    heed(key, (True, False), usual)
    return bool(keep(key, st.toggle(say(label), usual, key=key), usual, label))


def type_text(label: str, usual: str = "", *, key: str, tall: int | None = None, most: int | None = None) -> str:
    """A text of one's own, in one line or ``tall`` pixels of them."""
    take(key, str, usual)
    if tall is None:
        value = st.text_input(say(label), usual, key=key, max_chars=most)
    else:
        value = st.text_area(say(label), usual, key=key, max_chars=most, height=tall)
    return str(keep(key, value, usual, label))


def type_number(label: str, low: float, high: float, usual: float, *, key: str, form: str | None = None) -> float:
    """A number between two others; a link's that is none, or outside, is named and dropped."""

    def parse(text: str) -> float:
        value = float(text[:40])
        if not low <= value <= high:
            raise ValueError(text)
        return value

    wrong = take(key, parse, usual)
    if wrong is not None:
        st.warning(
            say(
                "{given} is not possible here: allowed is {low} to {high}. Shown is {shown}.",
                given=f"{key}={wrong[:40]}",
                low=written(low),
                high=written(high),
                shown=written(usual),
            ),
            icon=":material/warning:",
        )
    return float(keep(key, st.number_input(say(label), low, high, usual, key=key, format=form), usual, label))


def heed(key: str, options: tuple[Any, ...], default: Any) -> None:
    """Before its widget is drawn: take the link's value, and say in one sentence which one is not possible."""
    wrong = take(key, possible(options), default)
    if wrong is not None:
        numbers = not isinstance(default, str)
        values = {
            "given": f"{key}={wrong[:40]}",
            "allowed": ", ".join(map(written, options)),
            "shown": written(default),
        }
        few = numbers or len(options) < 12
        st.warning(
            say("{given} is not possible here: allowed is one of {allowed}. Shown is {shown}.", **values)
            if few
            else say("{given} is not possible here: allowed is one of the menu's. Shown is {shown}.", **values),
            icon=":material/warning:",
        )
    elif st.session_state[key] not in options:  # left over from another page's widget of this name
        st.session_state[key] = default


def keep(key: str, value: Any, default: Any, label: str) -> Any:
    """After its widget was drawn: remember the value, and tell the link where it is not the default."""
    st.session_state.setdefault("kept", {})[key] = value
    st.session_state.setdefault("labels", {})[key] = label
    hold(key, None if value == default else written(value))
    return value
