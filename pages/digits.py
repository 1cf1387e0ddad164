"""The page of the lesson digits."""

from lora_viz.lessons.real.digits import LESSON
from lora_viz.ui.page import show

show(LESSON)
