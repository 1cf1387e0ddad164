"""Two adapters of a language model at once: of one that answers, and of one that writes names."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.language import mix_and_stack, names_mixed

__all__ = ["LESSON"]

LESSON = joined(
    mix_and_stack.PART, names_mixed.PART,
    id="two_at_once", menu=to_say("Two adapters at once"), title=to_say("What do two adapters say together?"), place=11,
)  # fmt: skip
