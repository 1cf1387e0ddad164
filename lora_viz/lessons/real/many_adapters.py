"""Several adapters on one base: what they do together, and how many directions they share."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.real import adapters_together, two_adapters

__all__ = ["LESSON"]

LESSON = joined(
    adapters_together.PART, two_adapters.PART,
    id="many_adapters", menu=to_say("Several adapters"), title=to_say("Several adapters: do they go together?"),
    claim=to_say("Adapters can be switched at will. If you add two of them, their ranks add up, but the result "
                 "does not master both tasks."),
    place=30,
)  # fmt: skip
