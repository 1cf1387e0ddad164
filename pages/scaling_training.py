"""The page of the lesson scaling_training."""

from lora_viz.lessons.training.scaling_training import LESSON
from lora_viz.ui.page import show

show(LESSON)
