"""Transformer: where in a block A and B sit, which of its matrices are adapted, and what that adds."""

from __future__ import annotations

from collections.abc import Collection
from html import escape
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from lora_viz.costs.models import DEFAULT_TARGETS, MODELS
from lora_viz.costs.shapes import Matrix, ModelShape
from lora_viz.film.notation import STYLE
from lora_viz.film.style import IDENTITY, number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.model_controls import RANK, model_asked, model_controls, no_targets, targets_asked
from lora_viz.lessons.parts import Heading, Html, Numbers, Part, Prose
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, true_here

__all__ = [
    "LESSON", "TransformerBlock", "block_html", "table", "takeaway", "targets_html", "transformer_block", "tree_html",
    "with_peft",
]  # fmt: skip

MODEL = "Llama-3.1-8B"

_Number = float | int

NET = ("", "fc1", "fc2")  # two linear layers and the network around them
# What PEFT 0.21 puts inside each adapted linear layer, and around the network.
_INSIDE = (
    "base_layer",
    "lora_dropout",
    "lora_dropout.default",
    "lora_A",
    "lora_A.default",
    "lora_B",
    "lora_B.default",
    "lora_embedding_A",
    "lora_embedding_B",
    "lora_magnitude_vector",
)
AUTOGRAD_NODES = (9, 18, 9)  # behind that network's output (fc2 after relu after fc1): before, with LoRA, merged

_WIDTH, _CELL, _BOX = 1180, 128, 164
_COLUMNS = (
    (("attention input",), 90),
    (("attention output", "cross-attention"), 470),
    (("MLP input",), 700),
    (("gated product", "MLP activation"), 1000),
)


class TransformerBlock(NamedTuple):
    """One block of a model: its matrices, the adapted ones, the rank, and the counts of one block and of the model."""

    shape: ModelShape
    matrices: tuple[Matrix, ...]
    outside: tuple[str, ...]
    targets: tuple[str, ...]
    rank: int
    block: int
    trained: int
    usual: tuple[str, ...]


