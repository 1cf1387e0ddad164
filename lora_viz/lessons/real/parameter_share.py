"""The share of a real model that is trained: every layer to scale, the factors beside the weights they ride on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from lora_viz.costs.budget import Budget
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say

__all__ = ["ParameterShare", "figure", "parameter_share", "table", "takeaway"]


class ParameterShare(NamedTuple):
    """Boxes that make up the model and its adapter: label, size, and what each is (target, frozen, rest, A, B).

    ``unmerged`` and ``training`` are the multiply–adds of a token in all linear layers, as shares of the base model's
    forward pass and of full fine-tuning.
    """

    title: str
    labels: tuple[str, ...]
    sizes: tuple[int, ...]
    kinds: tuple[str, ...]
    rank: int
    targets: tuple[str, ...]
    modules: int
    trained: int
    touched: int
    total: int
    unmerged: float
    training: float


def parameter_share(budget: Budget) -> ParameterShare:
    """Sum up the model's parameters by module, and those of all A and of all B."""
    shape = budget.shape
    boxes: list[tuple[str, int, str]] = []
    for name in shape.names:
        weights = sum(m.weights for m in shape.matrices if m.name == name)
        boxes.append((name, weights, "target" if name in budget.targets else "frozen"))
    boxes += [(name, size, "rest") for name, size in shape.rest.items() if size]
    chosen = shape.chosen(budget.targets)
    boxes.append(("A", budget.rank * sum(m.d_in * m.copies for m in chosen), "A"))
    boxes.append(("B", budget.rank * sum(m.d_out * m.copies for m in chosen), "B"))
    labels, sizes, kinds = zip(*boxes, strict=True)
    return ParameterShare(
        title=shape.title,
        labels=labels,
        sizes=sizes,
        kinds=kinds,
        rank=budget.rank,
        targets=budget.targets,
        modules=sum(m.copies for m in chosen),
        trained=budget.trained,
        touched=budget.touched,
        total=shape.total,
        unmerged=budget.forward[1] / budget.forward[0],
        training=budget.training[1] / budget.training[0],
    )


def takeaway(record: ParameterShare) -> str:
    """What was counted, in the record's own numbers."""
    touched = record.touched / record.trained
    values = {
        "rank": record.rank,
        "targets": ", ".join(record.targets),
        "modules": record.modules,
        "trained": record.trained,
        "share": number(100 * record.trained / record.total),
        "title": record.title,
        "total": record.total,
        "touched": record.touched,
    }
    if touched >= 1:
        counted = say("Rank {rank} on {targets}, {modules} matrices, trains {trained:,} numbers, {share} % of "
                      "{title}'s {total:,}; the matrices it touches hold {times} times as many ({touched:,}).",
                      times=number(touched), **values)  # fmt: skip
    else:
        counted = say("Rank {rank} on {targets}, {modules} matrices, trains {trained:,} numbers, {share} % of "
                      "{title}'s {total:,}; more than the {touched:,} of the matrices it touches: the rank is past "
                      "break-even.", **values)  # fmt: skip
    work = say("Unmerged, a token's multiply–adds are {unmerged} % more, merged none; in training {training} % of full "
               "fine-tuning's.", unmerged=number(100 * (record.unmerged - 1)),
               training=number(100 * record.training))  # fmt: skip
    return f"{counted} {work}"


def table(record: ParameterShare) -> dict[str, np.ndarray]:
    """The boxes, one a row."""
    return {"what": np.array(record.labels), "parameters": np.array(record.sizes), "kind": np.array(record.kinds)}


def figure(record: ParameterShare, *, theme: str = "light") -> go.Figure:
    """The boxes as a tree map, areas to scale: grey is frozen, all A and all B together are the two coloured ones."""
    colour = IDENTITY[theme]
    fill = {
        "target": colour["W"],
        "frozen": colour["faint"],
        "rest": colour["faint"],
        "A": colour["A"],
        "B": colour["B"],
    }
    order = sorted(range(len(record.sizes)), key=lambda i: (record.kinds[i] in "AB", -record.sizes[i]))
    ids = [record.labels[i] for i in order]
    labels = [say(record.labels[i]) if record.kinds[i] == "rest" else record.labels[i] for i in order]
    share = [f"{number(100 * record.sizes[i] / record.total)} %" for i in order]
    drawn = go.Figure(
        go.Treemap(
            labels=["", *labels],
            ids=["model", *ids],
            parents=["", *["model"] * len(order)],
            values=[sum(record.sizes), *(record.sizes[i] for i in order)],
            text=["", *share],
            branchvalues="total",
            textinfo="label+text",
            hovertemplate=say("%{label}: %{value:,} numbers, %{text} of the model") + "<extra></extra>",
            marker={
                "colors": ["rgba(0,0,0,0)", *(fill[record.kinds[i]] for i in order)],
                "pad": {"t": 0, "l": 0, "r": 0, "b": 0},
            },
            pathbar={"visible": False},
            tiling={"pad": 2},
            sort=False,
            textfont={"size": 21, "color": "#ffffff" if theme == "light" else "#10141b"},
        )
    )
    a, b = (100 * record.sizes[record.kinds.index(kind)] / record.total for kind in ("A", "B"))
    drawn.add_annotation(
        text=(
            f"<b>{say('trained:')} <span style='color:{colour['A']}'>A {number(a)} %</span>, "
            f"<span style='color:{colour['B']}'>B {number(b)} %</span></b>"
        ),
        x=1,
        y=0,
        xref="paper",
        yref="paper",
        xanchor="right",
        yanchor="top",
        showarrow=False,
        font={"size": 26, "color": colour["ink"]},
    )
    drawn.update_layout(
        **plotly_layout(
            title=say("{title}'s parameters, areas to scale", title=record.title),
            margin={"l": 4, "r": 4, "t": 44, "b": 50},
            height=400,
            font={"size": 19},
        )
    )
    return drawn
