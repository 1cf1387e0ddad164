"""The page of the lesson literature."""

from lora_viz.lessons.reference.literature import LESSON
from lora_viz.ui.page import show

show(LESSON)
