"""The page of the lesson quiz."""

from lora_viz.lessons.start.quiz import LESSON
from lora_viz.ui.page import show

show(LESSON)
