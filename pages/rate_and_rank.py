"""The page of the lesson rate_and_rank."""

from lora_viz.lessons.language.rate_and_rank import LESSON
from lora_viz.ui.page import show

show(LESSON)
