"""The page of the lesson width."""

from lora_viz.lessons.training.width import LESSON
from lora_viz.ui.page import show

show(LESSON)
