"""The page of the lesson start."""

from lora_viz.lessons.start.start import LESSON
from lora_viz.ui.page import show

show(LESSON)
