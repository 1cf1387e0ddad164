"""Initialisation: how large the start is, with both factors random and with one of them."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.training import init_ab, init_size

__all__ = ["LESSON"]

LESSON = joined(
    init_size.PART, init_ab.PART,
    id="init_variance", menu=to_say("Size of the start"), title=to_say("Initialisation: how large is the start?"),
    claim=to_say("With both factors random, BA's entries have variance r·σ⁴. With one at 0, the size of "
                 "the other decides, not which one it is."),
    place=20,
)  # fmt: skip
