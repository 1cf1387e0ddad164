"""The page of the lesson which_layers."""

from lora_viz.lessons.language.which_layers import LESSON
from lora_viz.ui.page import show

show(LESSON)
