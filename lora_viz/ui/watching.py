"""How does a visitor wait for something long? With its progress, a button that really stops it, and only once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lora_viz.core.progress import Progress
from lora_viz.i18n.language import say
from lora_viz.ui.cache import _GATE as GATE

__all__ = ["watch"]

Result = TypeVar("Result")
MOST_KEPT = 24


@st.cache_resource(show_spinner=False)
def _kept() -> OrderedDict[Hashable, object]:
    return OrderedDict()


def watch(
    key: Hashable, work: Callable[[], Iterator[Progress | Result]], where: DeltaGenerator, *, name: str
) -> Result | None:
    """What ``work`` ends in, computed once for all visitors, or None where this visitor stopped it.

    The gate is held for a chunk at a time, so that others take turns. A click, a changed control or a page that is
    left ends this script at its next word to the browser; the iterator is closed then, and nothing goes on behind.
    """
    kept = _kept()
    if key in kept:
        kept.move_to_end(key)
        return kept[key]  # type: ignore[return-value]
    place = where.empty()
    with place.container():
        if st.session_state.get("stopped") == key:
            st.info(say("{name}: stopped, nothing is kept.", name=name), icon=":material/stop_circle:")
            st.button(say("Start again"), key="start_again", on_click=_forget)
            return None
        bar = st.progress(0.0, text=f"{name} …")
        st.button(say("Stop training"), key="stop", on_click=_stop, args=(key,))
        chunks = work()
        try:
            while True:
                with GATE:
                    item = next(chunks)
                if not isinstance(item, Progress):
                    break
                bar.progress(min(1.0, item.share), text=f"{name} … {item.said}")
                time.sleep(0.001)  # who waits for the gate wakes up now; without it this thread would take it again
        finally:
            chunks.close()  # type: ignore[attr-defined]
    place.empty()
    kept[key] = item
    while len(kept) > MOST_KEPT:
        kept.popitem(last=False)
    return item


def _stop(key: Hashable) -> None:
    st.session_state["stopped"] = key


def _forget() -> None:
    st.session_state.pop("stopped", None)
