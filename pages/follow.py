"""Worked example: follow one vector through three steps."""

import streamlit as st

from lora_viz.i18n.language import say
from lora_viz.lessons.start.follow import steps_html, table, takeaway, worked_table
from lora_viz.ui.page import open_worked
from lora_viz.ui.still import csv_button, json_button
from lora_viz.ui.worked import ask_worked

left, right = open_worked(
    say("Follow one vector: what does a step compute?"),
    say(
        "A 4×3 layer with r = 2 and α = 4, worked out in full: at step 0 every entry of ∇A is 0, so A stays as it was."
    ),
)
with left:
    example = ask_worked()
record = worked_table(example, 3)
with right:
    st.html(steps_html(record))
    st.markdown(say("**What you saw.** {seen}", seen=takeaway(record)))
    with st.container(horizontal=True):
        csv_button(say("Every number as CSV"), table(record), name="follow")
        json_button(say("Every number as JSON"), table(record), name="follow")
