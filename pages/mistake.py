"""Worked example: find the mistake in a printed one."""

import streamlit as st

from lora_viz.film.notation import plain
from lora_viz.i18n.language import say
from lora_viz.layer.worked import PRINTED_STEP
from lora_viz.lessons.start.mistake import NAMES, comparison_html, mistakes, score, start_html, takeaway
from lora_viz.ui.choices import choose, switch
from lora_viz.ui.contents import linked
from lora_viz.ui.page import open_worked

left, right = open_worked(
    say("Find the mistake: which numbers are wrong?"),
    say(
        "A document prints one step of a 4×4 layer: y = x·(W + B A), x = (1, 0, 0, 0), targets 1, η = 0.1, L = "
        "½Σ(y−t)². Mark what you doubt, then reveal."
    ),
)
with left:
    name = str(choose(say("Printed matrix"), tuple(PRINTED_STEP), "∇A", key="matrix", names=NAMES))
    record = mistakes(name)
    places = {
        f"({i + 1}, {j + 1}): {plain(record.printed[i, j])}": (i, j)
        for i in range(record.printed.shape[0])
        for j in range(record.printed.shape[1])
    }
    doubts = st.pills(say("Wrong are, I think"), tuple(places), selection_mode="multi", key=f"doubts_{name}", wrap=True)
    revealed = switch(say("Reveal"), key="reveal")
suspected = tuple(places[doubt] for doubt in doubts)
with right:
    st.html(comparison_html(record, suspected=suspected, revealed=revealed))
    if revealed:
        st.markdown(f"**{score(record, suspected)}**")
        st.markdown(say("**What you saw.** {seen}", seen=takeaway(record)))
    else:
        st.markdown(say("**What you saw.** So far only what was printed: no number here is vouched for."))
    st.header(say("What the step starts from"), anchor=False)
    st.html(start_html())
    change = say(
        "Change these numbers yourself: [Follow one vector](follow?example=printed_rows), in either convention."
    )
    st.markdown(linked(change))
