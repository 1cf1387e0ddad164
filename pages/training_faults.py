"""The page of the lesson training_faults."""

from lora_viz.lessons.real.training_faults import LESSON
from lora_viz.ui.page import show

show(LESSON)
