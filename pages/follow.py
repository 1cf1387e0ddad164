"""The page of the lesson follow."""

from lora_viz.lessons.start.follow import LESSON
from lora_viz.ui.page import show

show(LESSON)
