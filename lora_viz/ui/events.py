"""What happens on the server: each event is told once, to whoever counts (``metrics``) or writes it down (``LOG``).

An event is a name of ``EVENTS`` with the facts that stand there and no others: numbers, and names that are ours. No
address, no name of a file, no word of a visitor is among them, so that what is written down is nobody's data.

Raises OSError at the start: the file that ``LOG`` names cannot be written.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

from lora_viz.core import host
from lora_viz.core.counts import Took
from lora_viz.lessons.lab import RESULTS

__all__ = ["EVENTS", "LOG", "begin", "end", "listen", "of_script_error", "tell", "timed_page"]

LOG = "LORA_PLAYGROUND_LOG"  # the file that events are added to, a line of JSON each; "-" is standard error
EVENTS: dict[str, tuple[str, ...]] = {
    "start": ("cores", "python"),
    "stop": (),
    "session": ("does", "open"),
    "page": ("page", "seconds", "cpu_seconds"),
    "computation": ("what", "end", "waited", "seconds", "cpu_seconds", "inside"),
    "answer": ("kind", "status", "seconds"),
    "error": ("kind", "place"),
    "readiness": ("ready", "seconds"),
}
Fact = str | int | float | bool
Listener = Callable[[str, Mapping[str, Fact]], None]
_OURS = Path(__file__).parents[2]
_listeners: list[Listener] = []
_files: list[logging.Handler] = []


def listen(listener: Listener) -> None:
    """From now on this is called with each event, in whichever thread it happens; it must be quick and not raise."""
    if listener not in _listeners:
        _listeners.append(listener)


def tell(event: str, **facts: Fact) -> None:
    """This has happened."""
    for each in _listeners:
        each(event, facts)


def begin() -> None:
    """Write events down from now on, if the environment names a file; let computations be told."""
    given = os.environ.get(LOG, "").strip()
    if given:
        listen(_writer(given))
    RESULTS.heard = _of_computation
    tell("start", cores=host.cores(), python=sys.version.split()[0])


def end() -> None:
    """Tell that the server stops, and close what events were written to."""
    tell("stop")
    _listeners.clear()
    while _files:
        _files.pop().close()


@contextmanager
def timed_page(page: str) -> Iterator[None]:
    """Tell how long this run of a page's script took, however it ends."""
    began, cpu = time.monotonic(), time.thread_time()
    try:
        yield
    finally:
        tell("page", page=page, seconds=time.monotonic() - began, cpu_seconds=time.thread_time() - cpu)


def of_script_error(error: Exception) -> None:
    """Tell of an error that nothing caught: its type, and the last line of ours that it came through; not its words."""
    ours = [each for each in traceback.extract_tb(error.__traceback__) if Path(each.filename).is_relative_to(_OURS)]
    place = f"{Path(ours[-1].filename).relative_to(_OURS)}:{ours[-1].lineno}" if ours else "elsewhere"
    tell("error", kind=type(error).__name__, place=place)


def _of_computation(took: Took) -> None:
    tell(
        "computation", what=_named(took.key), end=took.end, waited=took.waited, seconds=took.ran, cpu_seconds=took.cpu,
        inside=took.inside,
    )  # fmt: skip


def _named(key: Any) -> str:
    """What a key of the lab computes: names of our code alone, of ``("record", module, function, …)`` and the like."""
    words = [each for each in key[:3] if isinstance(each, str)] if isinstance(key, tuple) else []
    words = words[1:] if words[:1] == ["record"] else words
    if words[:1] == ["run"]:
        return "training"
    return ".".join(words[:2]).removeprefix("lora_viz.") if words[:1] and words[0].startswith("lora_viz.") else "other"


def _writer(where: str) -> Listener:
    """Adds lines to this file, opened anew where it was moved away; raises OSError where it cannot be opened."""
    handler = logging.StreamHandler(sys.stderr) if where == "-" else WatchedFileHandler(where, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(message)s"))
    _files.append(handler)

    def write(event: str, facts: Mapping[str, Fact]) -> None:
        if event == "answer" and int(facts["status"]) < 400:  # a first visit has sixty
            return
        now = time.time()
        told: dict[str, Fact] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{now % 1:.3f}"[2:] + "Z"
        }
        told |= {"event": event}
        told |= {name: round(value, 4) if isinstance(value, float) else value for name, value in facts.items()}
        handler.handle(logging.makeLogRecord({"msg": json.dumps(told, ensure_ascii=False)}))

    return write
