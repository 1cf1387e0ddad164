"""The next scene is measured while this one is looked at: it is there when it is opened, and nobody waits for it."""

import time
from collections.abc import Callable

import pytest

from lora_viz.content.decks.scenes import Deck, Scene
from lora_viz.lessons.lab import RESULTS
from lora_viz.lessons.walk import lesson
from lora_viz.ui import preparing
from lora_viz.ui.preparing import MOST, prepare_next
from lora_viz.ui.presenting import Presented

SEED = "4242"  # of no other test: what is asked for here is not known yet


def at(*pages: str) -> Presented:
    """The first of these scenes, the next one with a seed of its own."""
    scenes = (
        Scene(page=pages[0], caption="c"),
        *(Scene(page=p, caption="c", settings=(("seed", SEED),)) for p in pages[1:]),
    )
    return Presented("d", Deck(title="t", about="", scenes=scenes), 0)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "this never came true"
        time.sleep(0.01)


def places_free() -> bool:
    """Whether nothing is prepared any more."""
    return preparing._places._value == MOST  # type: ignore[attr-defined]


@pytest.fixture
def visit(monkeypatch: pytest.MonkeyPatch) -> preparing._Preparing:
    """One visit's state."""
    state = preparing._Preparing()
    monkeypatch.setattr(preparing, "of_visit", lambda kind: state)
    until(places_free)
    return state


@pytest.mark.usefixtures("visit")
def test_the_next_scene_is_there_when_it_is_opened() -> None:
    before = RESULTS.counts()
    prepare_next(at("rank", "merge"))
    until(places_free)
    prepared = RESULTS.counts()
    assert prepared.computed > before.computed
    prepare_next(at("rank", "merge"))  # its page runs again
    until(places_free)
    lesson("merge").read({"seed": SEED})
    assert RESULTS.counts().computed == prepared.computed, "nothing was left to compute"


def test_who_goes_on_elsewhere_ends_it(visit: preparing._Preparing) -> None:
    before = RESULTS.counts()
    prepare_next(at("rank", "width"))
    until(lambda: RESULTS.counts().running > 0)
    prepare_next(None)
    until(places_free)
    until(lambda: RESULTS.counts().running == 0)
    after = RESULTS.counts()
    assert visit.scene is None
    assert after.dropped > before.dropped


@pytest.mark.usefixtures("visit")
def test_a_last_scene_and_a_page_without_a_film_prepare_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(preparing.threading, "Thread", lambda **given: started.append(given))
    prepare_next(at("rank"))
    prepare_next(at("rank", "glossary"))
    assert not started and places_free()


def test_all_visits_together_get_so_many_places(visit: preparing._Preparing, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(MOST):
        assert preparing._places.acquire(blocking=False)
    try:
        prepare_next(at("rank", "merge"))
        assert visit.scene is None, "it is tried again when its page runs again"
    finally:
        preparing._places.release(MOST)
