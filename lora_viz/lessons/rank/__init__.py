"""Rank from the ground, and which rank is enough."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.lesson import Section

SECTION = Section(to_say("Rank"), place=30)
