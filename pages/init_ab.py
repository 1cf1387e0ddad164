"""A random or B random."""

from lora_viz.lessons.training.init_ab import LESSON
from lora_viz.ui.page import show

show(LESSON)
