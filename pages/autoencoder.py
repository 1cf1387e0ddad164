"""The page of the lesson autoencoder."""

from lora_viz.lessons.rank.autoencoder import LESSON
from lora_viz.ui.page import show

show(LESSON)
