"""The page of the lesson init_variance."""

from lora_viz.lessons.training.init_variance import LESSON
from lora_viz.ui.page import show

show(LESSON)
