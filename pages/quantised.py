"""The page of the lesson quantised."""

from lora_viz.lessons.variants.quantised import LESSON
from lora_viz.ui.page import show

show(LESSON)
