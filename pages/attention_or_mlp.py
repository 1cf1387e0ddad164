"""The page of the lesson attention_or_mlp."""

from lora_viz.lessons.language.attention_or_mlp import LESSON
from lora_viz.ui.page import show

show(LESSON)
