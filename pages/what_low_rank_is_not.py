"""The page of the lesson what_low_rank_is_not."""

from lora_viz.lessons.rank.what_low_rank_is_not import LESSON
from lora_viz.ui.page import show

show(LESSON)
