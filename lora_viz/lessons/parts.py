"""What a lesson shows beside its film or in place of it: texts, tables, figures, files, as data for any screen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go

from lora_viz.content.decks.scenes import Deck
from lora_viz.content.questions import Answered
from lora_viz.film.film import Film

__all__ = [
    "Act",
    "Ask",
    "Boxed",
    "Code",
    "Columns",
    "Door",
    "Doors",
    "Download",
    "Figure",
    "Folded",
    "Goal",
    "Goals",
    "Heading",
    "Html",
    "Moving",
    "Notice",
    "Numbers",
    "Part",
    "Paths",
    "Present",
    "Prose",
    "Row",
    "Scores",
    "Table",
]  # fmt: skip


class Prose(NamedTuple):
    """Markdown, whose links to lessons are read in the visitor's language."""

    text: str
    small: bool = False


class Heading(NamedTuple):
    """A heading below the title."""

    text: str
    anchor: str = ""


class Html(NamedTuple):
    """HTML that this house has written and escaped, in the colours of ``theme``."""

    draw: Callable[[str], str]


class Figure(NamedTuple):
    """A still figure, drawn for "light" or "dark", with its current reading as alt text."""

    id: str
    draw: Callable[[str], go.Figure]
    alt: str


class Table(NamedTuple):
    """Rows that can be sorted."""

    columns: Mapping[str, Any]
    alt: str = ""
    height: int | None = None


class Numbers(NamedTuple):
    """Columns to take along, as CSV and as JSON under these labels."""

    id: str
    columns: Mapping[str, np.ndarray]
    as_csv: str
    as_json: str


class Code(NamedTuple):
    """A text to copy."""

    text: str
    language: str
    caption: str = ""


class Download(NamedTuple):
    """A file to take along, made when it is asked for."""

    id: str
    label: str
    make: Callable[[], bytes | str]
    file: str
    mime: str = "application/octet-stream"


class Notice(NamedTuple):
    """A sentence that stands out."""

    text: str
    kind: Literal["info", "warning", "success", "error"] = "info"
    icon: str = ""


class Folded(NamedTuple):
    """Parts that open on demand."""

    label: str
    parts: tuple[Any, ...]


class Columns(NamedTuple):
    """Parts side by side, a tuple a column; ``widths`` say how wide each is against the others, else all alike."""

    columns: tuple[tuple[Any, ...], ...]
    gap: Literal["small", "medium", "large"] = "medium"
    widths: tuple[int, ...] = ()


class Ask(NamedTuple):
    """A question with its choices; ``see`` says where to look. The first answer counts."""

    id: str
    asked: Answered
    see: str = ""


class Act(NamedTuple):
    """A button that gives controls another answer, and then maybe leads to a place."""

    id: str
    label: str
    answers: Mapping[str, Any]
    to: str = ""


class Door(NamedTuple):
    """The way to a place, "rank?noise=0", and what is said beside it."""

    label: str
    place: str
    why: str = ""


class Doors(NamedTuple):
    """Ways to other places within this visit, one below the other or side by side."""

    doors: tuple[Door, ...]
    across: bool = False


class Moving(NamedTuple):
    """A film that moves in its place among other parts, under an id of its own."""

    id: str
    film: Film


class Paths(NamedTuple):
    """Every path with its stops, and which of them the visitor has ticked; one stands open."""

    open: str


class Goal(NamedTuple):
    """A goal of this visit by its name, and the answers that lead to it."""

    id: str
    label: str
    answers: Mapping[str, Any]


class Goals(NamedTuple):
    """All goals as cards that are ticked once reached, whether the chosen one is reached now, and how many were."""

    goals: tuple[Goal, ...]
    chosen: str
    holds: bool


class Present(NamedTuple):
    """A button that begins a deck: a shipped one by its name, or the visitor's own."""

    id: str
    label: str
    own: Deck | None = None


class Scores(NamedTuple):
    """After which lessons the visitor has answered the question, and how."""


class Boxed(NamedTuple):
    """Parts that belong together, in a frame."""

    parts: tuple[Any, ...]


class Row(NamedTuple):
    """Small parts in one line."""

    parts: tuple[Any, ...]


Part = (
    Prose | Heading | Html | Figure | Table | Numbers | Code | Download | Notice | Folded | Columns | Boxed | Row
    | Ask | Act | Goals | Present | Scores | Door | Doors | Moving | Paths
)  # fmt: skip
