"""The paths: every stop of each, with the visitor's ticks; the end of a path, and where to go on from it."""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.content.ways import PATHS, Path
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Door, Doors, Heading, Part, Paths
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Undecidable

__all__ = ["LESSON", "PathsRecord"]


class PathsRecord(NamedTuple):
    """The path that is looked at."""

    path: Path


def measure(settings: Settings, lab: Lab) -> PathsRecord:
    """Nothing is measured: the path is looked up."""
    return PathsRecord(next(path for path in PATHS if path.id == settings["path"]))


def takeaway(record: PathsRecord) -> str:
    """What a tick is, and where it is kept."""
    return say("{stops} questions. A tick is yours: it is kept in this browser, nowhere else.",
               stops=len(record.path.stops))  # fmt: skip


def body(record: PathsRecord) -> tuple[Part, ...]:
    """The stops, and the ways on."""
    onward = [path for path in PATHS if path.id in record.path.onward]
    doors = tuple(Door(say(path.name), f"{path.stops[0].place}?path={path.id}", say(path.about)) for path in onward)
    rest = (Door(say("Questions"), "quiz", say("what would you have said?")),
            Door(say("Challenges"), "challenges", say("can you make it happen?")),
            Door(say("Glossary"), "glossary", say("what does a word mean?")))  # fmt: skip
    return Paths(record.path.id), Heading(say("At the end: where to go on")), Doors((*doors, *rest))


LESSON = Lesson(
    id="paths", menu=to_say("Paths"), title=to_say("Paths: where do I go from here?"),
    claim=to_say("Each path answers the questions of one group of visitors, one after another. Tick what you have "
                 "understood: the ticks survive a reload."),
    place=5,
    controls=(
        Choice(id="path", label=to_say("Path"), options=tuple(path.id for path in PATHS), default=PATHS[0].id,
               names={path.id: path.name for path in PATHS}),
    ),
    measure=measure, takeaway=takeaway, verdict=Undecidable("It says how the paths are ordered."), body=body,
    trains=False, seeded=False,
)  # fmt: skip
