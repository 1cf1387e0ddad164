"""The page of the lesson merge."""

from lora_viz.lessons.basics.merge import LESSON
from lora_viz.ui.page import show

show(LESSON)
