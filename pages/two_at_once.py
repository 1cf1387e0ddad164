"""The page of the lesson two_at_once."""

from lora_viz.lessons.language.two_at_once import LESSON
from lora_viz.ui.page import show

show(LESSON)
