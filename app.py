"""LoRA Playground: one page a lesson."""

import streamlit as st

st.set_page_config(page_title="LoRA Playground", page_icon="🧭", layout="wide")
st.navigation(
    [
        st.Page("pages/bottleneck.py", title="Bottleneck", icon="⌛", default=True),
        st.Page("pages/rank.py", title="Rank", icon="📐"),
        st.Page("pages/gradient_flow.py", title="Gradient flow", icon="🌊"),
        st.Page("pages/merge.py", title="Merge", icon="🔗"),
    ],
    position="top",
).run()
