"""What does a rank-1 adapter do? What switches it on and what it adds, in a chat model and in a model of names."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.language import one_rank_chat, one_rank_names

__all__ = ["LESSON"]

LESSON = joined(
    one_rank_chat.PART, one_rank_names.PART,
    id="one_rank", menu=to_say("What one rank does"), title=to_say("What does a rank-1 adapter do?"),
    claim=to_say("One rank in one place is enough to change what a language model writes, in a chat model and in a "
                 "model of names."),
    place=12,
)  # fmt: skip
