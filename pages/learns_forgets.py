"""The page of the lesson learns_forgets."""

from lora_viz.lessons.which_rank.learns_forgets import LESSON
from lora_viz.ui.page import show

show(LESSON)
