"""QLoRA: what quantisation takes from a base weight, and from an adapter that is merged into it."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.language import four_bits
from lora_viz.lessons.variants import quantised_start, requantised

__all__ = ["LESSON"]

LESSON = joined(
    quantised_start.PART, requantised.PART, four_bits.PART,
    id="quantised", menu=to_say("QLoRA and quantisation"),
    title=to_say("QLoRA: what does quantisation take, and what gives it back?"),
    claim=to_say("QLoRA freezes W in 4 bits and computes in bf16. A suitable initialisation restores part of the "
                 "loss; merging back rounds small updates away."),
    place=40,
)  # fmt: skip
