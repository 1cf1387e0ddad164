"""What was computed already? Bounded caches keyed by the frozen sweep, and one training at a time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import streamlit as st

from lora_viz.content.challenges import Condition, check
from lora_viz.content.quiz import Answered, answer
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Allocation, FirstUpdates, GradientCheck, MergeReport, Run, StartSizes
from lora_viz.engine.allocation import allocate
from lora_viz.engine.training import autograd_check, train
from lora_viz.i18n.language import language, say, speak
from lora_viz.layer.first_step import first_updates
from lora_viz.layer.merging import merge_report
from lora_viz.layer.reconstruction import reconstruction_task
from lora_viz.layer.start_sizes import start_sizes
from lora_viz.lessons.variants.phase_map import plane
from lora_viz.lessons.variants.quantised import QuantisedBase, quantised_base

__all__ = [
    "MAP_RECORDS",
    "cached_allocation",
    "cached_answer",
    "cached_autoencoder",
    "cached_check",
    "cached_conditions",
    "cached_first_updates",
    "cached_merge",
    "cached_quantised",
    "cached_start_sizes",
    "cached_train",
    "trained_plane",
]

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


@st.cache_data(max_entries=16, show_spinner=False)
def cached_autoencoder(sweep: Sweep, device: str = "cpu", offset: float = 0.0, records: int = 121) -> Run:
    """The same engine with samples that are their own labels, off centre by ``offset``."""
    with _GATE:
        return train(sweep, device, records=records, task=reconstruction_task(sweep[0], offset))


@st.cache_data(max_entries=24, show_spinner=False)
def cached_allocation(e: Experiment, budget: int) -> Allocation:
    """Eight sets of four layers under this budget."""
    with _GATE:
        return allocate(e, budget)


def cached_conditions(key: str, e: Experiment) -> tuple[Condition, ...]:
    """Which conditions of the challenge does this experiment meet?"""
    return _conditions_in(language(), key, e)


@st.cache_data(max_entries=128, show_spinner=False)
def _conditions_in(code: str, key: str, e: Experiment) -> tuple[Condition, ...]:
    with _GATE, speak(code):
        return check(key, e)


def cached_answer(key: str, seed: int) -> Answered:
    """What the core says to this question of the quiz."""
    return _answer_in(language(), key, seed)


@st.cache_data(max_entries=64, show_spinner=False)
def _answer_in(code: str, key: str, seed: int) -> Answered:
    with _GATE, speak(code):
        return answer(key, seed)


@st.cache_data(max_entries=24, show_spinner=False)
def cached_quantised(e: Experiment, shown: str) -> QuantisedBase:
    """Eight weights of each kind in 4 bits."""
    with _GATE:
        return quantised_base(e, shown=shown)


@st.cache_data(max_entries=48, show_spinner=False)
def cached_first_updates(e: Experiment, ranks: tuple[int, ...], inits: tuple[str, ...]) -> FirstUpdates:
    """The first updates of this experiment at many ranks, from many starts."""
    with _GATE:
        return first_updates(e, ranks=ranks, inits=inits)


@st.cache_data(max_entries=48, show_spinner=False)
def cached_start_sizes(e: Experiment, ranks: tuple[int, ...], inits: tuple[str, ...], sigma: float) -> StartSizes:
    """The sizes of these starts at many ranks."""
    with _GATE:
        return start_sizes(e, ranks=ranks, inits=inits, sigma=sigma)


_BANDS = 6
MAP_RECORDS = 25
_drawn: OrderedDict[tuple[Experiment, str, int, str], None] = OrderedDict()  # planes that were finished lately


@st.cache_data(max_entries=72, show_spinner=False)
def _cached_band(e: Experiment, kind: str, side: int, band: int, count: int, device: str) -> Run:
    with _GATE:
        return train(plane(e, kind, side, band=band, count=count), device, records=MAP_RECORDS, factors=False)


def trained_plane(
    e: Experiment, kind: str, side: int, device: str, coarse: Callable[[tuple[Run, ...]], None]
) -> tuple[Run, ...]:
    """Every adapter of a plane, in bands. A plane that is new is shown coarse first, and refined under a progress bar.

    A GPU needs no bands: thousands of adapters take it less time than a redraw. Without factors, with losses and norms.
    Other visitors' trainings come in between two bands; whoever changes a control or leaves stops after the band.
    """
    if device != "cpu":
        return (_cached_band(e, kind, side, 0, 1, device),)
    key = (e, kind, side, device)
    if key not in _drawn:
        coarse((_cached_band(e, kind, side // 3, 0, 1, device),))
        bar = st.progress(0.0)
        for band in range(_BANDS):
            bar.progress(
                band / _BANDS, say("Refining: {done} of {all} bands of the map are trained", done=band, all=_BANDS)
            )
            _cached_band(e, kind, side, band, _BANDS, device)
        _drawn[key] = None
        while len(_drawn) > 10:
            _drawn.popitem(last=False)
        st.session_state["notices_again"] = st.session_state.get("notices", ())
        st.rerun()
    return tuple(_cached_band(e, kind, side, band, _BANDS, device) for band in range(_BANDS))
