"""The page of the lesson race."""

from lora_viz.lessons.training.race import LESSON
from lora_viz.ui.page import show

show(LESSON)
