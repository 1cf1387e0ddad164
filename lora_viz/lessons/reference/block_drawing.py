"""A transformer block as a drawing: a grey box is a frozen W, below it the A and B that ride on it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import NamedTuple
from urllib.parse import quote

from lora_viz.costs.shapes import Matrix
from lora_viz.i18n.language import say

__all__ = ["Block", "drawings"]

_Number = float | int
_Colours = dict[str, str]

_COLUMNS = (
    (("attention input",), 90),
    (("attention output", "cross-attention"), 470),
    (("MLP input",), 700),
    (("gated product", "MLP activation"), 1000),
)
_WIDTH, _CELL = 1180, 128
_SLIM = 330  # units across for a hand: a pixel each on the narrowest screen
# One of the two is shown; the other is not there for ears either.
_STYLE = """<style>
.block { width: 100%; max-height: 30rem; } .block.slim { display: none; max-height: none; }
@media (max-width: 640px) { .block.across { display: none; } .block.slim { display: block; } }
</style>"""


class Block(NamedTuple):
    """What is drawn: a block's matrices, those that are adapted, at which rank, and what is said of it."""

    matrices: tuple[Matrix, ...]
    targets: frozenset[str]
    rank: int
    label: str

    def columns(self) -> list[tuple[list[Matrix], int]]:
        """The matrices by what they read, and where a column of them stands."""
        return [([m for m in self.matrices if m.reads in reads], x) for reads, x in _COLUMNS]


class _Look(NamedTuple):
    """How large a box is and what is written in it: name, a long name's two lines, shape, letters, sizes."""

    box: float
    name: int
    long: int
    shape: int
    letter: int
    size: int


_ACROSS = _Look(164, 19, 16, 16, 17, 14)


def drawings(block: Block, colour: _Colours) -> str:
    """The block left to right, and the same from above to below for a narrow screen."""
    note = say("residual sums and norms are left out of the drawing; boxes are not to scale")
    return _STYLE + _image("across", _across(block, note, colour), block.label) + _image(
        "slim", _slim(block, note, colour), block.label)  # fmt: skip


def _image(name: str, drawing: str, label: str) -> str:
    """As an image: what a page is given as HTML loses its drawings when it is cleaned."""
    return f'<img class="block {name}" alt="{escape(label)}" src="data:image/svg+xml;utf8,{quote(drawing)}">'


def _svg(width: _Number, height: _Number, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="Source Sans Pro, Arial, sans-serif">{"".join(parts)}</svg>'
    )


def _across(block: Block, note: str, colour: _Colours) -> str:
    columns, box = block.columns(), _ACROSS.box
    tallest = max(len(found) for found, _ in columns)
    height = tallest * _CELL + 64
    middle = height / 2 - 8
    parts = [_line(8, middle, 90, middle, colour), _words(40, middle - 10, "x", colour, size=22)]
    ends: list[list[float]] = []
    for found, x in columns:
        top = middle - len(found) * _CELL / 2 + (24 if len(found) == 1 else 6)
        ends.append([top + i * _CELL + 40 for i in range(len(found))])
        parts += [_cell(block, m, x, top + i * _CELL, _ACROSS, colour) for i, m in enumerate(found)]
    right = [x + box for _, x in columns]
    parts += [_line(60, middle, 90, y, colour) for y in ends[0]]
    parts += [_line(right[0], y, 300, middle, colour) for y in ends[0]]
    parts += [_operation(300, middle, 130, say("attention"), colour), _line(430, middle, 470, middle, colour)]
    parts += [_line(right[1], middle, 700, y, colour) for y in ends[2]]
    parts += [_line(right[2], y, 892, middle, colour) for y in ends[2]]
    parts += [_operation(892, middle, 84, _joined(ends[2]), colour), _line(976, middle, 1000, middle, colour)]
    parts.append(_line(right[3], middle, _WIDTH - 2, middle, colour))
    parts.append(_words(_WIDTH / 2, height - 4, note, colour, size=15, anchor="middle", fill="faint"))
    return _svg(_WIDTH, height, parts)


