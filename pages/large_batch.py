"""The page of the lesson large_batch."""

from lora_viz.lessons.training.large_batch import LESSON
from lora_viz.ui.page import show

show(LESSON)
