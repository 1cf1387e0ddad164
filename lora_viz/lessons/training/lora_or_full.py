"""LoRA beside full fine-tuning: in how many steps, and in large batches."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.training import large_batch, race

__all__ = ["LESSON"]

LESSON = joined(
    race.PART, large_batch.PART,
    id="lora_or_full", menu=to_say("LoRA vs full fine-tuning"),
    title=to_say("LoRA vs full fine-tuning: which is faster?"),
    claim=to_say("With SGD and each at its best learning rate, full fine-tuning needs fewer steps than LoRA. A small"
                 " rank falls further behind in large batches."),
    place=120,
)  # fmt: skip
