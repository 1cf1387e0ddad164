"""Which pages are there, and in which order?"""

from pathlib import Path

import streamlit as st

_PAGES = Path(__file__).parents[2] / "pages"

st.set_page_config(page_title="LoRA Playground", layout="wide")
st.navigation(
    [
        st.Page(_PAGES / "machine.py", title="The machine", default=True),
        st.Page(_PAGES / "follow.py", title="Follow one vector"),
        st.Page(_PAGES / "mistake.py", title="Find the mistake"),
        st.Page(_PAGES / "bottleneck.py", title="Bottleneck"),
        st.Page(_PAGES / "rank.py", title="Rank"),
        st.Page(_PAGES / "gradient_flow.py", title="Gradient flow"),
        st.Page(_PAGES / "merge.py", title="Merge"),
        st.Page(_PAGES / "alpha.py", title="α"),
    ],
    position="top",
).run()
