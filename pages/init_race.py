"""The page of the lesson init_race."""

from lora_viz.lessons.training.init_race import LESSON
from lora_viz.ui.page import show

show(LESSON)
