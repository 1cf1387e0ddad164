"""Waiting on the screen: progress is shown, a coarse picture comes first where there is one, a stop really stops."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from lora_viz.ui import waiting
from lora_viz.ui.state import key_of


def page() -> None:
    import streamlit as st

    from lora_viz.lessons.walk import lesson
    from lora_viz.ui.waiting import Stopped, waited_for

    settings = lesson("rank").settings(seed=int(st.query_params.get("seed", "0")))

    def work(lab):
        st.session_state["asked"] = st.session_state.get("asked", 0) + 1
        return "done"

    try:
        found = waited_for(("rank", settings), work, st.container(), name="Something long", show=lambda record: None)
    except Stopped:
        found = None
    st.markdown(f"found {found}")


def opened() -> AppTest:
    return AppTest.from_function(page, default_timeout=30)


def test_what_is_there_at_once_shows_no_progress() -> None:
    at = opened().run()
    assert not at.exception
    assert at.markdown[0].value == "found done"
    assert not at.button, "what was waited for is there: nothing to stop any more"


def test_a_stop_is_kept_until_one_starts_again_or_asks_for_another() -> None:
    from lora_viz.lessons.walk import lesson

    at = opened()
    at.session_state[key_of(waiting._Stop)] = waiting._Stop(("rank", lesson("rank").settings()))
    at.run()
    assert not at.exception
    assert at.info[0].value == "Something long: stopped, nothing is kept."
    assert at.markdown[-1].value == "found None" and "asked" not in at.session_state
    at.button(key="start_again").click().run()
    assert at.markdown[-1].value == "found done"


def test_another_setting_is_not_stopped() -> None:
    from lora_viz.lessons.walk import lesson

    at = opened()
    at.session_state[key_of(waiting._Stop)] = waiting._Stop(("rank", lesson("rank").settings(seed=9)))
    at.run()
    assert at.markdown[-1].value == "found done"
