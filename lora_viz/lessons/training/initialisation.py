"""Initialisation: what the choice of A and B changes, where the first step points, and how large the factors are."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.training import init_ab, init_alignment, init_race, init_size

__all__ = ["LESSON"]

LESSON = joined(
    init_race.PART, init_alignment.PART, init_size.PART, init_ab.PART,
    id="initialisation", menu=to_say("Initialisation"),
    title=to_say("Initialisation: what does the choice of A and B change?"),
    claim=to_say("The initialisation decides which factor moves first and whether the base model is disturbed. A "
                 "random A sees only a random part of the gradient."),
    place=10,
    formerly=(("init_variance", "init_size"),),
)  # fmt: skip
