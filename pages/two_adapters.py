"""The page of the lesson two_adapters."""

from lora_viz.lessons.real.two_adapters import LESSON
from lora_viz.ui.page import show

show(LESSON)
