"""The page of the lesson energy_rule."""

from lora_viz.lessons.rank.energy_rule import LESSON
from lora_viz.ui.page import show

show(LESSON)
