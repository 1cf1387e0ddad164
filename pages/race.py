"""LoRA against full."""

from lora_viz.lessons.training.race import LESSON
from lora_viz.ui.page import show

show(LESSON)
