"""The page of the lesson phase_map."""

from lora_viz.lessons.variants.phase_map import LESSON
from lora_viz.ui.page import show

show(LESSON)
