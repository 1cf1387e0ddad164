"""Present."""

from lora_viz.lessons.start.present import LESSON
from lora_viz.ui.page import show

show(LESSON)
