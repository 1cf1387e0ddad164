"""The machine, worked examples, and the ways in."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.lesson import Section

SECTION = Section(to_say("Start"), place=10)
