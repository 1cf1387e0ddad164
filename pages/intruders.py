"""The page of the lesson intruders."""

from lora_viz.lessons.rank.intruders import LESSON
from lora_viz.ui.page import show

show(LESSON)
