"""The page of the lesson cost."""

from lora_viz.lessons.real.cost import LESSON
from lora_viz.ui.page import show

show(LESSON)
