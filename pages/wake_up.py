"""The page of the lesson wake_up."""

from lora_viz.lessons.training.wake_up import LESSON
from lora_viz.ui.page import show

show(LESSON)
