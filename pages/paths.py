"""The page of the lesson paths."""

from lora_viz.lessons.start.paths import LESSON
from lora_viz.ui.page import show

show(LESSON)
