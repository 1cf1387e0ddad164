"""Starts, scaling, and what happens over the steps."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.lesson import Section

SECTION = Section(to_say("Training"), place=40)
