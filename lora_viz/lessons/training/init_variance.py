"""Initialisation: how large the factors are, with both random and with one of them."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.training import init_ab, init_size

__all__ = ["LESSON"]

LESSON = joined(
    init_size.PART, init_ab.PART,
    id="init_variance", menu=to_say("Initialisation: scale"),
    title=to_say("Initialisation: how large should A and B be?"),
    claim=to_say("With both factors random, BA's entries have variance r·σ⁴. With one of them 0, the scale of the "
                 "other matters more than which one."),
    place=20,
)  # fmt: skip
