"""The kinds of panels that a film can hold, as data: curves, maps, matrices, bars, clouds, the machine, words.

Every panel shares the film's axis (steps, ranks, sizes): frame t of each shows the same moment. Arrays are (T, …) where
they move and keep their own shape where they stand still. A film (``film/film.py``) checks its panels and packs them.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
from jaxtyping import Float

__all__ = [
    "Answers",
    "Band",
    "Bars",
    "Cloud",
    "Curve",
    "Curves",
    "Dash",
    "Field",
    "Group",
    "HeatMap",
    "Lines",
    "Machine",
    "Mark",
    "Panel",
    "Part",
    "Passage",
    "Passages",
    "Pictures",
    "Points",
    "Readout",
    "Row",
    "Series",
    "Span",
    "band",
    "found_by_id",
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
        return found_by_id(id, self.parts(), f"panel {self.id!r}")


def found_by_id(id: str, among: tuple[Any, ...], where: str) -> Any:
    """The first of these with the id; LookupError names those there are."""
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


@dataclass(frozen=True, slots=True, eq=False)
class Passage(_WithId):
    """What somebody writes: a text of any length, or one a frame, under who it is.

    Where there are ``tokens``, the text's pieces, each is shaded by its number in ``values``, the strongest at
    ±``limit``: filled above 0, underlined below, the more the further from it. Rows shorter than ``values`` end early.
    """

    label: str
    text: Texts
    _: KW_ONLY
    colour: Colour = "ink"
    tokens: Annotated[tuple[Annotated[tuple[str, ...], "_"], ...], "0 | 1 | T"] = ()
    values: Float[np.ndarray, "_"] | Float[np.ndarray, "T _"] | None = None
    limit: float = 1.0


@dataclass(frozen=True, slots=True)
class Passages(_Panel):
    """Passages of text at the playhead, one under the other; they wrap, and are plain text whatever stands in them.

    Presented they are at least 24 pixels large; what then finds no room is scrolled to.
    """

    title: str
    rows: tuple[Passage, ...]
    _: KW_ONLY
    span: int = 6
    row: int = 0
    tall: int = 1
    kind: Literal["passages"] = "passages"


Part = Series | Mark | Curve | Group | Points | Span | Answers | Row | Passage
Panel = Lines | Curves | Field | HeatMap | Bars | Cloud | Machine | Pictures | Readout | Passages
