"""What is asked before a visitor goes on? One question a lesson, folded up until it is opened; its score is kept."""

from __future__ import annotations

import zlib
from html import escape

import streamlit as st

from lora_viz.core.experiment import Experiment
from lora_viz.film.panels import Film
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.after.asked import After, Answered, Seen, Unanswerable, answer
from lora_viz.lessons.after.lessons import LESSONS, RANK
from lora_viz.lessons.after.papers import PAPERS
from lora_viz.lessons.after.real import REAL
from lora_viz.lessons.after.training import TRAINING
from lora_viz.lessons.after.which import VARIANTS, WHICH
from lora_viz.ui.contents import PAGES
from lora_viz.ui.presenting import page_file
from lora_viz.ui.records import cached_record

__all__ = ["AFTER", "ask_after", "remember_seen", "show_lessons_answered"]

# Page -> its question.
AFTER: dict[str, After] = LESSONS | RANK | TRAINING | WHICH | VARIANTS | PAPERS | REAL
_HEARD = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap"
# Was the first answer as measured? An icon, and what it says to whoever hears the page.
_MARKS = {
    True: (":material/check:", to_say("answered as measured")),
    False: (":material/search:", to_say("answered otherwise")),
}


def remember_seen(film: Film, link: dict[str, str]) -> None:
    """This film is on the screen now, with the experiment and the settings of the page."""
    settings = tuple(sorted((name, str(value)) for name, value in link.items()))
    st.session_state["seen"] = Seen(film, st.session_state.get("asked_for", Experiment()), settings)


def ask_after(name: str) -> None:
    """The question of this lesson, about what is on the screen. In somebody else's page nothing is asked."""
    seen: Seen | None = st.session_state.pop("seen", None)
    if seen is not None and name in AFTER and not st.context.is_embedded:
        _asked(name, seen)


@st.fragment
def _asked(name: str, seen: Seen) -> None:
    """Opening and answering it redraw nothing else: the picture goes on."""
    place = st.expander(say("Before you go: one question"), key=f"after_{name}", on_change="rerun")
    if not place.open:
        return
    with place:
        try:
            with st.spinner(say("Measuring the answer …")):
                asked = answer(AFTER[name], seen, cached_record)
        except Unanswerable as reason:
            st.info(str(reason), icon=":material/block:")
            return
        _choices(name, asked)


def _choices(name: str, asked: Answered) -> None:
    given: dict[str, bool] = st.session_state.setdefault("answered_after", {})
    st.markdown(f"**{asked.text}**")
    # Other settings are another question: its choices are new, and none of them is chosen.
    key = f"after_{name}_{zlib.crc32(repr((asked.text, asked.choices)).encode())}"
    choice = st.radio(
        asked.text, asked.choices, index=None, key=key, horizontal=True, label_visibility="collapsed"
    )  # fmt: skip
    if choice is None:
        return
    right = asked.choices[asked.right]
    given.setdefault(name, choice == right)  # the first answer counts
    if choice == right:
        st.success(say("Yes, {choice}.", choice=choice) + f" {asked.told} {asked.why}", icon=":material/check:")
    else:
        said = say("You said {choice}; measured was {right}.", choice=choice, right=right)
        st.info(f"{said} {asked.told} {asked.why}", icon=":material/search:")
    st.caption(_score(given))


def _score(given: dict[str, bool]) -> str:
    return say(
        "{count} of {all} lessons answered, {right} as measured at once.",
        count=len(given), all=len(AFTER), right=sum(given.values()),
    )  # fmt: skip


def show_lessons_answered() -> None:
    """After which lessons was the question answered, and as measured? Each leads to its lesson, in this session."""
    given: dict[str, bool] = st.session_state.setdefault("answered_after", {})
    place = st.expander(_score(given), key="lessons_answered", on_change="rerun")
    if not place.open:
        return
    with place:
        st.markdown(
            say("Every lesson ends with a question. A tick: your first answer was as measured; a lens: it was not.")
        )
        for section, pages in PAGES.items():
            asked = [(name, title) for name, title in pages.items() if name in AFTER]
            if not asked:
                continue
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.markdown(f"**{say(section)}:**", width="content")
                heard = "; ".join(f"{say(title)}: {say(_MARKS[given[n]][1])}" for n, title in asked if n in given)
                if heard:  # an icon has no name that is read out
                    st.html(f'<span style="{_HEARD}">{escape(heard)}.</span>', width="content")
                for name, title in asked:
                    icon = _MARKS[given[name]][0] if name in given else None
                    if st.button(say(title), key=f"to_{name}", type="tertiary", icon=icon):
                        st.switch_page(page_file(name))
