"""The page of the lesson rank_over_time."""

from lora_viz.lessons.training.rank_over_time import LESSON
from lora_viz.ui.page import show

show(LESSON)
