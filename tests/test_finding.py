"""What is searched for is found first, in both languages; every lesson has a place, and three others that belong."""

from __future__ import annotations

import json
import subprocess
from functools import cache

import pytest

from lora_viz.content.decks.scenes import Scene
from lora_viz.content.related import NEIGHBOURS
from lora_viz.content.ways import PATHS, QUESTIONS
from lora_viz.finding.index import KINDS, entries, index_json
from lora_viz.finding.place import RELATED, related, standing
from lora_viz.i18n.language import speak
from lora_viz.lessons.decks import shipped_decks
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.walk import lesson, lessons, measured, moved, now_at
from tests.browser import ROOT

SEARCH = """
import { prepared, search } from "SEARCH_JS";
let text = "";
for await (const piece of process.stdin) text += piece;
const { index, asked } = JSON.parse(text), ready = prepared(index);
console.log(JSON.stringify(asked.map((one) => search(ready, one))));
""".replace("SEARCH_JS", (ROOT / "lora_viz" / "finding" / "search.js").as_uri())

FOUND = {
    "en": {
        "why B zero": "gradient_flow?init=B_zero&at=0",
        "safetensors": "inspector",
        "accuracy": "quantised?part=requantised&weight_format=int4",
        "quantization": "glossary#quantisation",
        "optimizers": "glossary#optimiser",
        "learning rate": "choosing",
        "which rank": "rank",
        "vram": "budget",
        "lora_alpha": "glossary#alpha",
        "what is qlora": "quantised",
        "out of memory": "budget",
        "overfiting": "overfit",
        "2106.09685": "machine",
        "use_rslora": "config_card",
    },
    "de": {"warum B null": "gradient_flow?init=B_zero&at=0", "safetensors": "inspector", "quantization": "quantised",
           "Lernrate": "scaling", "welcher Rang": "rank", "Grafikkarte": "budget"},
}  # fmt: skip


@cache
def found(code: str) -> dict[str, list[str]]:
    """The places that the browser's own search finds, best first: all questions in one run of Node."""
    asked = list(FOUND[code])
    with speak(code):
        given = json.dumps({"index": json.loads(index_json()), "asked": asked})
    command = ["node", "--input-type=module", "--eval", SEARCH]
    answered = subprocess.run(command, input=given, capture_output=True, text=True, check=True, timeout=60)
    return {one: [f["place"] for f in places] for one, places in zip(asked, json.loads(answered.stdout), strict=True)}


@pytest.mark.parametrize(("code", "asked"), [(code, asked) for code, own in FOUND.items() for asked in own])
def test_what_is_asked_for_is_among_the_first_three(code: str, asked: str) -> None:
    places = found(code)[asked]
    assert any(place.startswith(FOUND[code][asked]) for place in places[:3]), places


def test_every_place_is_one() -> None:
    """A place is a lesson, its settings are allowed there, its anchor is a word of the glossary."""
    known = {each.id for each in lessons()}
    for entry in entries():
        assert entry.kind in KINDS
        assert entry.title.strip()
        name, _, query = entry.place.partition("#")[0].partition("?")
        assert name in known, entry
        settings = dict(pair.split("=") for pair in query.split("&") if pair)
        settings.pop("at", None)
        allowed(lesson(name), settings)


def allowed(own: Lesson[object], settings: dict[str, str]) -> None:
    answers: dict[str, object] = {}
    for control in own.walk(answers):
        given = settings.pop(control.id, None)
        answers[control.id] = control.usual(own.default) if given is None else control.parse(given)
    assert not settings, f"{own.id} has no {settings}"


def test_every_lesson_can_be_found_by_its_title() -> None:
    titles = {entry.title for entry in entries() if entry.kind == "lesson"}
    assert {each.title for each in (*lessons(), *measured())} == titles


@pytest.mark.parametrize("name", [each.id for each in lessons()])
def test_it_has_a_place_and_three_others_with_the_reason(name: str) -> None:
    at = standing(name)
    assert at.before is not None or at.after is not None
    for stop in (at.before, at.after):
        assert stop is None or lesson(stop.lesson)
    others = related(name)
    assert len({other for other, _ in others}) == RELATED
    assert name not in dict(others) and all(why for _, why in others)
    assert {other for other, _ in others} <= {each.id for each in lessons()}


def test_neighbours_are_named_once() -> None:
    pairs = [frozenset((one, other)) for one, other, _ in NEIGHBOURS]
    assert len(set(pairs)) == len(pairs) and all(len(pair) == 2 for pair in pairs)


def test_a_path_is_walked_from_stop_to_stop() -> None:
    for path in PATHS:
        doors = [now_at(stop.place).partition("?")[0] for stop in path.stops]
        for i, stop in enumerate(path.stops):
            at = standing(doors[i], stop.lesson, wished=path.id)
            assert at.path == path and at.at == i
            assert at.before == (path.stops[i - 1] if i else None)
            assert at.after is not None
            last = f"paths?path={path.id}"
            assert at.after.place == (last if i + 1 == len(path.stops) else path.stops[i + 1].place)


def test_whose_level_it_is_decides_the_path() -> None:
    own = {path.level: path.id for path in PATHS}
    for level in own:
        at = standing("gradient_flow", level=level)
        assert at.path is not None
        assert at.path.id == (own[level] if level != "practitioner" else "newcomer"), "the first that has it"


def test_questions_open_their_lesson_at_settings_that_it_has() -> None:
    assert 10 <= len(QUESTIONS) <= 14, "about a dozen"
    for asked in QUESTIONS:
        name, _, query = now_at(asked.place).partition("?")
        settings = dict(pair.split("=") for pair in query.split("&") if pair)
        settings.pop("at", None)
        allowed(lesson(name), settings)


def test_the_first_tour_is_the_newcomers_path_and_ends_with_the_ways_on() -> None:
    scenes: tuple[Scene, ...] = shipped_decks()["tour"].scenes
    pages = iter(scene.page for scene in scenes)
    newcomer = PATHS[0]
    assert all(now_at(stop.place).partition("?")[0] in pages for stop in newcomer.stops), "in this order"
    assert scenes[-1].page == "paths" and dict(scenes[-1].settings) == {"path": newcomer.id}


@pytest.mark.parametrize("old", list(moved()))
def test_a_part_is_played_by_its_old_name_and_behind_its_door_alike(old: str) -> None:
    door, part = moved()[old]
    assert lesson(old) is part
    settings = door.settings(part=part.id)
    assert settings.experiment == part.settings().experiment
    assert {name: settings[name] for name, _ in part.settings().options} == dict(part.settings().options)
    assert door.seen_as(settings) is part
    assert now_at(f"{old}?seed=3") == f"{door.id}?part={part.id}&seed=3"


def test_what_a_name_that_is_gone_said_of_its_part_is_still_heard() -> None:
    for old, (door, part) in moved().items():
        if old != part.id:
            others = [each.id for each in door.parts if each is not part]
            assert now_at(f"{old}?part={others[-1]}&seed=3") == f"{door.id}?part={others[-1]}&seed=3"
