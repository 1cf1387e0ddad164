"""The page of the lesson matrix."""

from lora_viz.lessons.rank.matrix import LESSON
from lora_viz.ui.page import show

show(LESSON)
