"""What is asked before a picture is shown, with its answer, which is read from the film."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lora_viz.content.decks.scenes import DeckError, Question
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Curves, Lines, Readout
from lora_viz.film.style import number
from lora_viz.i18n.language import english, listed, say

__all__ = ["asked_first", "number_asked_for"]


def asked_first(film: Film, question: Question) -> dict[str, Any]:
    """The question with its answer, read from the film: what the player needs. Raises DeckError: nothing to read.

    A deck names panels and curves by their ids; one that names them by their English titles is read too.
    """
    panel = _panel(film, question)
    if question.kind == "curve" and not isinstance(panel, Lines):
        raise DeckError(
            say("panel={given} has no curves over the playhead's axis: none can be drawn.", given=question.panel[:60])
        )
    frame = int(abs(film.values - question.at).argmin())
    places, shown, values = zip(*(_reading(panel, name, frame) for name in question.series), strict=True)
    names = [name.rstrip(":") for name in shown]  # a legend's colon announces the value at the playhead
    if question.kind == "choice":
        best = values.index(max(values) if question.take == "largest" else min(values))
        readings = listed(f"{name} {number(v)}" for name, v in zip(names, values, strict=True))
        return {
            "kind": "choice",
            "text": say(question.text),
            "panel": film.panels.index(panel),
            "choices": names,
            "answer": best,
            "measured": say("{readings}: the largest is {name}", readings=readings, name=names[best])
            if question.take == "largest"
            else say("{readings}: the smallest is {name}", readings=readings, name=names[best]),
        }
    return {
        "kind": question.kind,
        "text": say(question.text),
        "panel": film.panels.index(panel),
        "series": places[0],
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


def number_asked_for(film: Film, question: Question) -> float:
    """What was measured where the question asks for a number. Raises DeckError: nothing to read."""
    return _reading(_panel(film, question), question.series[0], int(abs(film.values - question.at).argmin()))[2]


def _panel(film: Film, question: Question) -> Any:
    panel = next((p for p in film.panels if question.panel in (p.id, english(p.title))), None)
    if panel is None:
        ids = ", ".join(p.id for p in film.panels)
        raise DeckError(
            say(
                "panel={given} is not in this picture. Valid values: {allowed}.", given=question.panel[:60], allowed=ids
            )
        )
    return panel


def _reading(panel: Any, name: str, frame: int) -> tuple[int, str, float]:
    """Which curve or bar this is, what its panel calls it, and its number at a frame. Raises DeckError."""
    if isinstance(panel, Curves):
        raise DeckError(
            say("panel={title} has an axis of its own: ask of a panel over the playhead's axis.", title=panel.title)
        )
    if isinstance(panel, Readout):
        raise DeckError(say("panel={title} holds texts: ask of a panel with curves or bars.", title=panel.title))
    if not isinstance(panel, (Lines, Bars)):
        raise DeckError(
            say("panel={title} shows a matrix or a map: ask of a panel with curves or bars.", title=panel.title)
        )
    readings = list(_readings(panel, frame))
    for place, (id, shown, value) in enumerate(readings):
        if name in (id, english(shown)):
            return place, shown, value
    raise DeckError(
        say(
            "series={given} is not in {panel}. Valid values: {allowed}.",
            given=name[:40], panel=panel.id, allowed=", ".join(id for id, _, _ in readings),
        )
    )  # fmt: skip


def _readings(panel: Lines | Bars, frame: int) -> Iterator[tuple[str, str, float]]:
    """Id, name and number of every curve, or of every bar: the bar's own id, or its group's before it."""
    if isinstance(panel, Lines):
        yield from ((series.id, series.name, float(series.y[frame])) for series in panel.series)
        return
    for group in panel.groups:
        values = group.values if group.values.ndim == 1 else group.values[frame]
        for id, label, value in zip(panel.bar_ids or panel.labels, panel.labels, values, strict=True):
            yield id, label, float(value)
            yield f"{group.id} {id}", f"{group.name} {label}", float(value)
