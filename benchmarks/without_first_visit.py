"""The app as it would be served without `lora_viz.ui.first_visit`: the other side of bench_first_visit.py."""

import streamlit as st

from app import _loaded
from lora_viz.ui.first_visit import FirstVisit
from lora_viz.ui.server import MIDDLEWARE, routes
from tests.browser import ROOT

app = st.App(
    str(ROOT / "lora_viz" / "ui" / "navigation.py"),
    lifespan=_loaded,
    routes=routes(),
    middleware=[each for each in MIDDLEWARE if each.cls is not FirstVisit],
)
