"""The next scene is measured while this one is looked at, so that it is there when it is opened.

One scene a visit, however often its page runs, and ``MOST`` at once for all visits: it is a courtesy, and who presents
alone gets it. It stops as soon as the visit has gone on elsewhere, or is gone.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from lora_viz.core.progress import Progress
from lora_viz.core.refusals import Refusal
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.walk import lesson
from lora_viz.ui.presenting import Presented
from lora_viz.ui.state import of_visit

__all__ = ["MOST", "prepare_next"]

MOST = 4
_places = threading.BoundedSemaphore(MOST)


class _Left(Exception):
    """The visit has gone on."""


@dataclass(slots=True)
class _Preparing:
    """What this visit has measured last, or is having measured, beside what it looks at."""

    scene: object = None


def prepare_next(now: Presented | None) -> None:
    """Begin to measure the scene after this one, where that has not begun yet; None: nothing is presented any more."""
    following = now.deck.scenes[now.place + 1 : now.place + 2] if now else ()
    state = of_visit(_Preparing)
    if not following or (own := lesson(following[0].page)).film is None or own.worded:
        state.scene = None
        return
    scene = (following[0].page, tuple(following[0].settings))
    if state.scene == scene:
        return
    state.scene = None  # what was being measured for this visit ends
    if not _places.acquire(blocking=False):
        return
    state.scene = scene
    run = get_script_run_ctx(suppress_warning=True)
    given = (own, dict(following[0].settings), state, scene, run.session_id if run else None)
    try:
        threading.Thread(target=_measure, args=given, daemon=True, name="next scene").start()
    except RuntimeError:  # the machine has no thread left
        _places.release()


def _measure(own: Lesson[Any], settings: dict[str, Any], state: _Preparing, scene: object, visit: str | None) -> None:
    def heed(_: Progress) -> None:
        if state.scene is not scene or not _open(visit):
            raise _Left

    try:
        with suppress(Refusal, _Left):  # what is wrong with it is said when it is opened
            own.read(settings, Lab(visitor=("next", visit), progress=heed))
    finally:
        _places.release()


def _open(visit: str | None) -> bool:
    return visit is None or not runtime.exists() or runtime.get_instance().is_active_session(visit)