def transformer_block(shape: ModelShape, targets: Collection[str], rank: int) -> TransformerBlock:
    """Count what rank r adds to one block and to the model; matrices beyond the blocks are named apart."""
    inside = tuple(m for m in shape.matrices if m.part in ("attention", "mlp"))
    chosen = shape.chosen(targets)
    return TransformerBlock(shape=shape, matrices=inside,
                            outside=tuple(m.name for m in shape.matrices if m not in inside),
                            targets=tuple(name for name in shape.names if name in targets), rank=rank,
                            block=rank * sum(m.per_rank // m.copies for m in chosen if m in inside),
                            trained=rank * sum(m.per_rank for m in chosen),
                            usual=DEFAULT_TARGETS.get(shape.model_type, ()))  # fmt: skip


def with_peft(net: tuple[str, ...] = NET) -> tuple[str, ...]:
    """The modules of this network once PEFT has adapted every linear layer of it."""
    layers = [name for name in net if name]
    return ("", *(f"{layer}{part}" for layer in layers for part in ("", *(f".{p}" for p in _INSIDE))))


def takeaway(record: TransformerBlock) -> str:
    """What was chosen, in numbers, and how it compares with PEFT's own choice."""
    names = ", ".join(record.targets)
    adds = say("Rank {rank} on {names} adds {block:,} parameters per block and {trained:,} to {title}, {share} % of "
               "its "
               "{total:,}.", rank=record.rank, names=names, block=record.block, trained=record.trained,
               title=record.shape.title, share=number(100 * record.trained / record.shape.total),
               total=record.shape.total)  # fmt: skip
    return f"{adds} {_usual(record)}"


def _usual(record: TransformerBlock) -> str:
    """What PEFT would adapt."""
    if not record.usual:
        return say("PEFT has no default for this architecture.")
    if set(record.usual) == set(record.targets):
        return say("This is PEFT's default.")
    if len(record.usual) == 1:
        return say("PEFT's default is {name}.", name=record.usual[0])
    *most, last = record.usual
    return say("PEFT's default is {names} and {last}.", names=", ".join(most), last=last)


def verdict(record: TransformerBlock) -> Verdict:
    """What A and B are added to here, and how many modules the small network of `tree_html` has with and without."""
    with_lora, without = len(with_peft()), len(NET)
    own = sum(name.rpartition(".")[2] in ("lora_A", "lora_B") for name in with_peft())
    evidence = {
        "adapted": len(record.targets), "block": record.block, "modules": with_lora, "merged": without,
        "factors": own,
    }  # fmt: skip
    return true_here(
        say("here {adapted} of {all} kinds of matrices have A and B. In PEFT a network of {without} modules becomes "
            "one of {modules}; merging restores {without}",
            adapted=len(record.targets), all=len(record.shape.names), modules=with_lora, without=without),
        **evidence,
    )  # fmt: skip


def table(record: TransformerBlock) -> dict[str, np.ndarray]:
    """Every matrix of the model, one a row: its path, its shape, how many there are, and what A and B would add."""
    found, chosen = record.shape.matrices, record.shape.chosen(record.targets)
    return {
        "module": np.array([m.path for m in found]),
        "part": np.array([m.part for m in found]),
        "d_out": np.array([m.d_out for m in found]),
        "d_in": np.array([m.d_in for m in found]),
        "copies": np.array([m.copies for m in found]),
        "weights": np.array([m.weights for m in found]),
        "adapted": np.array([m in chosen for m in found]),
        "A_and_B": np.array([record.rank * m.per_rank if m in chosen else 0 for m in found]),
    }


def block_html(record: TransformerBlock, *, theme: str = "light") -> str:
    """The block as a drawing, left to right; a grey box is a frozen W, below it the A and B that ride on it."""
    colour = IDENTITY[theme]
    columns = [([m for m in record.matrices if m.reads in reads], x) for reads, x in _COLUMNS]
    tallest = max(len(found) for found, _ in columns)
    height = tallest * _CELL + 64
    middle = height / 2 - 8
    parts = [_line(8, middle, 90, middle, colour), _words(40, middle - 10, "x", colour, size=22)]
    ends: list[list[float]] = []
    for found, x in columns:
        top = middle - len(found) * _CELL / 2 + (24 if len(found) == 1 else 6)
        ends.append([top + i * _CELL + 40 for i in range(len(found))])
        parts += [_cell(record, m, x, top + i * _CELL, colour) for i, m in enumerate(found)]
    right = [x + _BOX for _, x in columns]
    parts += [_line(60, middle, 90, y, colour) for y in ends[0]]
    parts += [_line(right[0], y, 300, middle, colour) for y in ends[0]]
    parts += [_operation(300, middle, 130, say("attention"), colour), _line(430, middle, 470, middle, colour)]
    parts += [_line(right[1], middle, 700, y, colour) for y in ends[2]]
    parts += [_line(right[2], y, 892, middle, colour) for y in ends[2]]
    gated = len(ends[2]) > 1
    parts += [
        _operation(892, middle, 84, say("gate ⊙") if gated else say("act."), colour),
        _line(976, middle, 1000, middle, colour),
    ]
    parts.append(_line(right[3], middle, _WIDTH - 2, middle, colour))
    count = say("A transformer block with its {matrices} matrices.", matrices=len(record.matrices))
    label = f"{count} {takeaway(record)}"
    note = say("residual sums and norms are left out of the drawing; boxes are not to scale")
    parts.append(_words(_WIDTH / 2, height - 4, note, colour, size=15, anchor="middle", fill="faint"))
    drawing = (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'xmlns="http://www.w3.org/2000/svg" font-family="Source Sans Pro, Arial, sans-serif">{"".join(parts)}</svg>'
    )
    # As an image: what a page is given as HTML loses its drawings when it is cleaned.
    source = f"data:image/svg+xml;utf8,{quote(drawing)}"
    return f'<img class="block" alt="{escape(label)}" src="{source}" style="width: 100%; max-height: 30rem">'


def _cell(record: TransformerBlock, matrix: Matrix, x: _Number, y: _Number, colour: dict[str, str]) -> str:
    chosen, r = matrix.name in record.targets, record.rank
    drawn = [
        f'<rect x="{x}" y="{y + 12}" width="{_BOX}" height="56" rx="4" fill="{colour["W"]}" '
        f'fill-opacity="{0.32 if chosen else 0.16}" stroke="{colour["W"]}"/>',
        *_name(matrix, x + 8, y, colour),
    ]
    if chosen:
        for i, (letter, size) in enumerate((("A", f"{r}×{matrix.d_in}"), ("B", f"{matrix.d_out}×{r}"))):
            at = x + i * (_BOX / 2 + 1)
            drawn.append(
                f'<rect x="{at}" y="{y + 74}" width="{_BOX / 2 - 1}" height="42" rx="3" fill="{colour[letter]}"/>'
            )
            paper = {"ink": "#ffffff" if colour["ink"].startswith("#1") else "#10141b"}
            drawn.append(_words(at + 5, y + 92, letter, paper, size=17, bold=True))
            drawn.append(_words(at + 5, y + 110, size, paper, size=14))
    return "".join(drawn)


def _name(matrix: Matrix, x: _Number, y: _Number, colour: dict[str, str]) -> list[str]:
    """Name and size of a matrix; a long name takes two lines."""
    shape, (first, dot, rest) = f"W {matrix.d_out}×{matrix.d_in}", matrix.name.partition(".")
    if len(matrix.name) <= 14:
        return [_words(x, y + 35, matrix.name, colour, size=19, bold=True), _words(x, y + 58, shape, colour, size=16)]
    lines = (_words(x, at, text, colour, size=16, bold=True) for at, text in ((y + 28, first + dot), (y + 45, rest)))
    return [*lines, _words(x, y + 63, shape, colour, size=15)]


def _words(
    x: _Number, y: _Number, text: str, colour: dict[str, str], *, size: int, bold: bool = False, anchor: str = "start",
    fill: str = "ink",
) -> str:  # fmt: skip
    weight = ' font-weight="700"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" fill="{colour[fill]}"{weight}>'
        f"{escape(text)}</text>"
    )


