"""The page of the lesson learns_forgets."""

from lora_viz.lessons.training.learns_forgets import LESSON
from lora_viz.ui.page import show

show(LESSON)
