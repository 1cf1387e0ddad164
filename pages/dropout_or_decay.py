"""The page of the lesson dropout_or_decay."""

from lora_viz.lessons.language.dropout_or_decay import LESSON
from lora_viz.ui.page import show

show(LESSON)
