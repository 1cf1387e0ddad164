"""What did torch count already? A bounded cache by shapes and ranks."""

from __future__ import annotations

import streamlit as st

from lora_viz.costs.budget import LayerTally
from lora_viz.costs.counting import count_layer

__all__ = ["cached_tallies"]


@st.cache_data(max_entries=24, show_spinner=False)
def cached_tallies(d_out: int, d_in: int, ranks: tuple[int, ...]) -> tuple[LayerTally, ...]:
    """What torch counts on a layer of these shapes at each rank, no number stored."""
    return tuple(count_layer(d_out, d_in, rank, device="meta") for rank in ranks)
