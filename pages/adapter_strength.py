"""The page of the lesson adapter_strength."""

from lora_viz.lessons.language.adapter_strength import LESSON
from lora_viz.ui.page import show

show(LESSON)