def _slim(block: Block, note: str, colour: _Colours) -> str:
    """Row below row; lines first, so that boxes stand on them."""
    middle, y = _SLIM / 2, 26.0
    lines, boxes = [], [_words(middle, 16, "x", colour, size=17, anchor="middle")]
    columns = [found for found, _ in block.columns()]
    for place, found in enumerate(columns):
        wide = min(150.0, (_SLIM - 6 * (len(found) - 1)) / len(found))
        left = middle - (len(found) * (wide + 6) - 6) / 2
        look = _Look(wide, 15, 14, 13, 14, 12)
        tall = 104 if any(m.name in block.targets for m in found) else 58
        operation = (say("attention"), "", _joined(found), "")[place]
        below = y + 16 + tall + 10
        for i, matrix in enumerate(found):
            at = left + i * (wide + 6)
            lines += [_line(middle, y - 4, at + wide / 2, y + 18, colour),
                      _line(at + wide / 2, y + 60, middle, below, colour)]  # fmt: skip
            boxes.append(_cell(block, matrix, at, y + 4, look, colour))
        y = below
        if operation:
            boxes.append(_operation(middle - 55, y + 20, 110, operation, colour, tall=34))
            y += 42
    first, _, second = note.partition("; ")
    boxes += [_words(middle, y + at, text, colour, size=13, anchor="middle", fill="faint")
              for at, text in ((20, first), (37, second))]  # fmt: skip
    return _svg(_SLIM, y + 44, [*lines, *boxes])


def _joined(found: list[Matrix] | list[float]) -> str:
    """What follows the matrices that the MLP begins with: two make a gate."""
    return say("gate ⊙") if len(found) > 1 else say("act.")


def _cell(block: Block, matrix: Matrix, x: _Number, y: _Number, look: _Look, colour: _Colours) -> str:
    chosen, r = matrix.name in block.targets, block.rank
    paper = {"ink": "#ffffff" if colour["ink"].startswith("#1") else "#10141b"}
    ground = "#ffffff" if colour["ink"].startswith("#1") else "#10141b"
    drawn = [
        f'<rect x="{x:g}" y="{y + 12:g}" width="{look.box:g}" height="56" rx="4" fill="{ground}"/>',
        f'<rect x="{x:g}" y="{y + 12:g}" width="{look.box:g}" height="56" rx="4" fill="{colour["W"]}" '
        f'fill-opacity="{0.32 if chosen else 0.16}" stroke="{colour["W"]}"/>',
        *_name(matrix, x + look.box * 0.05, y, look, colour),
    ]
    if chosen:
        half = look.box / 2
        for i, (letter, size) in enumerate((("A", f"{r}×{matrix.d_in}"), ("B", f"{matrix.d_out}×{r}"))):
            at = x + i * (half + 1)
            drawn.append(
                f'<rect x="{at:g}" y="{y + 74:g}" width="{half - 1:g}" height="42" rx="3" fill="{colour[letter]}"/>'
            )
            drawn.append(_words(at + 5, y + 92, letter, paper, size=look.letter, bold=True))
            drawn.append(_words(at + half * 0.06, y + 110, size, paper, size=look.size, most=half * 0.88))
    return "".join(drawn)


def _name(matrix: Matrix, x: _Number, y: _Number, look: _Look, colour: _Colours) -> list[str]:
    """Name and size of a matrix; a long name takes two lines."""
    shape, (first, dot, rest) = f"W {matrix.d_out}×{matrix.d_in}", matrix.name.partition(".")
    if len(matrix.name) <= 14:
        return [
            _words(x, y + 35, matrix.name, colour, size=look.name, bold=True),
            _words(x, y + 58, shape, colour, size=look.shape, most=look.box * 0.92),
        ]
    lines = (
        _words(x, at, text, colour, size=look.long, bold=True) for at, text in ((y + 28, first + dot), (y + 45, rest))
    )
    return [*lines, _words(x, y + 63, shape, colour, size=look.shape - 1)]


def _words(
    x: _Number, y: _Number, text: str, colour: _Colours, *, size: int, bold: bool = False, anchor: str = "start",
    fill: str = "ink", most: float = 0.0,
) -> str:  # fmt: skip
    """A line of text; ``most``: how wide it may be, where digits of 0.56 of their size are as wide as they are."""
    weight = ' font-weight="700"' if bold else ""
    fitted = f' textLength="{most:g}" lengthAdjust="spacingAndGlyphs"' if 0 < most < 0.56 * size * len(text) else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour[fill]}"{weight}{fitted}>'
        f"{escape(text)}</text>"
    )


def _line(x1: _Number, y1: _Number, x2: _Number, y2: _Number, colour: _Colours) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour["faint"]}" stroke-width="2"/>'


def _operation(x: _Number, y: _Number, width: _Number, text: str, colour: _Colours, *, tall: _Number = 48) -> str:
    box = (
        f'<rect x="{x:g}" y="{y - tall / 2:g}" width="{width}" height="{tall}" rx="{tall / 2:g}" fill="none" '
        f'stroke="{colour["ink"]}" stroke-dasharray="5 4"/>'
    )
    return box + _words(x + width / 2, y + 6, text, colour, size=18 if tall > 40 else 15, anchor="middle")
