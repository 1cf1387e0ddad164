"""The page of the lesson ten_sentences."""

from lora_viz.lessons.language.ten_sentences import LESSON
from lora_viz.ui.page import show

show(LESSON)
