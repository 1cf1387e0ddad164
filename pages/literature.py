"""Reference: which paper claims what?"""

import streamlit as st

from lora_viz.language import say
from lora_viz.literature import TOPICS
from lora_viz.ui.choices import choose
from lora_viz.ui.contents import LINKS
from lora_viz.ui.page import open_worked
from lora_viz.views.literature_cards import folklore_html, literature_cards, papers_html, takeaway

left, right = open_worked(
    say("Literature: who claims what, and when does it hold?"),
    say("Every claim has a condition; folklore has none. AdaLoRA is by Zhang et al., LoRA by Hu et al."),
)
with left:
    topic = str(choose(say("Topic"), ("all", *TOPICS, "folklore"), "variants", key="topic"))
record = literature_cards(topic, LINKS)
with right:
    if record.papers:
        st.html(papers_html(record))
    if record.folklore:
        st.html(folklore_html(record))
    st.markdown(say("**What you saw.** {seen}", seen=takeaway(record)))
