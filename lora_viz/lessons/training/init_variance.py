"""Initialisation: how large the start is, with both factors random and with one of them."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.training import init_ab, init_size

__all__ = ["LESSON"]

LESSON = joined(
    init_size.PART, init_ab.PART,
    id="init_variance", menu=to_say("Size of the start"), title=to_say("Initialisation: how large is the start?"),
    claim=to_say("With both factors random the entries of BA have variance r·σ⁴. With one factor at 0, B random at its "
                 "usual size trains worse the wider the layer, at A's size not: it is the size that matters."),
    place=20,
)  # fmt: skip
