"""The page of the lesson transformer."""

from lora_viz.lessons.reference.transformer import LESSON
from lora_viz.ui.page import show

show(LESSON)
