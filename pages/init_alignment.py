"""The page of the lesson init_alignment."""

from lora_viz.lessons.training.init_alignment import LESSON
from lora_viz.ui.page import show

show(LESSON)
