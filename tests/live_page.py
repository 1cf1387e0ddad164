"""A page that offers to adapt the encoder in a folder, as the page on the real transformer does with MiniLM."""

import hashlib
from pathlib import Path

import streamlit as st

from lora_viz.ui.live_words import offer_live
from tests.tiny_bert import LEXICON

folder = Path(st.query_params["folder"])
sha256 = st.query_params.get("sha256") or hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
offer_live(folder, LEXICON, sha256=sha256)
