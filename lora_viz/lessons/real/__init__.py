"""Real networks, real files, real costs."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.lesson import Section

SECTION = Section(to_say("Real models"), place=80)
