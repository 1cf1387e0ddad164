"""The start page: what this is, the machine moving, the questions people come with, and a path for each of them."""

from __future__ import annotations

from dataclasses import replace

from lora_viz.content.ways import PATHS, QUESTIONS
from lora_viz.film.film import Film
from lora_viz.film.panels import Machine
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Act, Columns, Door, Doors, Heading, Moving, Part, Prose
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.start import machine
from lora_viz.lessons.statements import Undecidable

__all__ = ["LESSON"]


def measure(settings: Settings, lab: Lab) -> machine.LayerFlow:
    """The machine as it opens: trained live, like all that is shown."""
    return lab.measure(machine.LESSON.measure, machine.LESSON.settings())


def moving(record: machine.LayerFlow) -> Film:
    """The machine alone, as wide as its place."""
    film = machine.film(record, machine.LESSON.settings())
    layer = film.panel("layer")
    assert isinstance(layer, Machine)
    return replace(film, panels=(replace(layer, span=12, tall=1),))


def body(record: machine.LayerFlow) -> tuple[Part, ...]:
    """The questions beside the machine, then the paths."""
    doors = Doors(tuple(Door(say(asked.text), asked.place) for asked in QUESTIONS))
    seen = (Moving("start_machine", moving(record)),
            Doors((Door(say("Take it into your own hands: the machine"), "machine"),)))  # fmt: skip
    ways = tuple(
        (Prose(f"**{say(path.name)}** · {say(path.about)}"),
         Act(f"path_{path.id}", say("Begin: {stops} stops", stops=len(path.stops)), {"level": path.level},
             f"{path.stops[0].place}?path={path.id}"))
        for path in PATHS
    )  # fmt: skip
    return Columns(((doors,), seen), gap="large"), Heading(say("Or take a path")), Columns(ways)


def takeaway(record: machine.LayerFlow) -> str:
    """What the machine above has just done."""
    return machine.takeaway(record)


LESSON = Lesson(
    id="start", menu=to_say("Start page"), title=to_say("LoRA Playground: what do you want to know?"),
    claim=to_say("A LoRA adapter is two thin matrices in parallel with a frozen weight. Here small ones train live. "
                 "Every number is measured or counted."),
    place=1, measure=measure, takeaway=takeaway, verdict=Undecidable("It says what the playground is; the layer's "
                                                                     "own page judges the layer that moves here."),
                                                                     body=body, trains=False, seeded=False,
)  # fmt: skip
