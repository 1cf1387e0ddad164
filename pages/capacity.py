"""The page of the lesson capacity."""

from lora_viz.lessons.rank.capacity import LESSON
from lora_viz.ui.page import show

show(LESSON)
