"""Real: what does an adapter cost on a real model?"""

import streamlit as st

from lora_viz.costs.budget import assumptions
from lora_viz.i18n.language import say
from lora_viz.lessons.real import memory_need, parameter_share
from lora_viz.ui.budgeting import ask_budget
from lora_viz.ui.page import open_worked
from lora_viz.ui.still import csv_button, json_button, show_figure

left, right = open_worked(
    say("Budget: what does an adapter cost on a real model?"),
    say(
        "128× fewer trained numbers (Llama-2-7B, attention, r = 16) are not 128× less memory: frozen weights and "
        "activations stay. Computed from published shapes, not measured."
    ),
)
with left:
    asked = ask_budget()
share, need = parameter_share.parameter_share(asked.budget), memory_need.memory_need(asked.budget)
with right:
    boxes, bars = st.columns(2, gap="small")
    with boxes:
        show_figure(
            lambda theme: parameter_share.plot_parameter_share(share, theme=theme),
            name="parameter_share",
            alt=parameter_share.takeaway(share),
        )
    with bars:
        show_figure(
            lambda theme: memory_need.plot_memory_need(need, theme=theme),
            name="memory_need",
            alt=memory_need.takeaway(need),
        )
    st.markdown(say("**What you saw.** {seen}", seen=f"{parameter_share.takeaway(share)} {memory_need.takeaway(need)}"))

st.header(say("To take away"), anchor=False)
script, beside = st.columns(2, gap="medium")
with script:
    st.caption(say("For PEFT, in Python"))
    st.code(asked.config.as_python(), language="python")
with beside:
    st.caption(
        say("adapter_config.json; the adapter's file will hold {size:,.1f} MB in bf16", size=asked.budget.file / 1e6)
    )
    st.code(asked.config.as_json(), language="json")
with st.container(horizontal=True):
    csv_button(say("Parameters as CSV"), parameter_share.table(share), name="parameters")
    json_button(say("Parameters as JSON"), parameter_share.table(share), name="parameters")
    csv_button(say("Memory as CSV"), memory_need.table(need), name="memory")
    json_button(say("Memory as JSON"), memory_need.table(need), name="memory")
st.header(say("What is assumed"), anchor=False)
st.markdown("\n".join(f"- {line}" for line in (*assumptions(), *map(say, asked.budget.shape.notes))))
