"""The page of the lesson truncation."""

from lora_viz.lessons.rank.truncation import LESSON
from lora_viz.ui.page import show

show(LESSON)
