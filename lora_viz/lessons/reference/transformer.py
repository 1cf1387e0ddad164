"""Transformer: where in a block A and B sit, which of its matrices are adapted, and what that adds."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

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
from lora_viz.lessons.reference.block_drawing import Block, drawings
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, true_here

__all__ = [
    "LESSON", "TransformerBlock", "block_html", "table", "takeaway", "targets_html", "transformer_block", "tree_html",
    "with_peft",
]  # fmt: skip

MODEL = "Llama-3.1-8B"

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
    """The block as a drawing, left to right, and for a narrow screen from above to below."""
    count = say("A transformer block with its {matrices} matrices.", matrices=len(record.matrices))
    block = Block(record.matrices, frozenset(record.targets), record.rank, f"{count} {takeaway(record)}")
    return drawings(block, IDENTITY[theme])


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
