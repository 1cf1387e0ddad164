"""The page of the lesson overlap."""

from lora_viz.lessons.rank.overlap import LESSON
from lora_viz.ui.page import show

show(LESSON)
