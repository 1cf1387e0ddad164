"""Quiz: what a visitor would have said, and what is measured."""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.content.questions import Answered
from lora_viz.content.quiz import QUESTIONS, answer
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Act, Ask, Heading, Part, Scores
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Undecidable

__all__ = ["LESSON", "QuizRecord"]

KEYS = tuple(QUESTIONS)


class QuizRecord(NamedTuple):
    """One question, its place among all, and what was measured."""

    place: int
    key: str
    asked: Answered


def measure(settings: Settings, lab: Lab) -> QuizRecord:
    """Ask the core."""
    place = settings["question"]
    key = KEYS[place - 1]
    return QuizRecord(place, key, lab.compute(answer, key, 0))


def takeaway(record: QuizRecord) -> str:
    """How many questions there are."""
    return say("{count} questions, none of them with a stored answer.", count=len(QUESTIONS))


def body(record: QuizRecord) -> tuple[Part, ...]:
    """The question with its choices, and the way to the next one, after the last to the first."""
    following = record.place % len(KEYS) + 1
    return (
        Heading(record.asked.text),
        Ask(f"quiz_{record.key}", record.asked, QUESTIONS[record.key].page),
        Act("next_question", say("Next question"), {"question": following}),
    )


LESSON = Lesson(
    id="quiz",
    menu=to_say("Quiz"),
    title=to_say("Quiz: what would you have said?"),
    claim=to_say(
        "No answer is stored: each is computed when its question is asked. Choose one, and see what was measured and "
        "why."
    ),
    place=50,
    controls=(Choice(id="question", label=to_say("Question"), options=tuple(range(1, len(KEYS) + 1)), default=1),),
    measure=measure,
    takeaway=takeaway,
    verdict=Undecidable("It says how the quiz answers, and one answer shows nothing of the others."),
    body=body,
    extras=lambda record: (Scores(),),
    trains=False,
    seeded=False,
    worded=True,
)
