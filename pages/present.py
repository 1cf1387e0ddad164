"""The page of the lesson present."""

from lora_viz.lessons.start.present import LESSON
from lora_viz.ui.page import show

show(LESSON)
