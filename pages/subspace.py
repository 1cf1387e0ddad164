"""The page of the lesson subspace."""

from lora_viz.lessons.rank.subspace import LESSON
from lora_viz.ui.page import show

show(LESSON)
