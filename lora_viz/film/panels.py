"""What moves? Panels over one playhead, packed once for the browser: a header and the arrays behind it.

A film is a record's pictures as data. Every panel shares the film's axis (steps, ranks, sizes): frame t of each shows
the same moment. Arrays are (T, …) where they move and keep their own shape where they stand still.
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, TypedDict

import numpy as np
from jaxtyping import Float

from lora_viz.i18n.language import say

__all__ = [
    "Answers",
    "Band",
    "Bars",
    "Cloud",
    "Curve",
    "Curves",
    "Field",
    "Film",
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
]

Array = Float[np.ndarray, "..."]

_ID = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _WithId:
    """A name for programs, in snake_case: decks, questions and tests ask for it, no visitor reads it."""

    id: str = ""


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
        if item.id and item.id == id:
            return item
    there = ", ".join(item.id for item in among if item.id) or "none"
    raise LookupError(f"{where} has nothing with the id {id!r}; its ids are: {there}")


def _check_ids(items: tuple[Any, ...], where: str) -> None:
    ids = [item.id for item in items if item.id]
    for id in ids:
        if not _ID.fullmatch(id):
            raise ValueError(f"{where}: the id {id!r} is not snake_case, as in 'lora_a_norm'")
    twice = sorted({id for id in ids if ids.count(id) > 1})
    if twice:
        raise ValueError(f"{where}: more than one has the id {', '.join(map(repr, twice))}")


class Band(TypedDict):
    """A curve and the band around it."""

    y: Array
    low: Array
    high: Array


def band(values: Float[np.ndarray, "3 ..."]) -> Band:
    """The curve and its band from least, median and most, as ``core.seeds.spread`` gives them: Series(**band(…)).

    Where there is no curve, there is no band.
    """
    low, median, high = np.where(np.isnan(values[1]), np.nan, values)
    return {"y": median, "low": low, "high": high}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Series(_WithId):
    """One curve over the film's axis; ``low`` and ``high`` draw a band. NaN ends it."""

    name: str
    colour: str
    y: Array
    low: Array | None = None
    high: Array | None = None
    dash: Literal["solid", "dash", "dot", "dashdot"] = "solid"
    dots: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark(_WithId):
    """A labelled place on the axis."""

    at: float
    label: str
    colour: str = "faint"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lines(_Panel):
    """Curves over the axis. ``scale`` "log" leaves a strip at the bottom for exact zeros. Dragging it scrubs.

    A linear axis reaches at least to ``reach``, lest rounding fill the picture.
    """

    title: str
    series: tuple[Series, ...]
    y_label: str
    scale: Literal["linear", "log"] = "linear"
    x_scale: Literal["linear", "log", "sqrt"] = "linear"
    marks: tuple[Mark, ...] = ()
    reach: float = 0.0
    span: int = 6
    row: int = 0
    kind: str = "lines"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curve(_WithId):
    """One curve over an axis of its own, (k,) or (T, k); ``low`` and ``high`` draw a band. NaN leaves a gap."""

    name: str
    colour: str
    y: Array
    low: Array | None = None
    high: Array | None = None
    dash: Literal["solid", "dash", "dot", "dashdot"] = "solid"
    dots: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curves(_Panel):
    """Curves over their own axis ``x`` (k,), redrawn at every frame where they move. Scales as in ``Lines``."""

    title: str
    x: Array
    series: tuple[Curve, ...]
    x_label: str
    y_label: str
    scale: Literal["linear", "log"] = "linear"
    x_scale: Literal["linear", "log", "sqrt"] = "linear"
    marks: tuple[Mark, ...] = ()
    reach: float = 0.0
    span: int = 6
    row: int = 0
    kind: str = "curves"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Field(_Panel):
    """A map of numbers, (m, n) or (T, m, n), over two labelled axes, row 0 at the bottom; NaN is hatched.

    Colours run from the least to the largest value of the whole film, or between ``limits``, both printed; what lies
    beyond a limit has its colour. ``regions`` names the region of
    each cell by its place in ``region_names``; borders are drawn between them. ``chosen`` (row, column) is outlined.
    Where it ``picks``, a click or Enter asks the page for that cell.
    """

    title: str
    values: Array
    x_labels: tuple[str, ...]
    y_labels: tuple[str, ...]
    x_title: str
    y_title: str
    colour: str = "ink"
    scale: Literal["linear", "log"] = "linear"
    limits: tuple[float, float] | None = None
    regions: Array | None = None
    region_names: tuple[str, ...] = ()
    chosen: tuple[int, int] | None = None
    picks: bool = False
    caption: tuple[str, ...] = ()
    span: int = 6
    row: int = 0
    tall: int = 1
    kind: str = "field"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HeatMap(_Panel):
    """A matrix, (m, n) or (T, m, n), on a scale that is zero-centred, symmetric and printed. Gradients are hatched.

    ``limit`` is one number for the whole film, or one a frame where the matrix only changes its size.
    """

    title: str
    colour: str
    values: Array
    limit: float | Array
    caption: tuple[str, ...] = ()
    hatched: bool = False
    span: int = 4
    row: int = 0
    kind: str = "heatmap"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Group(_WithId):
    """One set of bars, (k,) or (T, k)."""

    name: str
    colour: str
    values: Array
    outline: bool = False


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Bars(_Panel):
    """Bars of k named things; groups are drawn over each other, outlines on top. ``scale`` "log" shows 0 as no bar."""

    title: str
    labels: tuple[str, ...]
    groups: tuple[Group, ...]
    y_label: str
    bar_ids: tuple[str, ...] = ()  # what programs call the bars, one a label
    scale: Literal["linear", "log"] = "linear"
    caption: tuple[str, ...] = ()
    span: int = 6
    row: int = 0
    kind: str = "bars"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Points(_WithId):
    """Some points, (n, d) or (T, n, d), d = 1, 2 or 3."""

    name: str
    colour: str
    xyz: Array
    style: Literal["dot", "ring", "probe", "ghost"] = "dot"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Span(_WithId):
    """A subspace through 0: a basis, (k, d) or (T, k, d), k ≤ 3 vectors drawn at their lengths; NaN rows are not."""

    name: str
    colour: str
    basis: Array
    style: Literal["fill", "axes"] = "fill"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cloud(_Panel):
    """A point cloud and subspaces in 1, 2 or 3 dimensions, drawn to ±limit on every axis; 3-D turns by dragging.

    ``view`` is where one looks from at first: yaw and pitch in radians.
    """

    title: str
    colour: str
    dimension: int
    limit: float
    points: tuple[Points, ...]
    spans: tuple[Span, ...] = ()
    axes: str = ""
    view: tuple[float, float] = (-0.65, 0.42)
    caption: tuple[str, ...] = ()
    span: int = 4
    row: int = 0
    kind: str = "cloud"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Machine(_Panel):
    """One LoRA layer with every number in it: frozen W, both factors, the vectors of the sample that each step sees.

    ``limits`` are the colour ranges of W, A, B, ΔW, ∇A, ∇B, the inputs x and h, and the outputs. ``lr`` is the size of
    a gradient step taken by hand, on A or on B alone. ``names`` says what W, A, B, ΔW are called; ``rows`` draws the
    row-vector form, in which every matrix is transposed.
    """

    title: str
    colour: str
    W: Array
    A: Array
    B: Array
    x: Array
    target: Array
    scaling: float
    limits: tuple[float, ...]
    names: tuple[str, str, str, str]
    lr: float = 0.0
    rows: bool = False
    span: int = 9
    row: int = 0
    tall: int = 2
    kind: str = "machine"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answers(_WithId):
    """What somebody says of each of k pictures: one text each, or k a frame; ``right`` likewise says which are true."""

    name: str
    text: tuple[tuple[str, ...], ...]
    right: tuple[tuple[bool, ...], ...]
    colour: str = "ink"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pictures(_Panel):
    """Small grey pictures, (k, h, w) from 0, the paper, to 1, the ink; below them what everybody says they show."""

    title: str
    images: Array
    rows: tuple[Answers, ...]
    colour: str = "ink"
    span: int = 6
    row: int = 0
    kind: str = "pictures"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row(_WithId):
    """A label and its reading: one text, or one a frame."""

    label: str
    text: tuple[str, ...]
    colour: str = "ink"


