"""Ways through the lessons: the questions people come with, and paths for three kinds of visitors.

A place is a lesson, maybe with settings, as in "rank?noise=0". A path is for one level: whoever has chosen the level is
shown it first.
"""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.i18n.language import to_say

__all__ = ["PATHS", "QUESTIONS", "Asked", "Path", "Stop"]


class Asked(NamedTuple):
    """A question in plain words, and the place whose measurement answers it."""

    text: str
    place: str


class Stop(NamedTuple):
    """A stop of a path: the question that it answers, and where."""

    text: str
    place: str

    @property
    def lesson(self) -> str:
        """The lesson of this stop, without its settings."""
        return self.place.partition("?")[0]


class Path(NamedTuple):
    """A path: for whom, what one knows at its end, its stops, and the paths that go on from there."""

    id: str
    name: str
    about: str
    level: str
    stops: tuple[Stop, ...]
    onward: tuple[str, ...] = ()


QUESTIONS = (
    Asked(to_say("What do A and B do?"), "machine?rank=2"),
    Asked(to_say("Why does B start at zero?"), "gradient_flow?init=B_zero&at=0"),
    Asked(to_say("Which rank, α and learning rate for my model?"), "choosing"),
    Asked(to_say("What does α do?"), "alpha"),
    Asked(to_say("Is merging free?"), "merge?weights_dtype=bfloat16"),
    Asked(to_say("Does merging lose accuracy?"), "requantised?weight_format=int4"),
    Asked(to_say("What is QLoRA?"), "quantised"),
    Asked(to_say("What does it cost on my GPU?"), "budget"),
    Asked(to_say("What is in my adapter file?"), "inspector"),
    Asked(to_say("Why does my adapter do nothing?"), "training_faults"),
    Asked(to_say("DoRA, PiSSA, rsLoRA: do I need a variant?"), "variants"),
    Asked(to_say("Can I use two adapters at once?"), "many_adapters"),
    Asked(to_say("What does a model forget?"), "learns_forgets"),
)

PATHS = (
    Path(
        "newcomer",
        to_say("For newcomers"),
        to_say("What A and B do, why one of them starts at zero, what to choose, whether merging is free, what QLoRA "
               "is."),
        "newcomer",
        (
            Stop(to_say("What do A and B do?"), "machine"),
            Stop(to_say("Where can they push?"), "bottleneck"),
            Stop(to_say("Why does B start at zero?"), "gradient_flow"),
            Stop(to_say("What is rank?"), "matrix"),
            Stop(to_say("Which rank is enough?"), "rank"),
            Stop(to_say("What does α do?"), "alpha"),
            Stop(to_say("With which r, α and learning rate do I begin?"), "choosing"),
            Stop(to_say("Is merging free?"), "merge"),
            Stop(to_say("What is QLoRA?"), "quantised"),
        ),
        ("practitioner", "mathematician"),
    ),
    Path(
        "practitioner",
        to_say("For practitioners"),
        to_say("What to choose, what it costs, what a file holds, what is lost on the way to a served model."),
        "practitioner",
        (
            Stop(to_say("With which r, α and learning rate do I begin?"), "choosing"),
            Stop(to_say("Which layers get an adapter?"), "transformer"),
            Stop(to_say("Does it fit my GPU?"), "budget"),
            Stop(to_say("How long does a step take?"), "step_time"),
            Stop(to_say("How do I configure it in PEFT?"), "config_card"),
            Stop(to_say("Which rank does a real network need?"), "digits"),
            Stop(to_say("When is a low rank better?"), "overfit"),
            Stop(to_say("What is forgotten?"), "learns_forgets"),
            Stop(to_say("Does a higher rank need another rate?"), "scaling_training"),
            Stop(to_say("Do I need a variant?"), "variants"),
            Stop(to_say("Is merging free?"), "merge"),
            Stop(to_say("Does merging into 4 bits lose accuracy?"), "requantised"),
            Stop(to_say("What is in my file?"), "inspector"),
            Stop(to_say("Why does my adapter do nothing?"), "training_faults"),
            Stop(to_say("Can two adapters be added?"), "many_adapters"),
            Stop(to_say("Can a fine-tuned model become a LoRA?"), "extract"),
        ),
        ("mathematician",),
    ),
    Path(
        "mathematician",
        to_say("For mathematicians"),
        to_say("Rank, the best cut, what is unique and what is kept, and in which order directions are learnt."),
        "expert",
        (
            Stop(to_say("What is rank?"), "matrix"),
            Stop(to_say("Which matrix of rank k is nearest?"), "truncation"),
            Stop(to_say("Is low rank a subspace?"), "subspace"),
            Stop(to_say("Are A and B unique?"), "gauge"),
            Stop(to_say("Which gradient does each factor get?"), "gradient_flow"),
            Stop(to_say("How fast does A get a gradient?"), "wake_up"),
            Stop(to_say("What is conserved during training?"), "balance"),
            Stop(to_say("What is learnt first?"), "saddles"),
            Stop(to_say("What does an ill-conditioned problem slow down?"), "conditioning"),
            Stop(to_say("On what does the first step depend?"), "scaling"),
            Stop(to_say("What rank does ΔW have during training?"), "rank_over_time"),
            Stop(to_say("Does an update with few parameters have low rank?"), "few_numbers"),
            Stop(to_say("When is a new direction an intruder?"), "intruders"),
        ),
        ("practitioner",),
    ),
)  # fmt: skip
