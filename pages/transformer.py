"""Reference: where in a transformer do A and B sit?"""

import streamlit as st

from lora_viz.film.notation import STYLE
from lora_viz.i18n.language import say
from lora_viz.lessons.reference.transformer import (
    block_html,
    table,
    takeaway,
    targets_html,
    transformer_block,
    tree_html,
)
from lora_viz.ui.budgeting import RANKS, ask_shape, ask_targets
from lora_viz.ui.choices import choose
from lora_viz.ui.page import open_worked
from lora_viz.ui.still import csv_button, json_button, shown_theme

left, right = open_worked(
    say("Transformer: where do A and B sit?"),
    say(
        "Beside any linear layer you name; PEFT's own choice is query and value. While training they are modules of "
        "their own, merged they are gone."
    ),
)
with left:
    shape = ask_shape("Llama-3.1-8B", blocks_only=True)
    targets = ask_targets(shape)
    rank = int(choose(say("Rank r"), RANKS, 8, key="rank"))
record = transformer_block(shape, targets, rank)
with right:
    st.html(block_html(record, theme=shown_theme()))
    st.markdown(say("**What you saw.** {seen}", seen=takeaway(record)))
    if record.outside:
        st.caption(say("Outside the blocks: {outside}.", outside=", ".join(record.outside)))
    with st.container(horizontal=True):
        csv_button(say("Modules as CSV"), table(record), name="modules")
        json_button(say("Modules as JSON"), table(record), name="modules")

st.header(say("What PEFT builds"), anchor=False)
st.markdown(
    say(
        "A network of two linear layers, both adapted. “LoRA adds no new layers” is true after merging only: while it "
        "trains, each adapted layer is a wrapper that holds the old one, A and B. Counted in PEFT 0.21, without the "
        "two wrappers around the network."
    )
)
st.html(STYLE + tree_html(record))
st.header(say("PEFT's own choice of modules"), anchor=False)
st.html(targets_html(record))
