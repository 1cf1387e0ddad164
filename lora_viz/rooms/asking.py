"""What a room is asked of a picture: a deck's question, with the axes of its panel and what was measured, off the film.

In every language that the playground speaks, so that each phone reads its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lora_viz.content.decks.asking import asked_first, number_asked_for
from lora_viz.content.decks.scenes import Question as Scripted
from lora_viz.content.questions import Answered
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Lines
from lora_viz.i18n.language import english, language, languages, say, speak
from lora_viz.i18n.outside import plain
from lora_viz.rooms.question import MOST_CHOICES, MOST_PLACES, Question, Wording

__all__ = ["axis_ends", "of_film", "of_lesson", "places_of"]


def of_film(film: Film, scripted: Scripted) -> Question:
    """The question of a scene. Raises DeckError: this picture cannot answer it."""
    asked = asked_first(film, scripted)
    panel: Any = film.panels[asked["panel"]]
    low, high = axis_ends(panel)
    curve = scripted.kind == "curve"
    values = panel.series[asked["series"]].y if curve else None
    at = places_of(len(film.values)) if curve else np.array([], dtype=int)

    def worded() -> Wording:
        names = tuple(plain(say(str(english(name)))).rstrip(":") for name in asked.get("choices", ()))
        return Wording(
            text=plain(say(scripted.text)), choices=names[:MOST_CHOICES],
            axis=plain(say(film.axis)), values=plain(say(str(english(panel.y_label)))),
        )  # fmt: skip

    return Question(
        kind=scripted.kind,  # type: ignore[arg-type]
        words=_in_every_language(worded),
        truth=_truth(asked, film, scripted, panel, None if values is None else values[at]),
        measured=plain(asked["measured"]),
        low=low,
        high=high,
        scale=panel.scale,
        places=tuple(map(float, film.values[at])),
        x_scale=getattr(panel, "x_scale", "linear"),
    )


def of_lesson(asked: Callable[[], Answered]) -> Question:
    """The question that ends a lesson; ``asked`` measures it in the language that is spoken. Raises Unanswerable."""
    own = asked()

    def worded() -> Wording:
        found = asked()
        return Wording(plain(found.text), tuple(map(plain, found.choices)))

    measured = f"{own.choices[own.right]}. {own.told} {own.why}"
    return Question(kind="choice", words=_in_every_language(worded), truth=own.right, measured=plain(measured))


def _in_every_language(worded: Callable[[], Wording]) -> tuple[tuple[str, Wording], ...]:
    own = language()
    found = [(own, worded())]
    for code in languages():
        if code != own:
            with speak(code):
                found.append((code, worded()))
    return tuple(found)


def _truth(asked: dict[str, Any], film: Film, scripted: Scripted, panel: Any, curve: np.ndarray | None) -> Any:
    if curve is not None:
        return tuple(float(y) if np.isfinite(y) else None for y in curve)
    if scripted.kind == "choice":
        return int(asked["answer"])
    value = number_asked_for(film, scripted)
    return float(value) if np.isfinite(value) else None


def places_of(frames: int) -> np.ndarray:
    """The frames at which a curve is asked for: all where they are few, else evenly many, both ends among them."""
    return np.unique(np.linspace(0, frames - 1, min(frames, MOST_PLACES)).round().astype(int))


def axis_ends(panel: Lines | Bars) -> tuple[float, float]:
    """The ends of the panel's axis of values, by the player's rule: whole powers of ten, or from 0 to a bit above."""
    if isinstance(panel, Lines):
        arrays = [each for s in panel.series for each in (s.y, s.low, s.high) if each is not None]
    else:
        arrays = [group.values for group in panel.groups]
    every = np.concatenate([np.ravel(each) for each in arrays]) if arrays else np.array([])
    every = every[np.isfinite(every)]
    if panel.scale == "log":
        above = every[every > 0]
        low, high = (float(above.min()), float(above.max())) if len(above) else (0.1, 1.0)
        low, high = 10 ** np.floor(np.log10(low) + 1e-9), 10 ** np.ceil(np.log10(high) - 1e-9)
        return float(low), float(high * 10 if low == high else high)
    low = min(0.0, float(every.min(initial=0.0)))
    high = max(float(every.max(initial=low)), float(getattr(panel, "reach", 0.0)))
    high = low + 1 if high <= low else high
    return low, high + 0.04 * (high - low)
