"""The page of the lesson adalora."""

from lora_viz.lessons.variants.adalora import LESSON
from lora_viz.ui.page import show

show(LESSON)
