"""The page of the lesson four_bits."""

from lora_viz.lessons.language.four_bits import LESSON
from lora_viz.ui.page import show

show(LESSON)
