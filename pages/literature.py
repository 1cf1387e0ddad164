"""Reference: which paper claims what?"""

import streamlit as st

from lora_viz.content.literature import TOPICS
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.reference.literature import folklore_html, literature_cards, papers_html, takeaway
from lora_viz.ui.choices import choose
from lora_viz.ui.contents import links
from lora_viz.ui.page import open_worked

NAMES = {
    "all": to_say("all"),
    "the method": to_say("the method"),
    "scaling and rates": to_say("scaling and rates"),
    "starts": to_say("starts"),
    "variants": to_say("variants"),
    "few numbers": to_say("few numbers"),
    "quantised": to_say("quantised"),
    "theory": to_say("theory"),
    "forgetting": to_say("forgetting"),
    "folklore": to_say("folklore"),
}

left, right = open_worked(
    say("Literature: who claims what, and when does it hold?"),
    say("Every claim has a condition; folklore has none. AdaLoRA is by Zhang et al., LoRA by Hu et al."),
)
with left:
    topic = str(choose(say("Topic"), ("all", *TOPICS, "folklore"), "variants", key="topic", names=NAMES))
record = literature_cards(topic, links())
with right:
    if record.papers:
        st.html(papers_html(record))
    if record.folklore:
        st.html(folklore_html(record))
    st.markdown(say("**What you saw.** {seen}", seen=takeaway(record)))
