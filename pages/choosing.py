"""The page of the lesson choosing."""

from lora_viz.lessons.reference.choosing import LESSON
from lora_viz.ui.page import show

show(LESSON)
