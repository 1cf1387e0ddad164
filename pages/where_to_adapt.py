"""The page of the lesson where_to_adapt."""

from lora_viz.lessons.language.where_to_adapt import LESSON
from lora_viz.ui.page import show

show(LESSON)
