"""The four first lessons: bottleneck, rank, gradient flow, merge."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.lesson import Section

SECTION = Section(to_say("Basics"), place=20)
