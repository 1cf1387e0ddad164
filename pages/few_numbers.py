"""The page of the lesson few_numbers."""

from lora_viz.lessons.rank.few_numbers import LESSON
from lora_viz.ui.page import show

show(LESSON)
