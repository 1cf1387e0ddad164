"""What a room is asked of a lesson: a deck's question and a lesson's own, off the film, in every language."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lora_viz.content.decks.scenes import Question as Scripted
from lora_viz.lessons.decks import shipped_decks
from lora_viz.lessons.walk import lesson
from lora_viz.rooms.asking import axis_ends, of_film, of_lesson, places_of
from lora_viz.rooms.question import MOST_PLACES
from lora_viz.rooms.thought import thought


def test_every_question_of_every_deck_can_be_put_to_a_room() -> None:
    deck = shipped_decks()["five_minutes"]
    for scene in deck.scenes:
        if scene.question is None:
            continue
        film = lesson(scene.page).read(dict(scene.settings)).film
        assert film is not None
        question = of_film(film, scene.question)
        texts = {code: wording.text for code, wording in question.words}
        assert texts["en"] == scene.question.text != texts["de"]
        assert question.low < question.high
        if question.kind == "choice":
            assert question.choices == len(scene.question.series)
        else:
            assert question.truth == pytest.approx(np.sqrt(0.5), rel=0.2)


def test_a_curve_is_asked_at_places_of_the_film_and_known_there() -> None:
    film = lesson("truncation").play(shape_of_spectrum="power").film
    assert film is not None
    asked = Scripted(kind="curve", text="Draw.", panel="error", series=("svd",))
    question = of_film(film, asked)
    panel: Any = film.panel("error")
    at = [list(film.values).index(place) for place in question.places]
    np.testing.assert_array_equal(question.truth, panel.part("svd").y[at])
    assert len(question.places) <= MOST_PLACES and question.places[-1] == film.values[-1]
    assert len(places_of(1000)) == MOST_PLACES and places_of(7).tolist() == list(range(7))
    top = max(s.y.max() for s in panel.series)
    low, high = axis_ends(panel)
    assert low <= 0 < top <= high <= top * 1.05 or panel.scale == "log"
    assert thought(question, [tuple(question.truth)]).near == 1  # type: ignore[arg-type]


def test_a_lessons_question_is_put_in_every_language() -> None:
    question = of_lesson(lambda: lesson("gauge").play().ask())  # type: ignore[arg-type, return-value]
    english, german = question.worded("en"), question.worded("de")
    assert question.kind == "choice" and isinstance(question.truth, int)
    assert english.text != german.text and len(english.choices) == len(german.choices) == question.choices
