"""The page of the lesson glossary."""

from lora_viz.lessons.reference.glossary import LESSON
from lora_viz.ui.page import show

show(LESSON)
