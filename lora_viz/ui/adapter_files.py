"""Which file does the visitor mean? One of the app's own, an uploaded one, or one in the folder that the server shows.

An uploaded file stays in the server's memory until its page is closed or another takes its place; nothing is written to
disk, and nothing is sent anywhere. A file that cannot be read is answered in one sentence, and the last good one stays.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lora_viz.adapters.compare import Comparison, compare
from lora_viz.adapters.extract import Changes, changes
from lora_viz.adapters.opening import Opened, map_file, open_adapter, open_weights
from lora_viz.adapters.report import Report, inspect_adapter, noise_floor
from lora_viz.adapters.stored import AdapterError, Weights
from lora_viz.i18n.language import language, say

__all__ = [
    "SHIPPED",
    "Loaded",
    "LoadedChanges",
    "Source",
    "ask_source",
    "comparing",
    "folder",
    "load_adapter",
    "load_changes",
    "shipped_adapter",
    "shipped_weights",
    "shipped_words",
]

DATA = Path(__file__).parents[1] / "networks" / "data"
SHIPPED = {
    "MiniLM-seed-0": "minilm_words_0",
    "MiniLM-seed-1": "minilm_words_1",
}
_NOISE_MOST = 4_000_000  # parameters up to which every module's rounding noise is measured
_GATE = threading.BoundedSemaphore(2)  # more readers at once would only wait for each other's memory
T = TypeVar("T")


class Source(NamedTuple):
    """What was pointed at: ``key`` is new when it is another file, ``read`` fetches its name, bytes and config."""

    key: tuple[Any, ...]
    read: Callable[[], tuple[str, bytes | memoryview, bytes | None]]


class Loaded(NamedTuple):
    """An adapter, opened and measured; ``noise`` is each module's rounding noise, NaN where not measured."""

    key: tuple[Any, ...]
    opened: Opened
    report: Report
    noise: tuple[float, ...]


def folder() -> Path | None:
    """The folder whose files a visitor may name, if whoever started the server named one."""
    named = os.environ.get("LORA_PLAYGROUND_FILES")
    return Path(named) if named else None


def shipped_adapter(name: str) -> Source:
    """One of the app's own adapters."""
    place = DATA / SHIPPED[name]

    def read() -> tuple[str, bytes, bytes]:
        return (
            name,
            (place / "adapter_model.safetensors").read_bytes(),
            (place / "adapter_config.json").read_bytes(),
        )

    return Source(("shipped", name), read)


def shipped_words(name: str) -> str:
    """What one of the app's own adapters is, and how it did when it was trained."""
    found = json.loads((DATA / "adapters_measured.json").read_text(encoding="utf-8"))["minilm"]
    accuracy = next(row["test_accuracy"] for row in found if SHIPPED[name].endswith(str(row["seed"])))
    return say(
        "{name}: trained by this project. MiniLM's 36 linear layers learnt liked from disliked words, "
        "{accuracy:.1f} % of 1,200 unseen words right. Stored in bfloat16.",
        name=name,
        accuracy=100 * accuracy,
    )


def ask_source(label: str, key: str, *, help: str) -> Source | None:
    """Draw the place for an upload and, where the server shows a folder, for a path; None while nothing is given."""
    files = st.file_uploader(label, accept_multiple_files=True, key=key, help=help)
    source = None
    weights = [f for f in files if not f.name.endswith(".json")]
    configs = [f for f in files if f.name.endswith(".json")]
    if weights:
        chosen, config = weights[-1], configs[-1] if configs else None
        if len(weights) > 1:
            st.warning(
                say("{count} weight files were given: shown is {name}.", count=len(weights), name=chosen.name),
                icon=":material/warning:",
            )
        source = Source(
            ("upload", chosen.file_id, config.file_id if config else None),
            lambda: (chosen.name, chosen.getvalue(), config.getvalue() if config else None),
        )
    elif configs:
        st.warning(
            say("adapter_config.json alone has no weights: give the adapter's file too."), icon=":material/warning:"
        )
    where = folder()
    if where is not None:
        path = st.text_input(
            say("or a file under {folder}", folder=where), key=f"{key}_path", placeholder="adapter_model.safetensors"
        )
        if path and source is None:
            source = Source(("path", path), lambda: _from_folder(path, where))
    return source


def _from_folder(path: str, where: Path) -> tuple[str, memoryview, bytes | None]:
    data = map_file(path, where)
    beside = Path(path).parent / "adapter_config.json"
    try:
        config: bytes | None = bytes(map_file(str(beside), where)[:2_000_000])
    except AdapterError:
        config = None
    return Path(path).name, data, config


