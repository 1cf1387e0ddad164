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
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click
import streamlit as st

import lora_viz
from lora_viz.ui import events, metrics
from lora_viz.ui.addresses import announced
from lora_viz.ui.limits import fit_to_host
from lora_viz.ui.served import stop_polling
from lora_viz.ui.server import MIDDLEWARE, routes


@asynccontextmanager
async def _loaded(_: st.App) -> AsyncIterator[dict[str, Any]]:
    """Load every lesson, torch with them, before anybody is served: the first visitor would sit through it.

    What is loaded by then is left out of later collections, which would walk through it while somebody waits.
    """
    fit_to_host()
    stop_polling()
    metrics.begin()
    events.begin()
    importlib.import_module("lora_viz.lessons.walk").lessons()
    importlib.import_module("lora_viz.costs.counting").count_layer(2, 2, 1)  # torch's counter takes a second to wake up
    importlib.import_module("lora_viz.ui.page")
    gc.collect()
    gc.freeze()
    click.echo(f"  {announced()}\n")
    yield {}
    events.end()


SCRIPT = Path(lora_viz.__file__).parent / "ui" / "navigation.py"
app = st.App(SCRIPT, lifespan=_loaded, routes=routes(), middleware=MIDDLEWARE, on_script_error=events.of_script_error)
