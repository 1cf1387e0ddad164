"""Language models that are adapted while one watches."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.lesson import Section

SECTION = Section(to_say("Language models"), place=75)
