"""Moving pictures as data: panels over one playhead, packed once for the browser, a header and the arrays behind it.

A film is a record's pictures as data. Every panel shares the film's axis (steps, ranks, sizes): frame t of each shows
the same moment. Arrays are (T, …) where they move and keep their own shape where they stand still. What is written here
is the protocol (``film/protocol.py``): a film that breaks it is not made, and the browser shows none.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from jaxtyping import Float

from lora_viz.film.protocol import VERSION, FilmError, Protocol, check, describe
from lora_viz.i18n.language import say

__all__ = [
    "Answers",
    "Band",
    "Bars",
    "Cloud",
    "Curve",
    "Curves",
    "Dash",
    "Field",
    "Film",
    "FilmError",
    "Group",
    "HeatMap",
    "Lines",
    "Machine",
    "Mark",
    "Panel",
    "Part",
    "Pictures",
    "Points",
    "Readout",
    "Row",
    "Series",
    "Span",
    "band",
    "protocol",
]

# One number a frame; and what either stands still or moves: k numbers, a matrix, points or vectors in d dimensions.
Frames = Float[np.ndarray, "T"]
Numbers = Float[np.ndarray, "k"] | Float[np.ndarray, "T k"]
Matrix = Float[np.ndarray, "m n"] | Float[np.ndarray, "T m n"]
Places = Float[np.ndarray, "_ d"] | Float[np.ndarray, "T _ d"]
Texts = Annotated[tuple[str, ...], "1 | T"]
Caption = Annotated[tuple[str, ...], "0 | 1 | T"]
Colour = Annotated[str, "colour"]
Id = Annotated[str, "id"]
Dash = Literal["solid", "dash", "dot", "dashdot"]
Scale = Literal["linear", "log"]
AxisScale = Literal["linear", "log", "sqrt"]


@dataclass(frozen=True, slots=True, eq=False)
class _WithId:
    """A name for programs, in snake_case: decks, questions and tests ask for it, no visitor reads it."""

    id: Id


class _Panel(_WithId):
    """What all panels have: an id, and parts (curves, marks, bars, points, spans, rows) that have ids too."""

    __slots__ = ()

    def parts(self) -> tuple[Part, ...]:
        """Everything in this panel that may have an id of its own."""
        held = (getattr(self, field.name) for field in fields(self))
        return tuple(item for value in held if isinstance(value, tuple) for item in value if isinstance(item, Part))

    def part(self, id: str) -> Part:
        """The part with this id; LookupError names those there are."""
        return _found(id, self.parts(), f"panel {self.id!r}")


def _found(id: str, among: tuple[Any, ...], where: str) -> Any:
    for item in among:
        if item.id == id:
            return item
    there = ", ".join(item.id for item in among) or "none"
    raise LookupError(f"{where} has nothing with the id {id!r}; its ids are: {there}")


class Band(TypedDict):
    """A curve and the band around it."""

    y: Float[np.ndarray, "..."]
    low: Float[np.ndarray, "..."]
    high: Float[np.ndarray, "..."]


def band(values: Float[np.ndarray, "3 ..."]) -> Band:
    """The curve and its band from least, median and most, as ``core.seeds.spread`` gives them: Series(**band(…)).

    Where there is no curve, there is no band.
    """
    low, median, high = np.where(np.isnan(values[1]), np.nan, values)
    return {"y": median, "low": low, "high": high}


@dataclass(frozen=True, slots=True, eq=False)
class Series(_WithId):
    """One curve over the film's axis; ``low`` and ``high`` draw a band. NaN ends it."""

    name: str
    colour: Colour
    y: Frames
    _: KW_ONLY
    low: Frames | None = None
    high: Frames | None = None
    dash: Dash = "solid"
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Mark(_WithId):
    """A labelled place on the axis."""

    at: float
    label: str
    _: KW_ONLY
    colour: Colour = "faint"


@dataclass(frozen=True, slots=True, eq=False)
class Lines(_Panel):
    """Curves over the axis. ``scale`` "log" leaves a strip at the bottom for exact zeros. Dragging it scrubs.

    A linear axis reaches at least to ``reach``, lest rounding fill the picture.
    """

    title: str
    _: KW_ONLY
    series: tuple[Series, ...]
    y_label: str
    scale: Scale = "linear"
    x_scale: AxisScale = "linear"
    marks: tuple[Mark, ...] = ()
    reach: float = 0.0
    span: int = 6
    row: int = 0
    kind: Literal["lines"] = "lines"


