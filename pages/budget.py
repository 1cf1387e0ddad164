"""The page of the lesson budget."""

from lora_viz.lessons.real.budget import LESSON
from lora_viz.ui.page import show

show(LESSON)
