"""LoRA Playground: what `streamlit run app.py` serves.

A launcher beside the script that it launches: a script with a folder `pages` next to it would be taken for an app of
the older kind by whoever opens a deep link first.
"""

import os

# Before NumPy is loaded: at these sizes a second thread costs more than it brings, and far more in company.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import importlib
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware


def _load() -> None:
    importlib.import_module("lora_viz.layer.merging")
    importlib.import_module("lora_viz.costs.counting").count_layer(2, 2, 1)  # torch's counter takes a second to wake up
    gc.collect()
    gc.freeze()  # what was imported stays: a full collection need not walk through it while somebody waits


@asynccontextmanager
async def _warm(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Load torch while nobody waits: the first visitor would sit through it."""
    threading.Thread(target=_load, daemon=True).start()
    yield {}


# Compressed, the first page is a third of the size: the room's Wi-Fi is bad and everybody opens it at once.
app = st.App("lora_viz/ui/navigation.py", lifespan=_warm, middleware=[Middleware(GZipMiddleware, minimum_size=2000)])
