"""The page of the lesson mix_and_stack."""

from lora_viz.lessons.language.mix_and_stack import LESSON
from lora_viz.ui.page import show

show(LESSON)
