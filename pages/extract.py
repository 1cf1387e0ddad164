"""The page of the lesson extract."""

from lora_viz.lessons.real.extract import LESSON
from lora_viz.ui.page import show

show(LESSON)
