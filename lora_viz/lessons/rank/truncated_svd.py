"""Truncated SVD: the closest matrix of rank k, and what it does to noise."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.rank import denoise, truncation

__all__ = ["LESSON"]

LESSON = joined(
    truncation.PART, denoise.PART,
    id="truncated_svd", menu=to_say("Truncated SVD"),
    title=to_say("Truncated SVD: can you beat it, and does it remove noise?"),
    claim=to_say("No matrix of rank k is closer to M than its first k terms. With weak noise, the true rank comes "
                 "closest to the clean matrix."),
    place=20,
)  # fmt: skip