def _load(slot: str, source: Source, default: Source, read: Callable[[Source], T]) -> T:
    """What ``read`` makes of the source, kept until another comes. A bad one is said, the last good one stays."""
    kept: dict[str, tuple[tuple[Any, ...], Any]] = st.session_state.setdefault("files_read", {})
    key = (language(), source.key)  # what a report says is in the language it was made in
    if slot in kept and kept[slot][0] == key:
        return kept[slot][1]
    try:
        with _GATE:
            kept[slot] = (key, read(source))
    except AdapterError as error:
        if slot not in kept or _ours(kept[slot][0][1]):
            if slot not in kept or kept[slot][0] != (language(), default.key):
                kept[slot] = ((language(), default.key), read(default))
            told = say("{error} Shown is an example of ours.", error=error)
        else:
            told = say("{error} Shown is the file before it.", error=error)
        st.error(told, icon=":material/error:")
    return kept[slot][1]


def _ours(key: tuple[Any, ...]) -> bool:
    """Is this one of the app's own files, or a pair of them?"""
    return key[0] == "shipped" or (isinstance(key[0], tuple) and _ours(key[0]))


def load_adapter(slot: str, source: Source, default: Source, alpha: float | None) -> Loaded:
    """An adapter, measured module by module under a progress bar where that takes long."""

    def read(wanted: Source) -> Loaded:
        name, data, config = wanted.read()
        bar = st.progress(0.0, say("Reading {name}", name=name[:60])) if len(data) > 20_000_000 else None
        told = [0.0]

        def progress(share: float) -> None:
            if bar is not None and share - told[0] > 0.05:
                told[0] = share
                bar.progress(share)

        opened = open_adapter(name, data, config)
        report = inspect_adapter(opened, alpha=alpha, progress=progress)
        small = sum(m.parameters for m in report.modules) <= _NOISE_MOST
        noise = tuple(
            noise_floor(opened.weights, m) if small and not m.not_finite and " (part" not in m.path else float("nan")
            for m in report.modules
        )
        if bar is not None:
            bar.empty()
        return Loaded(wanted.key, opened, report, noise)

    return _load(slot, Source((*source.key, alpha), source.read), Source((*default.key, alpha), default.read), read)


def _show(bar: DeltaGenerator, share: float) -> None:
    bar.progress(share)


class LoadedChanges(NamedTuple):
    """Two weight files, opened, and what changed between them."""

    base: Weights
    tuned: Weights
    changes: Changes


def shipped_weights(name: str) -> Source:
    """One of the two states of the digits network."""
    path = DATA / "digits" / f"{name}.safetensors"
    return Source(("shipped", name), lambda: (f"digits, {name}", path.read_bytes(), None))


def load_changes(base: Source | None, tuned: Source | None, default: tuple[Source, Source]) -> LoadedChanges:
    """The matrices that changed between two files; until both are given, the app's own two."""
    if (base is None) != (tuned is None):
        st.info(say("One file is there: give the other one too."))

    def both(pair: tuple[Source, Source]) -> Source:
        return Source((pair[0].key, pair[1].key), lambda: ("", b"", None))

    pair = default if base is None or tuned is None else (base, tuned)

    def read(wanted: Source) -> LoadedChanges:
        (name, data, _), (name2, data2, _) = (s.read() for s in (pair if wanted.key == both(pair).key else default))
        bar = st.progress(0.0, say("Comparing the weights")) if len(data) > 5_000_000 else None
        one, two = open_weights(name, data), open_weights(name2, data2)
        found = changes((name, name2), one, two, progress=lambda share: None if bar is None else _show(bar, share))
        if bar is not None:
            bar.empty()
        return LoadedChanges(one, two, found)

    return _load("extract", both(pair), both(default), read)


def comparing(one: Loaded, other: Loaded) -> Comparison:
    """Two adapters, compared once; the page ends in a sentence where the two do not fit together."""
    kept: dict[str, Any] = st.session_state.setdefault("files_read", {})
    key = (one.key, other.key)
    try:
        if kept.get("compared", (None,))[0] != key:
            with _GATE, st.spinner(say("Comparing the modules")):
                kept["compared"] = key, compare((one.opened, one.report), (other.opened, other.report))
        return kept["compared"][1]
    except AdapterError as error:
        st.error(str(error), icon=":material/error:")
        st.stop()
