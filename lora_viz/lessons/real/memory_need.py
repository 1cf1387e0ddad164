"""The memory that a training step holds: weights, gradients, optimiser and activations, one on top of the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from lora_viz.costs.budget import GPU_SIZES, METHODS, Budget, fit
from lora_viz.film.style import IDENTITY, number, percent, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = ["MemoryNeed", "cards", "figure", "gb", "memory_need", "table", "takeaway"]

_LOOKS = {
    to_say("weights"): ("W", ""), to_say("gradients"): ("W", "/"), to_say("optimiser"): ("ink", ""),
    to_say("activations, loss, temporaries"): ("faint", "."),
}  # fmt: skip
_NAMES = (to_say("full fine-tuning"), "LoRA", "QLoRA")


class MemoryNeed(NamedTuple):
    """Gigabytes (10⁹ bytes) a method and part."""

    budget: Budget
    need: Float[np.ndarray, "3 4"]


def memory_need(budget: Budget) -> MemoryNeed:
    """Put the three methods' bytes side by side."""
    return MemoryNeed(budget, np.array([m[:4] for m in budget.memory]) / 1e9)


def smallest(gigabytes: float) -> str:
    """The smallest card that this fits on, if one does."""
    fits = [size for size in GPU_SIZES if gigabytes <= size]
    if not fits:
        return say("{cards} cards of {size} GB", cards=int(np.ceil(gigabytes / GPU_SIZES[-1])), size=GPU_SIZES[-1])
    if fits[0] in (8, 80):
        return say("an {size} GB card", size=fits[0])
    return say("a {size} GB card", size=fits[0])


def takeaway(record: MemoryNeed) -> str:
    """What was computed, in the record's own numbers."""
    full, lora, qlora = record.need.sum(axis=1)
    said = say("Full fine-tuning takes {full}, LoRA {lora} and QLoRA {qlora}. {frozen} of LoRA's memory is weights. "
               "Apart from what is left out (listed below), these would fit on {full_card}, {lora_card} and "
               "{qlora_card}, respectively.",
               full=gb(full), lora=gb(lora), qlora=gb(qlora), frozen=percent(float(record.need[1, 0] / lora)),
               full_card=smallest(full),
               lora_card=smallest(lora), qlora_card=smallest(qlora))  # fmt: skip
    return f"{said} {_activations(record)}"


def _activations(record: MemoryNeed) -> str:
    """What the activations do, or that nothing is known of them."""
    if not record.budget.shape.kept and record.budget.shape.model_type != "unet":
        return say("Activations are not in it: they are not modelled for this architecture.")
    if not record.budget.shape.kept:
        return say("Activations are not included: those of this model depend on the image size.")
    tokens = record.budget.tokens
    full, lora = (m.held for m in record.budget.memory[:2])
    shrunk = 100 * (1 - lora / full) if full else 0.0
    if abs(shrunk) < 0.5:
        return say("The activations of {tokens} tokens take as much memory as in full fine-tuning.", tokens=tokens)
    if shrunk > 0:
        return say("The activations of {tokens} tokens take {share:.0f} % less memory than in full fine-tuning.",
                   tokens=tokens, share=shrunk)  # fmt: skip
    return say("The activations of {tokens} tokens take {share:.0f} % more memory than in full fine-tuning.",
               tokens=tokens, share=-shrunk)  # fmt: skip


def gb(value: float) -> str:
    """Gigabytes in words."""
    return f"{number(value)} GB"


def table(record: MemoryNeed) -> dict[str, np.ndarray]:
    """One row a method."""
    columns = {part: record.need[:, i] for i, part in enumerate(_LOOKS)}
    return {"method": np.array(METHODS), **columns, "total": record.need.sum(axis=1)}


def cards(record: MemoryNeed) -> dict[str, list[str]]:
    """Yes, tight or no for each named card and method, with what is left or lacks."""
    words = {"yes": to_say("yes, {margin} GB left"), "tight": to_say("tight, {margin} GB left"),
             "no": to_say("no, {margin} GB short")}  # fmt: skip
    fits = [fit(m) for m in record.budget.memory]
    columns = {say("card"): [f.card for f in fits[0]]}
    for name, found in zip(_NAMES, fits, strict=True):
        columns[say(name)] = [say(words[f.answer], margin=number(abs(f.margin) / 1e9)) for f in found]
    return columns


def figure(record: MemoryNeed, *, theme: str = "light") -> go.Figure:
    """One stacked bar a method, its parts end to end, against the sizes of cards, each with its name."""
    colour, paper = IDENTITY[theme], "rgba(0,0,0,0)"
    drawn = go.Figure()
    totals = record.need.sum(axis=1)
    start = np.cumsum(record.need, axis=1) - record.need
    names = [  # with its sum: beside a long bar a narrow screen has no room for it
        f"{say(name).replace(' ', '<br>', 1)}<br><b>{number(total)} GB</b>"
        for name, total in zip(_NAMES, totals, strict=True)
    ]
    for i, (part, (name, pattern)) in enumerate(_LOOKS.items()):
        marker = {"color": colour[name], "pattern": {"shape": pattern, "fgcolor": colour["ink"], "bgcolor": paper},
                  "line": {"color": colour["ink"], "width": 1}}  # fmt: skip
        drawn.add_bar(y=names, x=record.need[:, i], base=start[:, i], width=0.62, orientation="h",
                      name=say(part), marker=marker,
                      hovertemplate=f"{say(part)}: %{{x:.3g}} GB<extra></extra>")  # fmt: skip
    top = max(float(totals.max()), GPU_SIZES[0])
    written = [-top, -top]  # in two rows: what stands near to each other still has its name
    for size in (size for size in GPU_SIZES if size <= 1.1 * top):
        drawn.add_vline(x=size, line={"color": colour["ink"], "width": 2, "dash": "dot"}, layer="below")
        row = next((row for row, last in enumerate(written) if size - last >= 0.1 * top), None)
        if row is None:
            continue  # a line for each, a name where there is room
        written[row] = size
        drawn.add_annotation(x=size, y=1, yref="paper", yanchor="bottom", text=f"{size}", yshift=19 * row,
                             showarrow=False, font={"size": 16, "color": colour["ink"]})  # fmt: skip
    drawn.update_xaxes(range=[0, 1.1 * top], tickfont={"size": 16}, ticksuffix=" GB", nticks=5, showgrid=False)
    drawn.update_yaxes(tickfont={"size": 16}, autorange="reversed", showgrid=False)
    legend = {"orientation": "h", "y": -0.16, "yanchor": "top", "x": -0.3, "font": {"size": 16}}
    dotted = say("dotted: cards of {sizes} GB", sizes=", ".join(map(str, GPU_SIZES)))
    drawn.update_layout(**plotly_layout(
        title=f"{say('Memory of a training step')}<br><span style='font-size: 0.85em'>{dotted}</span>",
        margin={"l": 112, "r": 10, "t": 124, "b": 84},
        legend=legend, barmode="overlay", height=420, font={"size": 19},
    ))  # fmt: skip
    return drawn
