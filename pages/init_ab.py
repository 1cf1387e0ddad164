"""The page of the lesson init_ab."""

from lora_viz.lessons.training.init_ab import LESSON
from lora_viz.ui.page import show

show(LESSON)
