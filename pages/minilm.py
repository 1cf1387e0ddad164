"""A real transformer."""

from lora_viz.lessons.real.minilm import LESSON
from lora_viz.ui.page import show

show(LESSON)
