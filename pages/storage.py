"""The page of the lesson storage."""

from lora_viz.lessons.rank.storage import LESSON
from lora_viz.ui.page import show

show(LESSON)
