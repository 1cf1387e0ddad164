"""A film: panels over one playhead, checked when it is made, packed once for the browser.

Packed it is a header of JSON and the arrays behind it. What is written here is the protocol (``film/protocol.py``): a
film that breaks it is not made, and the browser shows none.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from lora_viz.film.panels import (
    Bars,
    Cloud,
    Curves,
    Field,
    Frames,
    HeatMap,
    Id,
    Lines,
    Machine,
    Panel,
    Passages,
    Pictures,
    Readout,
    found_by_id,
)
from lora_viz.film.protocol import VERSION, FilmError, Protocol, check, describe
from lora_viz.film.size import check_size
from lora_viz.i18n.language import say

__all__ = ["Film", "FilmError", "Packed", "protocol"]


class Packed(NamedTuple):
    """A film as it is sent: its description as JSON, its arrays, and a fingerprint of both."""

    film: bytes
    body: bytes
    run: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False, weakref_slot=True)
class Film:
    """All that moves on a page: ``axis`` names what the playhead runs over, ``values`` where frame t lies on it.

    ``phases`` are the captions of slow motion, for each frame one a phase of its step. ``autoplay`` begins by itself
    when the page is opened, unless motion is to be reduced. Where the frames follow a ``training``, what lies ahead is
    drawn faint and the first frames stay longer. ``of_last`` says the playhead's place with the last: "3 of 64".
    ``hero`` is the panel that stands large, ``beside`` names those that come first in the room beside it.

    Raises FilmError, a ValueError that names the panel: sizes that do not agree, unknown colours, ids that are not
    plain or not unique, rows of the grid that are not 12 wide, values without order.
    """

    axis: str
    values: Frames
    panels: tuple[Panel, ...]
    start: int
    seconds_per_frame: float = 1 / 40
    narration: Annotated[tuple[str, ...], "0 | T"] = ()
    phases: Annotated[tuple[Annotated[tuple[str, ...], "8"], ...], "0 | T"] = ()
    autoplay: bool = False
    training: bool = False
    of_last: bool = False
    hero: Id | None = None
    beside: tuple[Id, ...] = ()

    def __post_init__(self) -> None:
        check(self, protocol())
        for fault in _faults(self):
            raise FilmError(f"the film cannot be shown: {fault}")

    def panel(self, id: str) -> Panel:
        """The panel with this id; LookupError names those there are."""
        found: Panel = found_by_id(id, self.panels, "the film")
        return found

    def _repr_html_(self) -> str:
        """The film where a notebook shows it."""
        from lora_viz.film.inline import inline  # not before a notebook asks
        from lora_viz.film.player import COLOURS, words
        from lora_viz.film.standalone import Leaf

        shown = self.to_bytes(colours=COLOURS, words=words(), shares=False)
        return inline(Leaf(self.panels[0].title if self.panels else say(self.axis), "", shown))

    def to_bytes(self, **beside: Any) -> bytes:
        """A header of JSON, its length in front, then all arrays as little-endian float32.

        The header holds the film, ``beside`` it what else the browser must know, and a fingerprint of the film.
        Raises FilmTooLarge.
        """
        film, body, run = self.packed()
        # The axis is a word to the visitor and a name to the player.
        rest = _json({"run": run, "axis": say(self.axis), **beside})
        header = b'{"protocol":%d,"film":%b,%b' % (VERSION, film, rest[1:])
        header += b" " * (-(len(header) + 4) % 4)
        return len(header).to_bytes(4, "little") + header + body

    def packed(self) -> Packed:
        """What is the same for everybody who sees this film, made once. Raises FilmTooLarge."""
        found = _PACKED.get(self)
        if found is None:
            check_size(self)
            arrays: list[np.ndarray] = []
            film = _json(_describe(self, arrays))
            body = b"".join(a.tobytes() for a in arrays)
            found = _PACKED[self] = Packed(film, body, f"{zlib.crc32(body, zlib.crc32(film)):08x}")
        return found


_PACKED: WeakKeyDictionary[Film, Packed] = WeakKeyDictionary()


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _describe(value: Any, arrays: list[np.ndarray]) -> Any:
    if isinstance(value, np.ndarray):
        offset = sum(a.size for a in arrays)
        with np.errstate(over="ignore"):  # what a diverging run makes too large for float32 arrives as infinite
            arrays.append(np.ascontiguousarray(value, dtype="<f4"))
        return {"array": [offset, *value.shape]}
    if is_dataclass(value):
        return {field.name: _describe(getattr(value, field.name), arrays) for field in fields(value)}
    if isinstance(value, tuple):
        return [_describe(item, arrays) for item in value]
    return value


@cache
def protocol() -> Protocol:
    """What the header of a film holds, described once by its dataclasses and those of its panels."""
    return describe(Film)


def _faults(film: Film) -> Iterator[str]:
    """What sizes and types do not say, first things first."""
    if not (np.isfinite(film.values).all() and (np.diff(film.values) > 0).all()):
        yield "its values do not grow from frame to frame"
    if not 0 <= film.start < len(film.values):
        yield f"it starts at frame {film.start} of {len(film.values)}"
    if film.seconds_per_frame <= 0:
        yield f"a frame lasts {film.seconds_per_frame} seconds"
    yield from _taken_twice(film.panels, "the film")
    drawn = [panel.id for panel in film.panels if not isinstance(panel, Readout)]
    if film.hero and film.hero not in drawn:
        yield f"its hero {film.hero!r} is none of the panels that are drawn: {', '.join(drawn)}"
    for id in set(film.beside) - {panel.id for panel in film.panels}:
        yield f"beside its hero, {id!r} is none of the panels"
    machines = [panel for panel in film.panels if isinstance(panel, Machine)]
    if len(machines) > 1 or (film.phases and not machines):
        yield "slow motion is one machine's, whose steps have eight phases"
    for panel in film.panels:
        named = f"panel {panel.id!r}"
        yield from _taken_twice(panel.parts(), named)
        for fault in _panel_faults(panel):
            yield f"{named}: {fault}"
    covered = Counter[int]()
    for panel in film.panels:
        for row in range(panel.row, panel.row + getattr(panel, "tall", 1)):
            covered[row] += panel.span
    for row in range(1 + max(covered, default=0)):
        if covered[row] != 12:
            titles = ", ".join(repr(p.title) for p in film.panels if p.row <= row < p.row + getattr(p, "tall", 1))
            yield f"row {row} of the grid, with {titles}, is {covered[row]} wide, not 12"


def _taken_twice(items: tuple[Any, ...], where: str) -> Iterator[str]:
    for id, times in Counter(item.id for item in items).items():
        if times > 1:
            yield f"{where}: more than one has the id {id!r}"


def _panel_faults(panel: Panel) -> Iterator[str]:
    if not panel.title:
        yield "it has no title"
    match panel:
        case Lines() | Curves():
            if not panel.series:
                yield "it has no curves"
            for series in panel.series:
                if (series.low is None) != (series.high is None):
                    yield f"{series.name}: a band has a lower and an upper end"
            if isinstance(panel, Curves) and not (np.diff(panel.x) > 0).all():
                yield "its x does not grow"
            if isinstance(panel, Curves) and not (panel.x_label and panel.y_label):
                yield "an axis has no name"
        case Field():
            m, n = panel.values.shape[-2:]
            if panel.chosen is not None and not (0 <= panel.chosen[0] < m and 0 <= panel.chosen[1] < n):
                yield f"the chosen cell {panel.chosen} is not among {m}×{n}"
            if panel.regions is not None and not set(np.unique(panel.regions)) <= set(range(len(panel.region_names))):
                yield "a region has no name"
            if not (panel.x_title and panel.y_title):
                yield "an axis has no name"
        case HeatMap() if not (np.asarray(panel.limit) >= 0).all():
            yield "a limit is negative"
        case Bars() if not panel.groups:
            yield "it has no bars"
        case Cloud():
            if panel.dimension not in (1, 2, 3):
                yield f"{panel.dimension} dimensions cannot be drawn"
            if panel.limit <= 0:
                yield "its limit is not positive"
            for span in panel.spans:
                if span.basis.shape[-2] > 3:
                    yield f"{span.name}: more than three vectors"
        case Machine():
            if not all(np.isfinite(each).all() for each in (panel.W, panel.A, panel.B, panel.x, panel.target)):
                yield "a number in it is not finite"
            if not all(limit > 0 for limit in panel.limits):
                yield "a limit is not positive"
            if not (all(panel.names) and panel.symbol):
                yield "a matrix has no name"
        case Pictures():
            if not panel.rows:
                yield "nobody says what the pictures show"
            if panel.images.min() < 0 or panel.images.max() > 1:
                yield "its greys are not from 0 to 1"
        case Readout() | Passages() if not panel.rows:
            yield "it has no rows"
