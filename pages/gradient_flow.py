"""The page of the lesson gradient_flow."""

from lora_viz.lessons.basics.gradient_flow import LESSON
from lora_viz.ui.page import show

show(LESSON)
