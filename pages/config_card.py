"""The page of the lesson config_card."""

from lora_viz.lessons.reference.config_card import LESSON
from lora_viz.ui.page import show

show(LESSON)
