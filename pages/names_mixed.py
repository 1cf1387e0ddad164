"""The page of the lesson names_mixed."""

from lora_viz.lessons.language.names_mixed import LESSON
from lora_viz.ui.page import show

show(LESSON)
