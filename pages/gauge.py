"""The page of the lesson gauge."""

from lora_viz.lessons.rank.gauge import LESSON
from lora_viz.ui.page import show

show(LESSON)
