"""Variants of LoRA, and the map of settings."""

from lora_viz.i18n.language import to_say
from lora_viz.lessons.lesson import Section

SECTION = Section(to_say("Variants, QLoRA"), place=60)
