"""What was computed already? Bounded caches keyed by the frozen sweep, and one training at a time."""

from __future__ import annotations

import threading

import streamlit as st

from lora_viz.budget import LayerTally
from lora_viz.counting import count_layer
from lora_viz.experiment import Sweep
from lora_viz.merging import merge_report
from lora_viz.run import GradientCheck, MergeReport, Run
from lora_viz.training import autograd_check, train

__all__ = ["cached_check", "cached_merge", "cached_tallies", "cached_train"]

_GATE = threading.BoundedSemaphore(1)  # on few cores trainings that share them all come late


@st.cache_data(max_entries=48, show_spinner=False)
def cached_train(sweep: Sweep, device: str = "cpu", records: int = 161) -> Run:
    """The run of this sweep, trained once for all visitors."""
    with _GATE:
        return train(sweep, device, records=records)


@st.cache_data(max_entries=48, show_spinner=False)
def cached_check(sweep: Sweep, device: str = "cpu", records: int = 161) -> GradientCheck:
    """Autograd beside the formula, for the first adapter of this sweep."""
    run = cached_train(sweep, device, records)
    with _GATE:
        return autograd_check(run)


@st.cache_data(max_entries=48, show_spinner=False)
def cached_merge(sweep: Sweep, device: str = "cpu", shown: str = "bfloat16") -> MergeReport:
    """The merge report of this sweep's first adapter."""
    run = cached_train(sweep, device, 2)
    with _GATE:
        return merge_report(run, shown=shown)


@st.cache_data(max_entries=24, show_spinner=False)
def cached_tallies(d_out: int, d_in: int, ranks: tuple[int, ...]) -> tuple[LayerTally, ...]:
    """What torch counts on a layer of these shapes at each rank, no number stored."""
    with _GATE:
        return tuple(count_layer(d_out, d_in, rank, device="meta") for rank in ranks)
