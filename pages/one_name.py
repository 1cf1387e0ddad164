"""The page of the lesson one_name."""

from lora_viz.lessons.language.one_name import LESSON
from lora_viz.ui.page import show

show(LESSON)
