"""How fast a chat model's adapter may be trained: over learning rates, and over ranks and learning rates."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.language import rate_rank_map, which_learning_rate

__all__ = ["LESSON"]

LESSON = joined(
    which_learning_rate.PART, rate_rank_map.PART,
    id="rate_and_rank", menu=to_say("Which learning rate, at which rank?"),
    title=to_say("Which learning rate does a chat model's adapter need?"), place=8,
)  # fmt: skip
