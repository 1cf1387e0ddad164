"""The page of the lesson overfit."""

from lora_viz.lessons.rank.overfit import LESSON
from lora_viz.ui.page import show

show(LESSON)
