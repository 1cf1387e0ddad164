"""The page of the lesson which_learning_rate."""

from lora_viz.lessons.language.which_learning_rate import LESSON
from lora_viz.ui.page import show

show(LESSON)