@dataclass(frozen=True, slots=True, eq=False)
class Curve(_WithId):
    """One curve over an axis of its own, (k,) or (T, k); ``low`` and ``high`` draw a band. NaN leaves a gap."""

    name: str
    colour: Colour
    y: Numbers
    _: KW_ONLY
    low: Numbers | None = None
    high: Numbers | None = None
    dash: Dash = "solid"
    dots: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Curves(_Panel):
    """Curves over their own axis ``x`` (k,), redrawn at every frame where they move. Scales as in ``Lines``."""

    title: str
    _: KW_ONLY
    x: Float[np.ndarray, "k"]
    series: tuple[Curve, ...]
    x_label: str
    y_label: str
    scale: Scale = "linear"
    x_scale: AxisScale = "linear"
    marks: tuple[Mark, ...] = ()
    reach: float = 0.0
    span: int = 6
    row: int = 0
    kind: Literal["curves"] = "curves"


@dataclass(frozen=True, slots=True, eq=False)
class Field(_Panel):
    """A map of numbers, (m, n) or (T, m, n), over two labelled axes, row 0 at the bottom; NaN is hatched.

    Colours run from the least to the largest value of the whole film, or between ``limits``, both printed; what lies
    beyond a limit has its colour. ``regions`` names the region of
    each cell by its place in ``region_names``; borders are drawn between them. ``chosen`` (row, column) is outlined.
    Where it ``picks``, a click or Enter asks the page for that cell.
    """

    title: str
    _: KW_ONLY
    values: Matrix
    x_labels: Annotated[tuple[str, ...], "n"]
    y_labels: Annotated[tuple[str, ...], "m"]
    x_title: str
    y_title: str
    colour: Colour = "ink"
    scale: Scale = "linear"
    limits: tuple[float, float] | None = None
    regions: Matrix | None = None
    region_names: tuple[str, ...] = ()
    chosen: tuple[int, int] | None = None
    picks: bool = False
    caption: Caption = ()
    span: int = 6
    row: int = 0
    tall: int = 1
    kind: Literal["field"] = "field"


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap(_Panel):
    """A matrix, (m, n) or (T, m, n), on a scale that is zero-centred, symmetric and printed. Gradients are hatched.

    ``limit`` is one number for the whole film, or one a frame where the matrix only changes its size.
    """

    title: str
    colour: Colour
    values: Matrix
    _: KW_ONLY
    limit: float | Frames
    caption: Caption = ()
    hatched: bool = False
    span: int = 4
    row: int = 0
    kind: Literal["heatmap"] = "heatmap"


@dataclass(frozen=True, slots=True, eq=False)
class Group(_WithId):
    """One set of bars, (k,) or (T, k)."""

    name: str
    colour: Colour
    values: Numbers
    _: KW_ONLY
    outline: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Bars(_Panel):
    """Bars of k named things; groups are drawn over each other, outlines on top. ``scale`` "log" shows 0 as no bar."""

    title: str
    _: KW_ONLY
    labels: Annotated[tuple[str, ...], "k"]
    groups: tuple[Group, ...]
    y_label: str
    bar_ids: Annotated[tuple[str, ...], "k | 0"] = ()  # what programs call the bars, one a label
    scale: Scale = "linear"
    caption: Caption = ()
    span: int = 6
    row: int = 0
    kind: Literal["bars"] = "bars"


@dataclass(frozen=True, slots=True, eq=False)
class Points(_WithId):
    """Some points, (n, d) or (T, n, d), d = 1, 2 or 3."""

    name: str
    colour: Colour
    xyz: Places
    _: KW_ONLY
    style: Literal["dot", "ring", "probe", "ghost"] = "dot"


@dataclass(frozen=True, slots=True, eq=False)
class Span(_WithId):
    """A subspace through 0: a basis, (k, d) or (T, k, d), k ≤ 3 vectors drawn at their lengths; NaN rows are not."""

    name: str
    colour: Colour
    basis: Places
    _: KW_ONLY
    style: Literal["fill", "axes"] = "fill"


@dataclass(frozen=True, slots=True, eq=False)
class Cloud(_Panel):
    """A point cloud and subspaces in 1, 2 or 3 dimensions, drawn to ±limit on every axis; 3-D turns by dragging.

    ``view`` is where one looks from at first: yaw and pitch in radians.
    """

    title: str
    colour: Colour
    _: KW_ONLY
    dimension: Annotated[int, "d"]
    limit: float
    points: tuple[Points, ...]
    spans: tuple[Span, ...] = ()
    axes: str = ""
    view: tuple[float, float] = (-0.65, 0.42)
    caption: Caption = ()
    span: int = 4
    row: int = 0
    kind: Literal["cloud"] = "cloud"