@dataclass(frozen=True, kw_only=True, slots=True)
class Readout(_Panel):
    """Measured numbers in words, at the playhead."""

    title: str
    rows: tuple[Row, ...]
    span: int = 4
    row: int = 0
    kind: str = "readout"


Part = Series | Mark | Curve | Group | Points | Span | Answers | Row
Panel = Lines | Curves | Field | HeatMap | Bars | Cloud | Machine | Pictures | Readout


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Film:
    """All that moves on a page: ``axis`` names what the playhead runs over, ``values`` where frame t lies on it.

    ``phases`` are the captions of slow motion, for each frame one a phase of its step. ``autoplay`` begins by itself
    when the page is opened, unless motion is to be reduced.
    """

    axis: str
    values: Float[np.ndarray, "T"]
    panels: tuple[Panel, ...]
    start: int
    seconds_per_frame: float = 1 / 40
    narration: tuple[str, ...] = ()
    phases: tuple[tuple[str, ...], ...] = ()
    autoplay: bool = False

    def __post_init__(self) -> None:
        _check_ids(self.panels, "the film's panels")
        for panel in self.panels:
            _check_ids(panel.parts(), f"panel {panel.id or panel.title!r}")

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
        header = _json({"film": film, "run": run, "axis": say(self.axis), **beside})
        header += b" " * (-(len(header) + 4) % 4)
        return len(header).to_bytes(4, "little") + header + body


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


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
