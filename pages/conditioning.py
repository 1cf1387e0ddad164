"""The page of the lesson conditioning."""

from lora_viz.lessons.training.conditioning import LESSON
from lora_viz.ui.page import show

show(LESSON)
