"""The page of the lesson minilm."""

from lora_viz.lessons.real.minilm import LESSON
from lora_viz.ui.page import show

show(LESSON)
