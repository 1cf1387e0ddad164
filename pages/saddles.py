"""The page of the lesson saddles."""

from lora_viz.lessons.training.saddles import LESSON
from lora_viz.ui.page import show

show(LESSON)