def _line(x1: _Number, y1: _Number, x2: _Number, y2: _Number, colour: dict[str, str]) -> str:
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="{colour["faint"]}" stroke-width="2"/>'


def _operation(x: _Number, y: _Number, width: _Number, text: str, colour: dict[str, str]) -> str:
    box = (
        f'<rect x="{x}" y="{y - 24:g}" width="{width}" height="48" rx="24" fill="none" stroke="{colour["ink"]}" '
        'stroke-dasharray="5 4"/>'
    )
    return box + _words(x + width / 2, y + 6, text, colour, size=18, anchor="middle")


def tree_html(record: TransformerBlock) -> str:
    """The module tree of a small network before, with LoRA, and after merging: what PEFT 0.21 builds."""
    trees = ((say("before"), NET), (say("with LoRA"), with_peft()), (say("after merge_and_unload"), NET))
    cells = "".join(
        f"<td><b>{_counts(title, len(names), nodes)}</b><br>{_tree(names)}</td>"
        for (title, names), nodes in zip(trees, AUTOGRAD_NODES, strict=True)
    )
    style = "<style>.trees td { vertical-align: top; padding: 0 2rem 0 0; } .trees code { white-space: pre; }</style>"
    return f'{style}<table class="trees"><tr>{cells}</tr></table>'


def _counts(title: str, modules: int, nodes: int) -> str:
    return say("{title}: {modules} modules, {nodes} autograd nodes", title=title, modules=modules, nodes=nodes)


def _tree(names: tuple[str, ...]) -> str:
    lines = []
    for name in names:
        depth, leaf = name.count(".") + 1 if name else 0, name.rpartition(".")[2] or say("network")
        kind = next((f"identity-{c}" for c in "AB" if f"lora_{c}" in name), "")
        lines.append(f'<code class="{kind}">{"  " * depth}{leaf}</code>')
    return "<br>".join(lines)


def targets_html(record: TransformerBlock) -> str:
    """PEFT's own choice for each architecture, the shown one first."""
    kinds = sorted(DEFAULT_TARGETS, key=lambda kind: kind != record.shape.model_type)
    rows = "".join(
        f"<tr><td>{'<b>' + kind + '</b>' if kind == record.shape.model_type else kind}</td>"
        f"<td>{', '.join(DEFAULT_TARGETS[kind])}</td></tr>"
        for kind in kinds
    )
    style = "<style>.targets td { padding: 0.1rem 2rem 0.1rem 0; }</style>"
    return f'{style}<table class="targets">{rows}</table>'


def measure(settings: Settings, lab: Lab) -> TransformerBlock:
    """Count. Raises ConfigError."""
    shape = model_asked(settings, MODEL)
    return transformer_block(shape, targets_asked(settings, shape), settings["rank"])


def extras(record: TransformerBlock) -> tuple[Part, ...]:
    """What stands outside the blocks, every module's numbers, what PEFT builds, and what it adapts by itself."""
    outside = Prose(say("Outside the blocks: {outside}.", outside=", ".join(record.outside)), small=True)
    builds = say("A network of two linear layers, both adapted. “LoRA adds no new layers” is true after merging only: "
                 "while it trains, each adapted layer is a wrapper that holds the old one, A and B. Counted in PEFT "
                 "0.21, without the two wrappers around the network.")  # fmt: skip
    return (
        *((outside,) if record.outside else ()),
        Numbers("modules", table(record), say("Modules as CSV"), say("Modules as JSON")),
        Heading(say("What PEFT builds")),
        Prose(builds),
        Html(lambda theme: STYLE + tree_html(record)),
        Heading(say("PEFT's default modules")),
        Html(lambda theme: targets_html(record)),
    )


LESSON = Lesson(
    id="transformer", menu=to_say("Transformer"), title=to_say("Transformer: where do A and B sit?"),
    claim=to_say("A and B sit in parallel with any linear layer you choose. In training they are modules of their "
                 "own; after merging they are gone."), place=20,
    controls=(*model_controls(MODEL, [title for title, shape in MODELS.items() if shape.kept]), RANK), measure=measure,
    takeaway=takeaway, verdict=verdict, table=table, body=lambda record: (Html(lambda theme: block_html(record,
                                                                                                        theme=theme)),),
    extras=extras, beside=lambda record, settings: no_targets(settings, record.shape), trains=False, seeded=False,
)  # fmt: skip
