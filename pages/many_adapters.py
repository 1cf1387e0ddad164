"""The page of the lesson many_adapters."""

from lora_viz.lessons.real.many_adapters import LESSON
from lora_viz.ui.page import show

show(LESSON)
