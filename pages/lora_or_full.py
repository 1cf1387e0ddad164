"""The page of the lesson lora_or_full."""

from lora_viz.lessons.training.lora_or_full import LESSON
from lora_viz.ui.page import show

show(LESSON)
