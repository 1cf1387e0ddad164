"""Challenges: goals that a visitor makes happen; each change of a control trains anew and checks every condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from lora_viz.content.challenges import CHALLENGES, Condition, check
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice, Control
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Folded, Heading, Notice, Part, Prose, Reached
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.lessons.walk import link

__all__ = ["LESSON", "ChallengeRecord"]

KEYS = tuple(CHALLENGES)
SAMPLES = Choice(id="samples", label=to_say("Samples"), options=(1,))  # no lesson asks for them


class ChallengeRecord(NamedTuple):
    """One challenge, its place among all, and its conditions as this run meets them."""

    place: int
    key: str
    conditions: tuple[Condition, ...]

    @property
    def passed(self) -> bool:
        return all(condition.holds for condition in self.conditions)


def _own(answers: Mapping[str, Any]) -> tuple[Control, ...]:
    """The controls of the challenge that was chosen, each under an id of its own."""
    place = answers["challenge"]
    challenge = CHALLENGES[KEYS[place - 1]]
    return tuple(
        replace(
            CONTROLS.get(name, SAMPLES),
            id=f"{name}_{place}",
            options=options,
            default=getattr(challenge.default, name),
            like=name,
        )
        for name, options in challenge.controls.items()
    )


def experiment(settings: Settings) -> Experiment:
    """What is trained: the challenge's own experiment, as the visitor has set it."""
    place = settings["challenge"]
    challenge = CHALLENGES[KEYS[place - 1]]
    return replace(challenge.default, **{name: settings[f"{name}_{place}"] for name in challenge.controls})


def measure(settings: Settings, lab: Lab) -> ChallengeRecord:
    """Train, and check every condition."""
    key = KEYS[settings["challenge"] - 1]
    return ChallengeRecord(settings["challenge"], key, lab.compute(check, key, experiment(settings)))


def takeaway(record: ChallengeRecord) -> str:
    """How many conditions hold."""
    return say(
        "Conditions that hold in this run: {met} of {conditions}.",
        met=sum(condition.holds for condition in record.conditions), conditions=len(record.conditions),
    )  # fmt: skip


def verdict(record: ChallengeRecord) -> Verdict:
    """Whether this run reaches the goal, and the first condition that it misses."""
    evidence = {condition.text: condition.measured for condition in record.conditions}
    missed = next((condition for condition in record.conditions if not condition.holds), None)
    if missed is None:
        return true_here(
            say("goal {place} is reached, all {count} conditions hold", place=record.place,
                count=len(record.conditions))
            if len(record.conditions) > 1
            else say("goal {place} is reached, its condition holds", place=record.place),
            **evidence,
        )  # fmt: skip
    return false_here(
        say("goal {place} asks that “{condition}”; measured: {measured}",
            place=record.place, condition=missed.text, measured=missed.measured),
        **evidence,
    )  # fmt: skip


def body(record: ChallengeRecord) -> tuple[Part, ...]:
    """The goal, every condition with what was measured, and a hint."""
    challenge = CHALLENGES[record.key]
    signs = {True: "✓", False: "○"}
    conditions = (Prose(f"{signs[c.holds]} {c.text}: **{c.measured}**") for c in record.conditions)
    if record.passed:
        ended: tuple[Part, ...] = (
            Notice(say("Passed. {hint}", hint=say(challenge.hint)), "success", ":material/check:"),
        )
    else:
        hint = Prose(f"{say(challenge.hint)} {link(challenge.page)}")
        ended = (Notice(say("Not yet."), "info", ":material/hourglass_empty:"), Folded(say("Hint"), (hint,)))
    return (Heading(f"{record.place}. {say(challenge.goal)}"), *conditions, *ended)


LESSON = Lesson(
    id="challenges",
    menu=to_say("Challenges"),
    title=to_say("Challenges: can you make it happen?"),
    claim=to_say(
        "Each goal can be reached with its controls. Every change trains the small experiment again and checks every "
        "condition."
    ),
    place=60,
    controls=(
        Choice(id="challenge", label=to_say("Challenge"), options=tuple(range(1, len(KEYS) + 1)), default=1),
        _own,
    ),
    measure=measure,
    takeaway=takeaway,
    verdict=verdict,
    body=body,
    extras=lambda record: (Reached(record.key, record.passed, len(KEYS)),),
    exports=lambda record, settings, lab: (Sweep((experiment(settings),)),),
    trains=False,
    seeded=False,
    worded=True,
)
