"""The page of the lesson balance."""

from lora_viz.lessons.training.balance import LESSON
from lora_viz.ui.page import show

show(LESSON)
