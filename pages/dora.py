"""The page of the lesson dora."""

from lora_viz.lessons.variants.dora import LESSON
from lora_viz.ui.page import show

show(LESSON)
