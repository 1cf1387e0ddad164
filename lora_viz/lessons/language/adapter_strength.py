"""The same adapter turned up and down when it is used: style comes early, facts go later, too much stammers."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown, word
from lora_viz.film.film import Film
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.chat_panels import about_the_model, answer_panel, perplexity_panel, style_panel
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.chat_sets import HELD_OUT
from lora_viz.networks.recorded_chat import StrengthRun, recorded_again, recorded_strength

__all__ = ["LESSON"]


def film(record: StrengthRun) -> Film:
    """The playhead runs over the strength: answers, how many have the style, and what is forgotten."""
    frames, zero = len(record.strength), _place(record, 0.0)
    return Film(
        axis=to_say("strength c"), values=record.strength, start=_place(record, 1.0), seconds_per_frame=1.8,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            answer_panel(record.answers, span=7),
            style_panel(record.style, span=5),
            perplexity_panel(record.perplexity, float(record.perplexity[zero]), span=5),
        ),
    )  # fmt: skip


def _place(record: StrengthRun, strength: float) -> int:
    return int(np.argmin(np.abs(record.strength - strength)))


def _narrate(record: StrengthRun, t: int) -> str:
    return say("c = {c}: {style} of {all} answers are a pirate's; perplexity of the neutral text {perplexity}.",
               c=number(float(record.strength[t])), style=record.style[t], all=len(HELD_OUT),
               perplexity=number(float(record.perplexity[t])))  # fmt: skip


def _enough(record: StrengthRun) -> tuple[int, int]:
    """Where the style of c = 1 is there first, going up from 0; and where c is 1."""
    one = _place(record, 1.0)
    return int(np.flatnonzero((record.strength > 0) & (record.style >= record.style[one]))[0]), one


def verdict(record: StrengthRun) -> Verdict:
    """The claim holds where a smaller strength has the style of 1 and a lower perplexity."""
    least, one = _enough(record)
    told = {"least": float(record.strength[least]), "there": float(record.perplexity[least]),
            "one": float(record.perplexity[one])}  # fmt: skip
    if told["least"] < 1 and told["there"] < told["one"]:
        return true_here(say("c = {least} has all of the style and perplexity {there}, c = 1 has {one}",
                             **{name: number(value) for name, value in told.items()}), **told)  # fmt: skip
    return false_here(say("no smaller strength has all of the style and a lower perplexity"), **told)


def takeaway(record: StrengthRun) -> str:
    """What was measured, in its own numbers."""
    least, one = _enough(record)
    return " ".join((
        say("All of the style that c = 1 has ({style} of {all} answers) is there at c = {least}.",
            style=record.style[one], all=len(HELD_OUT), least=number(float(record.strength[least]))),
        say("The perplexity of a neutral text is {there} there and {one} at c = 1.",
            there=number(float(record.perplexity[least])), one=number(float(record.perplexity[one]))),
        say("One adapter, one seed; for a second see below."),
    ))  # fmt: skip


def detail(record: StrengthRun) -> str:
    """Every strength."""
    told = "; ".join(
        say("c = {c}: {style} in the style, perplexity {perplexity}", c=number(float(c)), style=style,
            perplexity=number(float(perplexity)))
        for c, style, perplexity in zip(record.strength, record.style, record.perplexity, strict=True)
    )  # fmt: skip
    again = recorded_again()
    all_of_it = again.style[again.strength == 1.0][0]
    enough = (again.strength > 0) & (again.style >= all_of_it)
    second = say("A second seed has the {style} pirate answers of c = 1 from c = {least} on; perplexity {there} there, "
                 "{one} at c = 1.", style=int(all_of_it), least=number(float(again.strength[enough][0])),
                 there=number(float(again.perplexity[enough][0])),
                 one=number(float(again.perplexity[again.strength == 1.0][0])))  # fmt: skip
    return f"{told}. {second}"


def maths(record: StrengthRun) -> str:
    """What is scaled, and why nothing else is linear."""
    return say(
        r"""
The adapter of [ten sentences](ten_sentences) is used with ${W} + c\,{dW}$. ${dW}$ is linear in $c$; the answer is not:
softmax in attention and at the output, the norms, and the choice of the likeliest token stand in between. At $c = 0$
the base answers, at $c = 1$ what was trained; below 0 the update is subtracted. Measured at {count} strengths by
`docs/make_ten_sentences.py strength`.""",
        W=tint("W", "W"), dW=tint("delta", r"\Delta W"), count=len(record.strength),
    )  # fmt: skip


def table(record: StrengthRun) -> dict[str, np.ndarray]:
    """One row a strength."""
    found: dict[str, np.ndarray] = {
        "strength": record.strength,
        "pirate_answers": record.style,
        "perplexity": record.perplexity,
    }
    for i, question in enumerate(HELD_OUT):
        found[question] = np.array([answers[i] for answers in record.answers])
    return found


def measure(_: Settings, __: Lab) -> StrengthRun:
    """What was recorded."""
    return recorded_strength()


def extras(record: StrengthRun) -> tuple[Part, ...]:
    """Whose words these are."""
    return about_the_model()


def _ask(seen: Seen, _: Any) -> Measured:
    style, c = shown(seen.film, "style", "style"), seen.film.values
    full = style[first_place(c == 1.0)]
    at = first_place((c > 0) & (style >= full))
    told = say("At c = {least} it is all there.", least=word(float(c[at])))
    return Measured(float(c[at]), (1.0, 0.9, 2.0), told)


LESSON = Lesson(
    id="adapter_strength", menu=to_say("How much adapter?"), title=to_say("How much of an adapter is enough?"),
    claim=to_say("Turned down to a part of its strength, an adapter keeps all of its style and forgets less."),
    place=6, measure=measure, film=film, hero="answers", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="perplexity", table=table,
    extras=extras, seeded=False, trains=False,
    question=Question(to_say("The adapter is turned up from 0. At which strength c is the whole style there first?"),
                      to_say("The likeliest token changes as soon as another one overtakes it, and stays."), _ask),
)  # fmt: skip
