"""The page of the lesson variants."""

from lora_viz.lessons.variants.variants import LESSON
from lora_viz.ui.page import show

show(LESSON)
