"""LoRA Playground: one page a lesson."""

import os

# Before NumPy is loaded: at these sizes a second thread costs more than it brings, and far more in company.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import streamlit as st

st.set_page_config(page_title="LoRA Playground", layout="wide")
st.navigation(
    [
        st.Page("pages/machine.py", title="The machine", default=True),
        st.Page("pages/bottleneck.py", title="Bottleneck"),
        st.Page("pages/rank.py", title="Rank"),
        st.Page("pages/gradient_flow.py", title="Gradient flow"),
        st.Page("pages/merge.py", title="Merge"),
    ],
    position="top",
).run()
