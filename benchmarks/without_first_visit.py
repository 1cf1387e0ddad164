"""The app as it would be served without `lora_viz.ui.first_visit`: the other side of bench_first_visit.py."""

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware

from app import _loaded
from tests.browser import ROOT

app = st.App(
    str(ROOT / "lora_viz" / "ui" / "navigation.py"),
    lifespan=_loaded,
    middleware=[Middleware(GZipMiddleware, minimum_size=2000)],
)
