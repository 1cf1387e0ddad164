"""The page of the lesson denoise."""

from lora_viz.lessons.rank.denoise import LESSON
from lora_viz.ui.page import show

show(LESSON)
