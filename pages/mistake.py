"""The page of the lesson mistake."""

from lora_viz.lessons.start.mistake import LESSON
from lora_viz.ui.page import show

show(LESSON)
