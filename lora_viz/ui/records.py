"""What did a lesson measure already? Records kept for all visitors, and what goes into them trained in turns."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import streamlit as st

from lora_viz.core.experiment import Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.i18n.language import say
from lora_viz.ui.cache import _GATE

__all__ = ["cached_record", "cached_view"]

R = TypeVar("R")

_MOST, _PATIENCE = 64, 0.4
_records: OrderedDict[tuple[Any, ...], Any] = OrderedDict()  # immutable and small: the runs behind them are dropped


def cached_view(
    view: Callable[..., R], sweeps: tuple[Sweep, ...], device: str = "cpu", records: int = 161, **options: Any
) -> R:
    """The record that a view makes of some sweeps' runs, trained one after another.

    What takes longer than 0.4 s shows its progress. Other visitors' trainings come in between two sweeps; whoever
    changes a control or leaves stops after the sweep.
    """
    key = (view.__module__, view.__qualname__, sweeps, device, records, tuple(sorted(options.items())))
    return _kept(key, lambda: view(_trained(sweeps, device, records), **options))


def cached_record(make: Callable[..., R], *given: Any) -> R:
    """A record that needs no training."""

    def made() -> R:
        with _GATE:
            return make(*given)

    return _kept((make.__module__, make.__qualname__, given), made)


def _kept(key: tuple[Any, ...], make: Callable[[], R]) -> R:
    found = _records[key] if key in _records else make()
    _records[key] = found
    _records.move_to_end(key)
    while len(_records) > _MOST:
        _records.popitem(last=False)
    return found


def _trained(sweeps: tuple[Sweep, ...], device: str, records: int) -> Iterator[Run]:
    began, place = time.monotonic(), st.empty()
    for i, sweep in enumerate(sweeps):
        if time.monotonic() - began > _PATIENCE:
            place.progress(i / len(sweeps), say("{done} of {all} trainings are done", done=i, all=len(sweeps)))
        with _GATE:
            run = train(sweep, device, records=records)
        yield run
    place.empty()
