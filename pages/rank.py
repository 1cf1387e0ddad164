"""The page of the lesson rank."""

from lora_viz.lessons.basics.rank import LESSON
from lora_viz.ui.page import show

show(LESSON)