@dataclass(frozen=True, slots=True, eq=False)
class Machine(_Panel):
    """One LoRA layer with every number in it: frozen W, both factors, the vectors of the sample that each step sees.

    ``limits`` are the colour ranges of W, A, B, ΔW, ∇A, ∇B, the inputs x and h, and the outputs. ``lr`` is the size of
    a gradient step taken by hand, on A or on B alone. ``names`` says what W, A, B, ΔW are called, ``symbol`` what W is
    in a product; ``rows`` draws the row-vector form, in which every matrix is transposed.
    """

    title: str
    _: KW_ONLY
    colour: Colour
    W: Float[np.ndarray, "m n"]
    A: Float[np.ndarray, "T r n"]
    B: Float[np.ndarray, "T m r"]
    x: Float[np.ndarray, "T n"]
    target: Float[np.ndarray, "T m"]
    scaling: float
    limits: Annotated[tuple[float, ...], "8"]
    names: tuple[str, str, str, str]
    symbol: str
    lr: float = 0.0
    rows: bool = False
    span: int = 9
    row: int = 0
    tall: int = 2
    kind: Literal["machine"] = "machine"


@dataclass(frozen=True, slots=True)
class Answers(_WithId):
    """What somebody says of each of k pictures: one text each, or k a frame; ``right`` likewise says which are true."""

    name: str
    text: Annotated[tuple[Annotated[tuple[str, ...], "k"], ...], "1 | T"]
    right: Annotated[tuple[Annotated[tuple[bool, ...], "k"], ...], "1 | T"]
    _: KW_ONLY
    colour: Colour = "ink"


@dataclass(frozen=True, slots=True, eq=False)
class Pictures(_Panel):
    """Small grey pictures, (k, h, w) from 0, the paper, to 1, the ink; below them what everybody says they show."""

    title: str
    _: KW_ONLY
    images: Float[np.ndarray, "k _ _"]
    rows: tuple[Answers, ...]
    colour: Colour = "ink"
    span: int = 6
    row: int = 0
    kind: Literal["pictures"] = "pictures"


@dataclass(frozen=True, slots=True)
class Row(_WithId):
    """A label and its reading: one text, or one a frame."""

    label: str
    text: Texts
    _: KW_ONLY
    colour: Colour = "ink"


@dataclass(frozen=True, slots=True)
class Readout(_Panel):
    """Measured numbers in words, at the playhead."""

    title: str
    rows: tuple[Row, ...]
    _: KW_ONLY
    span: int = 4
    row: int = 0
    kind: Literal["readout"] = "readout"


Part = Series | Mark | Curve | Group | Points | Span | Answers | Row
Panel = Lines | Curves | Field | HeatMap | Bars | Cloud | Machine | Pictures | Readout


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Film:
    """All that moves on a page: ``axis`` names what the playhead runs over, ``values`` where frame t lies on it.

    ``phases`` are the captions of slow motion, for each frame one a phase of its step. ``autoplay`` begins by itself
    when the page is opened, unless motion is to be reduced. Where the frames follow a ``training``, what lies ahead is
    drawn faint and the first frames stay longer. ``of_last`` says the playhead's place with the last: "3 of 64".

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
    hero: str = ""

    def __post_init__(self) -> None:
        check(self, protocol())
        for fault in _faults(self):
            raise FilmError(f"the film cannot be shown: {fault}")

    def panel(self, id: str) -> Panel:
        """The panel with this id; LookupError names those there are."""
        found: Panel = _found(id, self.panels, "the film")
        return found

    def to_bytes(self, **beside: Any) -> bytes:
        """A header of JSON, its length in front, then all arrays as little-endian float32.

        The header holds the film, ``beside`` it what else the browser must know, and a fingerprint of the film.
        """
        arrays: list[np.ndarray] = []
        film = _describe(self, arrays)
        body = b"".join(a.tobytes() for a in arrays)
        run = f"{zlib.crc32(body, zlib.crc32(_json(film))):08x}"
        # The axis is a word to the visitor and a name to the player.
        header = _json({"protocol": VERSION, "film": film, "run": run, "axis": say(self.axis), **beside})
        header += b" " * (-(len(header) + 4) % 4)
        return len(header).to_bytes(4, "little") + header + body


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
    """What the header of a film holds, described once by the dataclasses above."""
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
        case Readout() if not panel.rows:
            yield "it has no rows"
