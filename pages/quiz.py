"""Start: what do you believe, and what is measured?"""

import streamlit as st

from lora_viz.content.quiz import QUESTIONS
from lora_viz.i18n.language import say
from lora_viz.ui.asked_after import show_lessons_answered
from lora_viz.ui.cache import cached_answer
from lora_viz.ui.choices import choose
from lora_viz.ui.contents import link_to
from lora_viz.ui.page import open_worked

KEYS = tuple(QUESTIONS)


def forth() -> None:
    """To the next question, after the last one to the first."""
    st.session_state["question"] = st.session_state["question"] % len(KEYS) + 1


left, right = open_worked(
    say("Quiz: what would you have said?"),
    say(
        "No answer is written down: each is computed when it is asked, on small layers and real numbers. Choose, and "
        "see what was measured, why, and where to look."
    ),
)
with left:
    place = int(choose(say("Question"), tuple(range(1, len(KEYS) + 1)), 1, key="question"))
    score = st.empty()
key = KEYS[place - 1]
question = QUESTIONS[key]
given = st.session_state.setdefault("answers", {})
with right:
    asked = cached_answer(key, 0)
    st.header(say(question.text), anchor=False)
    choice = st.radio(say("Your answer"), asked.choices, index=None, key=f"choice_{key}", horizontal=True)
    if choice is not None:
        good = choice == asked.choices[asked.right]
        given.setdefault(key, good)  # the first answer counts
        why = f"{asked.told} {say(question.why)} {say('See it: {link}.', link=link_to(question.page))}"
        if good:
            st.success(f"{say('Yes, {choice}.', choice=choice)} {why}", icon=":material/check:")
        else:
            no = say("You said {choice}; measured was {measured}.", choice=choice, measured=asked.choices[asked.right])
            st.info(f"{no} {why}", icon=":material/search:")
    st.button(say("Next question"), key="next_question", on_click=forth, type="primary" if choice else "secondary")
    right_ones = sum(given.values())
    seen = (
        say("{right} of {answered} answered as measured, at once.", right=right_ones, answered=len(given))
        if given
        else say("Nothing yet: choose an answer.")
    )
    st.markdown(
        say(
            "**What you saw.** {seen} {count} questions, none of them with a stored answer.",
            seen=seen,
            count=len(QUESTIONS),
        )
    )
show_lessons_answered()
if given:
    score.caption(say("{right} of {answered} answered questions right at once", right=right_ones, answered=len(given)))
