"""The page of the lesson machine."""

from lora_viz.lessons.start.machine import LESSON
from lora_viz.ui.page import show

show(LESSON)
