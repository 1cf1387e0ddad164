"""The page of the lesson challenges."""

from lora_viz.lessons.start.challenges import LESSON
from lora_viz.ui.page import show

show(LESSON)
