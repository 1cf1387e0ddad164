"""The page of the lesson bottleneck."""

from lora_viz.lessons.basics.bottleneck import LESSON
from lora_viz.ui.page import show

show(LESSON)
