"""The question that ends a lesson: folded up until it is opened; its score is kept for the visit."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

import streamlit as st

from lora_viz.content.questions import Answered, Unanswerable
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import Ours, on_screen
from lora_viz.lessons.lesson import Lesson, Played
from lora_viz.lessons.parts import Goal
from lora_viz.lessons.walk import measured, sections
from lora_viz.ui.asking import set_answers
from lora_viz.ui.contents import link_to
from lora_viz.ui.pages import go_to
from lora_viz.ui.state import of_visit

__all__ = ["ask_choices", "ask_question", "show_goals", "show_lessons_answered"]

_HEARD = "position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap"
# Was the first answer as measured? An icon, and what it says to whoever hears the page.
_MARKS = {
    True: (":material/check:", to_say("answered as measured")),
    False: (":material/search:", to_say("answered otherwise")),
}


@dataclass(slots=True)
class _Score:
    """Whether the first answer was as measured, by lesson and by question of the quiz; and which goals were reached."""

    given: dict[str, bool] = field(default_factory=dict)
    quiz: dict[str, bool] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)


def ask_question(played: Played[Any]) -> None:
    """The question of this lesson, about what is on the screen. In somebody else's page nothing is asked."""
    if played.lesson.question is not None and not st.context.is_embedded:
        _asked(played)


@st.fragment
def _asked(played: Played[Any]) -> None:
    """Opening and answering it redraw nothing else: the picture goes on."""
    name = played.lesson.id
    place = st.expander(say("Before you go: one question"), key=f"after_{name}", on_change="rerun")
    if not place.open:
        return
    with place:
        try:
            with st.spinner(say("Measuring the answer …")):
                asked = played.ask()
        except Unanswerable as reason:
            st.info(on_screen(reason.said), icon=":material/block:")
            return
        if asked is None:
            return
        st.markdown(on_screen(f"**{asked.text}**"))
        given = of_visit(_Score).given
        if _choices(f"after_{name}", asked, given, name):
            st.caption(on_screen(_score(given)))


def _choices(key: str, asked: Answered, given: dict[str, bool], name: str, see: str = "") -> bool:
    """The choices, and whether one was made: what was measured, and why. The first answer counts."""
    # Other settings are another question: its choices are new, and none of them is chosen.
    key = f"{key}_{zlib.crc32(repr((asked.text, asked.choices)).encode())}"
    choice = st.radio(
        on_screen(asked.text), asked.choices, index=None, key=key, horizontal=True, label_visibility="collapsed",
        format_func=on_screen,
    )  # fmt: skip
    if choice is None:
        return False
    right = asked.choices[asked.right]
    given.setdefault(name, choice == right)
    why = f"{asked.told} {asked.why}" + (f" {say('See it: {link}.', link=Ours(link_to(see)))}" if see else "")
    if choice == right:
        st.success(on_screen(f"{say('Yes, {choice}.', choice=choice)} {why}"), icon=":material/check:")
    else:
        said = say("You said {choice}; measured was {right}.", choice=choice, right=right)
        st.info(on_screen(f"{said} {why}"), icon=":material/search:")
    return True


def ask_choices(name: str, asked: Answered, see: str) -> None:
    """A question of the quiz, and how many were answered as measured at once."""
    given = of_visit(_Score).quiz
    _choices(f"choice_{name}", asked, given, name, see)
    if given:
        counts = {"right": sum(given.values()), "answered": len(given)}
        st.caption(on_screen(say("{right} of {answered} answered as measured, at once.", **counts)))
    else:
        st.caption(say("Nothing yet: choose an answer."))


def show_goals(goals: tuple[Goal, ...], chosen: str, holds: bool) -> None:
    """Every goal as a card that leads to it, ticked if it was reached in this visit; the chosen one stands out."""
    done = of_visit(_Score).reached
    done.update({chosen} if holds else ())
    with st.container(horizontal=True, gap="small", key="goals"):
        for i, goal in enumerate(goals):
            label = f"{'✓' if goal.id in done else '○'} {i + 1}. {goal.label}"
            kind: Literal["primary", "secondary"] = "primary" if goal.id == chosen else "secondary"
            st.button(on_screen(label), key=f"goal_{goal.id}", type=kind, on_click=set_answers, args=(goal.answers,))
    told = say("{passed} of {challenges} challenges passed in this visit.", passed=len(done), challenges=len(goals))
    st.caption(on_screen(told))


def _asking(among: tuple[Lesson[Any], ...] | None = None) -> list[Lesson[Any]]:
    return [each for each in measured(among) if each.question is not None]


def _score(given: dict[str, bool]) -> str:
    return say(
        "{count} of {all} lessons answered, {right} as measured at once.",
        count=len(given), all=len(_asking()), right=sum(given.values()),
    )  # fmt: skip


def show_lessons_answered() -> None:
    """Every lesson with a question, whether it was answered as measured, and a way there within this visit."""
    given = of_visit(_Score).given
    place = st.expander(on_screen(_score(given)), key="lessons_answered", on_change="rerun")
    if not place.open:
        return
    with place:
        st.markdown(
            say("Every lesson ends with a question. A tick: your first answer was as measured; a lens: it was not.")
        )
        for section, own in sections().values():
            asked = [(each.id, each.menu) for each in _asking(own)]
            if not asked:
                continue
            with st.container(horizontal=True, gap="small", vertical_alignment="center"):
                st.markdown(on_screen(f"**{say(section.title)}:**"), width="content")
                heard = "; ".join(f"{say(title)}: {say(_MARKS[given[n]][1])}" for n, title in asked if n in given)
                if heard:  # an icon has no name that is read out
                    st.html(f'<span style="{_HEARD}">{escape(heard)}.</span>', width="content")
                for name, title in asked:
                    icon = _MARKS[given[name]][0] if name in given else None
                    if st.button(on_screen(say(title)), key=f"to_{name}", type="tertiary", icon=icon):
                        go_to(name)
