"""The page of the lesson scaling."""

from lora_viz.lessons.training.scaling import LESSON
from lora_viz.ui.page import show

show(LESSON)
