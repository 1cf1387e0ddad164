"""What was computed already? Bounded caches keyed by the frozen sweep, and one training at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import streamlit as st

from lora_viz.experiment import Sweep
from lora_viz.merging import merge_report
from lora_viz.run import GradientCheck, MergeReport, Run
from lora_viz.training import autograd_check, train

__all__ = ["cached_check", "cached_merge", "cached_record", "cached_train", "cached_view"]

R = TypeVar("R")

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


def cached_view(
    view: Callable[..., R], sweeps: tuple[Sweep, ...], device: str = "cpu", records: int = 161, **options: Any
) -> R:
    """The record that a view makes of some sweeps' runs: trained one after another, and only the record kept."""
    name = f"{view.__module__}.{view.__qualname__}"
    return _view_of(view, name, sweeps, device, records, tuple(sorted(options.items())))


@st.cache_data(max_entries=48, show_spinner=False)
def _view_of(
    _view: Callable[..., Any], name: str, sweeps: tuple[Sweep, ...], device: str, records: int, options: tuple[Any, ...]
) -> Any:
    with _GATE:
        return _view((train(sweep, device, records=records) for sweep in sweeps), **dict(options))


def cached_record(make: Callable[..., R], *given: Any) -> R:
    """A record that needs no training, computed once for all visitors."""
    return _record_of(make, f"{make.__module__}.{make.__qualname__}", given)


@st.cache_data(max_entries=48, show_spinner=False)
def _record_of(_make: Callable[..., Any], name: str, given: tuple[Any, ...]) -> Any:
    with _GATE:
        return _make(*given)
