"""Where a lesson stands: its section, its stop on a path, what comes before and after, and what belongs with it."""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.content.literature import PAPERS
from lora_viz.content.related import NEIGHBOURS
from lora_viz.content.ways import PATHS, Path, Stop
from lora_viz.i18n.language import say
from lora_viz.lessons.walk import lesson, lessons, now_at, section_of, sections

__all__ = ["Standing", "path_of", "related", "standing"]

RELATED = 3


class Standing(NamedTuple):
    """Where a lesson stands: on this path at this stop, or on none, then among its section; and its neighbours there.

    ``before`` and ``after`` are stops: the question that is answered there, and the place.
    """

    section: str
    path: Path | None
    at: int
    before: Stop | None
    after: Stop | None


def _door(place: str) -> str:
    return now_at(place).partition("?")[0]


def path_of(name: str, wished: str | None = None, level: str = "practitioner") -> tuple[Path, int] | None:
    """The path that this lesson is seen on: the wished one, else the level's, else the first that has it."""
    order = [wished, *(path.id for path in PATHS if path.level == level), *(path.id for path in PATHS)]
    for path_id in order:
        path = next((each for each in PATHS if each.id == path_id), None)
        stops = [_door(stop.place) for stop in path.stops] if path else []
        if path and name in stops:
            return path, stops.index(name)
    return None


def standing(name: str, part: str = "", wished: str | None = None, level: str = "practitioner") -> Standing:
    """Where the lesson of this id stands; ``part`` is what is seen of one that joins several."""
    section, own = sections()[section_of(name)]
    found = path_of(name, wished, level)
    if found is None:
        at = [each.id for each in own].index(name)
        stops = [Stop(each.title, each.id) for each in own]
        before, after = stops[at - 1] if at else None, stops[at + 1] if at + 1 < len(stops) else None
        return Standing(section.title, None, at, before, after)
    path, at = found
    exact = [i for i, stop in enumerate(path.stops) if stop.lesson == part]
    at = exact[0] if exact else at  # a lesson of several parts may be two stops
    end = Stop(_end(), f"paths?path={path.id}")
    before = path.stops[at - 1] if at else None
    return Standing(section.title, path, at, before, path.stops[at + 1] if at + 1 < len(path.stops) else end)


def _end() -> str:
    return say("The end of this path, and where to go on")


def related(name: str) -> tuple[tuple[str, str], ...]:
    """Three other lessons with the reason, said now: named neighbours, then same papers, then the same section."""
    found: dict[str, str] = {}
    for one, other, why in NEIGHBOURS:
        if name in (one, other):
            found.setdefault(other if name == one else one, say(why))
    for paper in PAPERS:
        pages = [_door(page) for page in paper.pages]
        if name in pages:
            for page in pages:
                found.setdefault(page, say("the same paper: {paper}", paper=say(paper.name)))
    for each in sections()[section_of(name)][1]:
        found.setdefault(each.id, say("from the same section"))
    found.pop(name, None)
    known = {each.id for each in lessons()}
    assert set(found) <= known, f"{name} is related to what is no lesson: {set(found) - known}"
    return tuple((lesson(each).id, why) for each, why in found.items())[:RELATED]
