"""Waiting for something long: its progress, a button that really stops it, and a first picture where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lora_viz.core.progress import Progress
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.settings import Settings
from lora_viz.ui.state import of_visit

__all__ = ["Stopped", "visitors_lab", "waited_for"]

T = TypeVar("T")
PATIENCE = 0.4  # seconds until progress is shown: what is done by then needs none


class Stopped(Exception):
    """The visitor has stopped this work."""


@dataclass(slots=True)
class _Stop:
    """What this visit has stopped last."""

    key: object = None


def visitors_lab() -> Lab:
    """A lab that counts turns by this visit and shows nothing; a script that is not wanted any more ends at it."""
    return Lab(visitor=_visit(), progress=lambda _: _heed())


def waited_for(
    key: tuple[str, Settings],
    work: Callable[[Lab], T],
    where: DeltaGenerator,
    *,
    name: str,
    show: Callable[[Any], None],
) -> T:
    """What ``work`` gives, its progress drawn in ``where`` while the visitor waits. Raises Stopped.

    A click, a changed control, a page that is left or closed ends this script within a tenth of a second; the work
    then goes on only where somebody else waits for it. ``show`` draws a record that is there before the last one: the
    page is then run anew when the last one has come.
    """
    place = where.empty()
    if of_visit(_Stop).key == key:
        with place.container():
            st.info(on_screen(say("{name}: stopped, nothing is kept.", name=name)), icon=":material/stop_circle:")
            st.button(say("Start again"), key="start_again", on_click=_stop, args=(None,))
        raise Stopped
    screen = _Screen(place, name, key, show)
    found = work(Lab(visitor=_visit(), progress=screen))
    place.empty()
    if screen.previewed:
        st.rerun()
    return found


class _Screen:
    """Draws progress; every word of it lets a changed control end the script."""

    def __init__(self, place: DeltaGenerator, name: str, key: object, show: Callable[[Any], None]) -> None:
        self.place, self.name, self.key, self.show = place, name, key, show
        self.began, self.previewed = time.monotonic(), False
        self.bar: DeltaGenerator | None = None
        self.last: Any = None

    def __call__(self, now: Progress) -> None:
        _heed()
        if now.preview is not None and now.preview is not self.last:
            self.last, self.previewed = now.preview, True
            self.bar = self.bar or self._begin()
            self.show(now.preview)
        if self.bar is None and time.monotonic() - self.began < PATIENCE:
            return
        self.bar = self.bar or self._begin()
        self.bar.progress(min(1.0, now.share), text=on_screen(f"{self.name} … {now.said}"))

    def _begin(self) -> DeltaGenerator:
        with self.place.container(key="waiting"):  # lies over the picture: nothing moves for it
            bar = st.progress(0.0, text=on_screen(f"{self.name} …"))
            st.button(say("Stop training"), key="stop", on_click=_stop, args=(self.key,))
        return bar


def _stop(key: object) -> None:
    of_visit(_Stop).key = key


def _heed() -> None:
    """End this script where its visitor has asked for another one, or is gone: whoever looks into the session does."""
    if _visit() is not None:
        "stop" in st.session_state  # noqa: B015  # looked into, whatever it holds


def _visit() -> str | None:
    run = get_script_run_ctx(suppress_warning=True)
    return None if run is None else run.session_id
