"""The page of the lesson inspector."""

from lora_viz.lessons.real.inspector import LESSON
from lora_viz.ui.page import show

show(LESSON)
