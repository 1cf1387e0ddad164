"""The page of the lesson asymmetry."""

from lora_viz.lessons.variants.asymmetry import LESSON
from lora_viz.ui.page import show

show(LESSON)
