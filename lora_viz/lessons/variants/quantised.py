"""QLoRA: what few bits take from a base weight, and from an adapter that is merged into them."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.variants import quantised_start, requantised

__all__ = ["LESSON"]

LESSON = joined(
    quantised_start.PART, requantised.PART,
    id="quantised", menu=to_say("QLoRA and few bits"),
    title=to_say("QLoRA: what do few bits take, and who gives it back?"),
    claim=to_say("QLoRA freezes W in 4 bits, turns each block back into bf16 to compute with it, and trains A and B in "
                 "full. A start can give back part of what the levels took; merged into levels again, a small update "
                 "is rounded away."),
    place=40,
)  # fmt: skip
