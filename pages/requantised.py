"""The page of the lesson requantised."""

from lora_viz.lessons.real.requantised import LESSON
from lora_viz.ui.page import show

show(LESSON)
