"""Which layers? The same adapter on one of six blocks of five layers of a chat model, with five seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.content.questions import Measured, Question, Seen
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.chat_panels import about_the_model
from lora_viz.lessons.language.chat_places import Places, median, places_film, places_table, recorded_places
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.chat_sets import HELD_OUT

__all__ = ["PART"]

EARLY = ("0_4", "5_9")


def _named(name: str) -> str:
    return name.replace("_", "–")


def film(record: Places) -> Film:
    """The playhead runs over the blocks, from the input to the output."""
    return places_film(record, to_say("block of layers"), _named, start=0)


def _least(record: Places) -> tuple[int, float, str]:
    """In how many seeds an early block has the lowest perplexity; the lowest median, and whose."""
    lost = np.array([run.lost for run in record.runs])
    names = [run.name for run in record.runs]
    early = sum(names[i] in EARLY for i in lost.argmin(axis=0))
    best = int(np.median(lost, axis=1).argmin())
    return early, float(np.median(lost[best])), names[best]


def verdict(record: Places) -> Verdict:
    """The claim holds where with every seed one of the first two blocks has the lowest perplexity."""
    early, least, name = _least(record)
    why = say("one of the first two blocks has the lowest perplexity in {early} of {seeds} seeds; layers {block} have "
              "{least} (median)", early=early, seeds=record.seeds, block=_named(name), least=number(least))  # fmt: skip
    told = {"early": early, "least": least}
    return true_here(why, **told) if early == record.seeds else false_here(why, **told)


def takeaway(record: Places) -> str:
    """What was measured, in its own numbers."""
    style = [median(run.style) for run in record.runs]
    _, least, name = _least(record)
    last = record.runs[-1]
    return " ".join((
        say("Each block of five layers alone gives at least {style} of {all} pirate answers (medians).",
            style=number(min(style)), all=len(HELD_OUT)),
        say("Perplexity of a neutral text: {least} with layers {block}, {last} with the last five, {base} before.",
            least=number(least), block=_named(name), last=number(median(last.lost)), base=number(record.base)),
    ))  # fmt: skip


def detail(record: Places) -> str:
    """All rates: at one rate the late blocks also learn more, so losses must be compared too."""
    lines = [
        say("- layers {block}: {told}", block=_named(name), told="; ".join(
            say("η = {lr}: loss {loss}, perplexity {perplexity}", lr=number(run.lr), loss=number(median(run.loss)),
                perplexity=number(median(run.lost)))
            for run in record.every if run.name == name))
        for name in (run.name for run in record.runs)
    ]  # fmt: skip
    told = say("At one rate, later blocks also reach a lower loss. Compare blocks at about equal loss:")
    return "\n".join((told, "", *lines))


def maths(record: Places) -> str:
    """What is adapted."""
    return say(
        r"""
Rank 8 on all seven modules of five layers: {parameters:,} parameters in each block. $s = 2$; {steps} steps of AdamW at
a constant rate; a seed draws ${A}$ and eight of the ten pairs. What early layers change passes through all later ones,
whose weights are frozen. Recorded by `docs/record_many_chats.py layers`.""",
        parameters=record.runs[0].parameters, steps=record.steps, A=tint("A", "A"),
    )  # fmt: skip


def measure(settings: Settings, _: Lab) -> Places:
    """What was recorded at this rate."""
    return recorded_places("layers", settings["chat_rate"])


def extras(_: Places) -> tuple[Part, ...]:
    """Whose words these are."""
    return about_the_model()


def _ask(seen: Seen, _: Any) -> Measured:
    panel = seen.film.panel("perplexity")
    assert isinstance(panel, Bars)
    values, labels = np.asarray(panel.groups[0].values), list(panel.labels)
    best = labels[int(values.argmin())]
    told = say("Layers {block}: perplexity {least}.", block=best, least=number(float(values.min())))
    return Measured(best, tuple(label for label in labels if label != best), told)


PART = Lesson(
    id="which_layers", menu=to_say("Which layers?"), title=to_say("Which layers of a chat model should be adapted?"),
    claim=to_say("Of six blocks of five layers, one of the first two learns the style with the least forgetting."),
    place=10, measure=measure, film=film, hero="perplexity", takeaway=takeaway, verdict=verdict, detail=detail,
    maths=maths, on_paper="perplexity", table=places_table, extras=extras, seeded=False, trains=False,
    controls=(
        Choice(id="chat_rate", label=to_say("Learning rate"), options=(0.001, 0.003, 0.01), default=0.003,
               help=to_say("The same for every block. Recorded at three rates.")),
    ),
    question=Question(to_say("One block of five layers gets an adapter. Which block forgets least?"),
                      to_say("What was measured with five seeds; no proof says that it must be so."), _ask),
)  # fmt: skip
