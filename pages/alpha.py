"""The page of the lesson alpha."""

from lora_viz.lessons.training.alpha import LESSON
from lora_viz.ui.page import show

show(LESSON)
