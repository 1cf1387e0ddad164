"""What is asked before a picture is shown, and what does the picture answer? The answer is read from the film."""

from __future__ import annotations

from typing import Any

from lora_viz.decks.scenes import DeckError, Question
from lora_viz.film.panels import Curves, Film, Lines, Readout, Series
from lora_viz.film.style import number
from lora_viz.i18n.language import english, say

__all__ = ["asked_first"]


def asked_first(film: Film, question: Question) -> dict[str, Any]:
    """The question with its answer, read from the film: what the player needs. Raises DeckError: nothing to read.

    A deck names panels and curves in English, whatever is spoken; the player is told what stands in its pictures.
    """
    panel = next((p for p in film.panels if english(p.title) == question.panel), None)
    if panel is None:
        titles = ", ".join(english(p.title) for p in film.panels)
        raise DeckError(
            say(
                "panel={given} is not in this picture: allowed are {allowed}.",
                given=question.panel[:60],
                allowed=titles,
            )
        )
    if question.kind == "curve" and not isinstance(panel, Lines):
        raise DeckError(
            say("panel={given} has no curves over the playhead's axis: none can be drawn.", given=question.panel[:60])
        )
    frame = int(abs(film.values - question.at).argmin())
    shown, values = zip(*(_reading(panel, name, frame) for name in question.series), strict=True)
    names = [name.rstrip(":") for name in shown]  # a legend's colon announces the value at the playhead
    if question.kind == "choice":
        best = values.index(max(values) if question.take == "largest" else min(values))
        readings = ", ".join(f"{name} {number(v)}" for name, v in zip(names, values, strict=True))
        return {
            "kind": "choice",
            "text": say(question.text),
            "choices": names,
            "answer": best,
            "measured": say("{readings}: the largest is {name}", readings=readings, name=names[best])
            if question.take == "largest"
            else say("{readings}: the smallest is {name}", readings=readings, name=names[best]),
        }
    return {
        "kind": question.kind,
        "text": say(question.text),
        "panel": panel.title,
        "series": shown[0],
        "measured": say("the solid curve")
        if question.kind == "curve"
        else say(
            "{name} {value} at {axis} {place:g}",
            name=names[0],
            value=number(values[0]),
            axis=say(film.axis),
            place=film.values[frame],
        ),
    }


def _reading(panel: Any, name: str, frame: int) -> tuple[str, float]:
    """What a panel calls this curve or bar, named in English, and the number that it shows there at a frame."""
    if isinstance(panel, Lines):
        found = next((s for s in panel.series if english(s.name) == name), None)
        if isinstance(found, Series):
            return found.name, float(found.y[frame])
        names = [s.name for s in panel.series]
    elif isinstance(panel, Curves):
        raise DeckError(
            say("panel={title} has an axis of its own: ask of a panel over the playhead's axis.", title=panel.title)
        )
    elif isinstance(panel, Readout):
        raise DeckError(say("panel={title} holds texts: ask of a panel with curves or bars.", title=panel.title))
    elif hasattr(panel, "groups"):
        for group in panel.groups:
            values = group.values if group.values.ndim == 1 else group.values[frame]
            for label, value in zip(panel.labels, values, strict=True):
                if name == english(label):
                    return label, float(value)
                if name == f"{english(group.name)} {english(label)}":
                    return f"{group.name} {label}", float(value)
        names = list(panel.labels)
    else:
        raise DeckError(
            say("panel={title} shows a matrix or a map: ask of a panel with curves or bars.", title=panel.title)
        )
    raise DeckError(
        say(
            "series={given} is not in {panel}: allowed are {allowed}.",
            given=name[:40],
            panel=english(panel.title),
            allowed=", ".join(map(english, names)),
        )
    )
