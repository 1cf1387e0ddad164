"""The page of the lesson step_time."""

from lora_viz.lessons.real.step_time import LESSON
from lora_viz.ui.page import show

show(LESSON)
