"""The page of the lesson one_rank."""

from lora_viz.lessons.language.one_rank import LESSON
from lora_viz.ui.page import show

show(LESSON)
