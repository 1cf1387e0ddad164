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
    """Boxes that make up the model and its adapter: label, size, and what each is (target, frozen, rest, A, B)."""

    budget: Budget
    labels: tuple[str, ...]
    sizes: tuple[int, ...]
    kinds: tuple[str, ...]


def parameter_share(budget: Budget) -> ParameterShare:
    """Sum up the model's parameters by module, and those of all A and of all B."""
    shape, chosen = budget.shape, budget.shape.chosen(budget.targets)
    boxes: list[tuple[str, int, str]] = []
    for name in shape.names:
        weights = sum(m.weights for m in shape.matrices if m.name == name)
        boxes.append((name, weights, "target" if name in budget.targets else "frozen"))
    boxes += [(name, size, "rest") for name, size in shape.rest.items() if size]
    boxes.append(("A", budget.rank * sum(m.d_in * m.copies for m in chosen), "A"))
    boxes.append(("B", budget.rank * sum(m.d_out * m.copies for m in chosen), "B"))
    labels, sizes, kinds = zip(*boxes, strict=True)
    return ParameterShare(budget, labels, sizes, kinds)


def takeaway(record: ParameterShare) -> str:
    """What was counted, in the record's own numbers."""
    b, times = record.budget, record.budget.touched / record.budget.trained
    values = {
        "rank": b.rank, "targets": ", ".join(b.targets), "modules": sum(m.copies for m in b.shape.chosen(b.targets)),
        "trained": b.trained, "share": number(100 * b.share), "title": b.shape.title, "total": b.shape.total,
        "touched": b.touched,
    }  # fmt: skip
    if times >= 1:
        counted = say("Rank {rank} on {targets} (matrices: {modules}) trains {trained:,} parameters, {share} % of "
                      "{title}'s {total:,}. The matrices that it adapts hold {times} times as many ({touched:,}).",
                      times=number(times), **values)  # fmt: skip
    else:
        counted = say("Rank {rank} on {targets} (matrices: {modules}) trains {trained:,} parameters, {share} % of "
                      "{title}'s {total:,}. That is more than the matrices that it adapts hold ({touched:,}).",
                      **values)  # fmt: skip
    work = say("Per token, an unmerged adapter needs {unmerged} % more multiply–adds and a merged one none. Training "
               "needs {training} % of those of full fine-tuning.",
               unmerged=number(100 * (b.forward[1] / b.forward[0] - 1)),
               training=number(100 * (b.training[1] / b.training[0])))  # fmt: skip
    return f"{counted} {work}"


def table(record: ParameterShare) -> dict[str, np.ndarray]:
    """The boxes, one a row."""
    return {"what": np.array(record.labels), "parameters": np.array(record.sizes), "kind": np.array(record.kinds)}


def figure(record: ParameterShare, *, theme: str = "light") -> go.Figure:
    """The boxes as a tree map, areas to scale: grey is frozen, all A and all B together are the two coloured ones."""
    colour, total = IDENTITY[theme], record.budget.shape.total
    fill = {kind: colour["faint"] for kind in ("frozen", "rest")} | {"target": colour["W"]}
    boxes = list(zip(record.labels, record.sizes, record.kinds, strict=True))
    boxes.sort(key=lambda box: (box[2] in "AB", -box[1]))
    drawn = go.Figure(go.Treemap(
        labels=["", *(say(label) if kind == "rest" else label for label, _, kind in boxes)],
        ids=["model", *(label for label, _, _ in boxes)], parents=["", *["model"] * len(boxes)],
        values=[sum(record.sizes), *(size for _, size, _ in boxes)],
        text=["", *(f"{number(100 * size / total)} %" for _, size, _ in boxes)],
        branchvalues="total", textinfo="label+text",
        hovertemplate=say("%{label}: %{value:,} numbers, %{text} of the model") + "<extra></extra>",
        marker={"colors": ["rgba(0,0,0,0)", *(fill.get(kind) or colour[kind] for _, _, kind in boxes)],
                "pad": {"t": 0, "l": 0, "r": 0, "b": 0}},
        pathbar={"visible": False}, tiling={"pad": 2}, sort=False,
        textfont={"size": 21, "color": "#ffffff" if theme == "light" else "#10141b"},
    ))  # fmt: skip
    a, b = (100 * record.sizes[record.kinds.index(kind)] / total for kind in ("A", "B"))
    trained = (
        f"<b>{say('trained:')} <span style='color:{colour['A']}'>A {number(a)} %</span>, "
        f"<span style='color:{colour['B']}'>B {number(b)} %</span></b>"
    )
    drawn.add_annotation(text=trained, x=1, y=0, xref="paper", yref="paper", xanchor="right", yanchor="top",
                         showarrow=False, font={"size": 26, "color": colour["ink"]})  # fmt: skip
    title = say("{title}'s parameters, areas to scale", title=record.budget.shape.title)
    margin = {"l": 4, "r": 4, "t": 44, "b": 50}
    drawn.update_layout(**plotly_layout(title=title, margin=margin, height=400, font={"size": 19}))
    return drawn
