"""Waiting: progress is shown, a result is kept for all, a stop really stops."""

import threading
from collections.abc import Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from lora_viz.core.progress import Progress
from lora_viz.ui.watching import watch
from tests.long_work import CALLS, work


def page() -> None:
    import streamlit as st

    from lora_viz.ui.watching import watch
    from tests.long_work import work

    name = st.query_params["name"]
    found = watch(name, lambda: work(name), st.container(), name="Something long")
    st.markdown(f"found {found}")


def opened(name: str) -> AppTest:
    at = AppTest.from_function(page, default_timeout=30)
    at.query_params["name"] = name
    return at


def test_a_result_is_computed_once_for_all_visitors() -> None:
    CALLS.clear()
    at = opened("first").run()
    assert at.markdown[0].value == "found first is done"
    assert CALLS == ["first 1", "first 2", "first 3", "first closed"]
    assert not at.button, "what was waited for is there: nothing to stop any more"
    again = opened("first").run()
    assert again.markdown[0].value == "found first is done"
    assert len(CALLS) == 4


def test_a_stop_is_kept_until_one_starts_again() -> None:
    at = opened("second")
    at.session_state["stopped"] = "second"
    CALLS.clear()
    at.run()
    assert at.info[0].value == "Something long: stopped, nothing is kept."
    assert at.markdown[0].value == "found None"
    assert not CALLS
    at.button(key="start_again").click().run()
    assert at.markdown[0].value == "found second is done"


def test_a_script_that_ends_in_between_closes_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()

    class Gone(BaseException):
        """What streamlit raises in a script whose visitor asked for something else."""

    def leave(*_: object, **__: object) -> None:
        raise Gone

    monkeypatch.setattr(st.delta_generator.DeltaGenerator, "progress", leave)
    monkeypatch.setattr(st, "progress", lambda *_, **__: st.empty())
    with pytest.raises(Gone):
        watch("third", lambda: work("third"), st.container(), name="Something long")
    assert CALLS == ["third 1", "third closed"]
    from lora_viz.ui.watching import GATE

    assert GATE.acquire(blocking=False), "the gate is free for the next visitor"
    GATE.release()


def test_others_take_turns_between_chunks() -> None:
    from lora_viz.ui.watching import GATE

    free: list[bool] = []

    def look() -> None:
        free.append(GATE.acquire(timeout=5))
        if free[0]:
            GATE.release()

    def slow() -> Iterator[Progress | str]:
        yield Progress(0.5)
        other = threading.Thread(target=look)
        other.start()
        yield Progress(0.9)
        other.join()
        yield "over"

    assert watch("fourth", slow, st.container(), name="Something long") == "over"
    assert free == [True]
