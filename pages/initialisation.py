"""The page of the lesson initialisation."""

from lora_viz.lessons.training.initialisation import LESSON
from lora_viz.ui.page import show

show(LESSON)
