"""Start: can you make it happen?"""

from dataclasses import replace
from typing import Any

import streamlit as st

from lora_viz.content.challenges import CHALLENGES
from lora_viz.core.experiment import Sweep
from lora_viz.i18n.language import say, to_say
from lora_viz.ui.cache import cached_conditions
from lora_viz.ui.choices import choose
from lora_viz.ui.contents import link_to
from lora_viz.ui.controls import CONTROLS, NAMES
from lora_viz.ui.page import open_worked
from lora_viz.ui.take_home import offer_home

KEYS = tuple(CHALLENGES)
SAMPLES = to_say("Samples")  # no lesson asks for them

left, right = open_worked(
    say("Challenges: can you make it happen?"),
    say(
        "Eight goals. Each change of a control trains the small experiment anew, and every condition is checked "
        "against what was measured."
    ),
)
with left:
    place = int(choose(say("Challenge"), tuple(range(1, len(KEYS) + 1)), 1, key="challenge"))
    key = KEYS[place - 1]
    challenge = CHALLENGES[key]
    values: dict[str, Any] = {}
    for name, options in challenge.controls.items():
        control = CONTROLS.get(name)
        label, told = (control.label, control.help) if control else (SAMPLES, None)
        values[name] = choose(
            label, options, getattr(challenge.default, name), key=f"{name}_{place}", help=told, names=NAMES.get(name)
        )
with right:
    st.header(f"{place}. {say(challenge.goal)}", anchor=False)
    conditions = cached_conditions(key, replace(challenge.default, **values))
    for condition in conditions:
        sign = ":material/check_circle:" if condition.holds else ":material/radio_button_unchecked:"
        st.markdown(f"{sign} {condition.text}: **{condition.measured}**")
    passed = all(condition.holds for condition in conditions)
    done: set[str] = st.session_state.setdefault("passed", set())
    done.update({key} if passed else ())
    if passed:
        st.success(say("Passed. {hint}", hint=say(challenge.hint)), icon=":material/check:")
    else:
        st.info(say("Not yet."), icon=":material/hourglass_empty:")
        with st.expander(say("Hint")):
            st.markdown(f"{say(challenge.hint)} {link_to(challenge.page)}")
    met = sum(condition.holds for condition in conditions)
    st.markdown(
        say(
            "**What you saw.** {met} of {conditions} conditions hold, measured on this run. "
            "{passed} of {challenges} challenges passed in this visit.",
            met=met,
            conditions=len(conditions),
            passed=len(done),
            challenges=len(KEYS),
        )
    )
    offer_home((Sweep((replace(challenge.default, **values),)),), "challenges")
