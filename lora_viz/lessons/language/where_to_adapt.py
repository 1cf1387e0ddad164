"""Where a chat model's adapter sits: by kind of module, and by layer."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.joined import joined
from lora_viz.lessons.language import attention_or_mlp, which_layers

__all__ = ["LESSON"]

LESSON = joined(
    attention_or_mlp.PART, which_layers.PART,
    id="where_to_adapt", menu=to_say("Which modules, which layers?"),
    title=to_say("Where should a chat model's adapter sit?"), place=9,
)  # fmt: skip
