"""Single papers in miniature."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.lesson import Section

SECTION = Section(to_say("Claims from papers"), place=70)
