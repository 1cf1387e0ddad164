"""The page of the lesson asymmetry."""

from lora_viz.lessons.papers.asymmetry import LESSON
from lora_viz.ui.page import show

show(LESSON)
