"""Challenges: goals that a visitor makes happen; each change of a control trains anew and checks every condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import numpy as np

from lora_viz.content.challenges import CHALLENGES, Condition
from lora_viz.content.goals import Watched, judged
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.film.film import Film
from lora_viz.film.panels import Lines, Mark, Series
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice, Control
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Folded, Goal, Goals, Moving, Notice, Part, Prose
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.lessons.walk import link

__all__ = ["LESSON", "ChallengeRecord"]

KEYS = tuple(CHALLENGES)
SAMPLES = Choice(id="samples", label=to_say("Samples"), options=(1,))  # no lesson asks for them


class ChallengeRecord(NamedTuple):
    """One challenge, its place among all, its conditions as this run meets them, and the curve they are about."""

    place: int
    key: str
    conditions: tuple[Condition, ...]
    watched: Watched

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
    return ChallengeRecord(settings["challenge"], key, *lab.compute(judged, key, experiment(settings)))


def moving(record: ChallengeRecord) -> Film:
    """The measured curve, and the zone that it has to reach."""
    seen = record.watched
    steps, values = seen.steps.astype(float), seen.values
    flat = np.ones(len(steps))
    zone: tuple[Series, ...] = ()
    if seen.low is not None and seen.high is not None:
        low = seen.low
        if seen.scale == "log" and seen.high:  # a zone down to 0 goes as far down as the curve
            least = values[np.isfinite(values) & (values > 0)].min(initial=seen.high)
            low = min(least, seen.high) / 10
        zone = (Series("goal", say("goal"), "clean", seen.high * flat, low=low * flat, high=seen.high * flat,
                       dash="dash"),)  # fmt: skip
    ended = Mark("diverged", float(seen.diverged_at), say("training diverged"), colour="alarm")
    return Film(
        axis=to_say("step"), values=steps, training=True, of_last=True, start=len(steps) - 1, autoplay=True,
        seconds_per_frame=2.0 / len(steps), narration=tuple(_narrate(seen, t) for t in range(len(steps))),
        panels=(
            Lines(
                "watched", seen.name[:1].upper() + seen.name[1:], y_label=seen.name, scale=_scale(seen), span=12,
                series=(Series("measured", seen.name, "delta", values), *zone),
                marks=(ended,) if 0 <= seen.diverged_at <= steps[-1] else (),
            ),
        ),
    )  # fmt: skip


def _scale(seen: Watched) -> Literal["linear", "log"]:
    return "log" if seen.scale == "log" else "linear"


def _narrate(seen: Watched, t: int) -> str:
    if not np.isfinite(seen.values[t]):
        return say("Step {step}: training has diverged.", step=int(seen.steps[t]))
    return say("Step {step}, {what}: {value}.", step=int(seen.steps[t]), what=seen.name,
               value=number(float(seen.values[t])))  # fmt: skip


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
    """The goal, every condition with what was measured, and the curve on its way there."""
    signs = {True: "✓", False: "○"}
    conditions = " · ".join(f"{signs[c.holds]} {c.text}: **{c.measured}**" for c in record.conditions)
    goal = f"**{record.place}. {say(CHALLENGES[record.key].goal)}** {conditions}"
    return Prose(goal), Moving("player", moving(record))


def extras(record: ChallengeRecord) -> tuple[Part, ...]:
    """All eight goals, and once this one is reached why it holds, else a hint."""
    challenge = CHALLENGES[record.key]
    hint = Prose(f"{say(challenge.hint)} {link(challenge.page)}")
    ended: Part = Folded(say("Hint"), (hint,))
    if record.passed:
        ended = Notice(say("Passed. {hint}", hint=say(challenge.hint)), "success", ":material/check:")
    goals = tuple(Goal(key, say(CHALLENGES[key].title), {"challenge": i + 1}) for i, key in enumerate(KEYS))
    return Goals(goals, chosen=record.key, holds=record.passed), ended


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
    extras=extras,
    exports=lambda record, settings, lab: (Sweep((experiment(settings),)),),
    trains=False,
    seeded=False,
    worded=True,
)
