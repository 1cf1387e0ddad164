"""The page of the lesson truncated_svd."""

from lora_viz.lessons.rank.truncated_svd import LESSON
from lora_viz.ui.page import show

show(LESSON)
