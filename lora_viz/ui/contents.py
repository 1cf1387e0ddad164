"""Which pages are there, in which section and order?"""

import re
from urllib.parse import urlencode

from lora_viz.i18n.language import say, to_say
from lora_viz.ui.speaking import language_of_links

__all__ = ["PAGES", "address", "link_to", "linked", "links"]

# Section -> page -> what the menu calls it. The first page of all is the one that opens.
PAGES: dict[str, dict[str, str]] = {
    to_say("Start"): {
        "machine": to_say("The machine"),
        "follow": to_say("Follow one vector"),
        "mistake": to_say("Find the mistake"),
        "present": to_say("Present"),
        "quiz": to_say("Quiz"),
        "challenges": to_say("Challenges"),
    },
    to_say("Lessons"): {
        "bottleneck": to_say("Bottleneck"),
        "rank": to_say("Rank"),
        "gradient_flow": to_say("Gradient flow"),
        "merge": to_say("Merge"),
    },
    to_say("Rank"): {
        "matrix": to_say("What is rank?"),
        "truncation": to_say("Beat the SVD"),
        "storage": to_say("Storage"),
        "denoise": to_say("Noise"),
        "gauge": to_say("Are A and B unique?"),
        "subspace": to_say("A subspace?"),
        "few_numbers": to_say("Few numbers"),
        "autoencoder": to_say("Autoencoder"),
    },
    to_say("Training"): {
        "init_race": to_say("Starts raced"),
        "init_variance": to_say("Size of the start"),
        "init_alignment": to_say("Direction of the first step"),
        "init_ab": to_say("A random or B random"),
        "scaling": to_say("Scaling"),
        "scaling_training": to_say("Scaling and training"),
        "alpha": to_say("α and the learning rate"),
        "rank_over_time": to_say("Rank over time"),
        "saddles": to_say("Saddle to saddle"),
        "balance": to_say("Balance"),
        "wake_up": to_say("Wake-up"),
        "race": to_say("LoRA against full"),
        "conditioning": to_say("Conditioning"),
    },
    to_say("Which rank?"): {
        "overfit": to_say("Overfitting"),
        "energy_rule": to_say("The 95 % rule"),
        "overlap": to_say("Overlap"),
        "learns_forgets": to_say("Learns, forgets"),
    },
    to_say("Variants"): {
        "variants": to_say("Which variant?"),
        "dora": to_say("DoRA"),
        "adalora": to_say("AdaLoRA"),
        "quantised": to_say("4-bit base"),
        "phase_map": to_say("Phase map"),
    },
    to_say("Papers"): {
        "asymmetry": to_say("Asymmetry"),
        "intruders": to_say("Intruders"),
        "capacity": to_say("Capacity"),
        "large_batch": to_say("Large batches"),
        "width": to_say("Width"),
    },
    to_say("Real"): {
        "digits": to_say("Digits"),
        "minilm": to_say("A real transformer"),
        "many_adapters": to_say("Many adapters"),
        "requantised": to_say("Merge into few bits"),
        "inspector": to_say("Adapter inspector"),
        "two_adapters": to_say("Two adapters"),
        "extract": to_say("Extract a LoRA"),
        "budget": to_say("Budget"),
        "cost": to_say("Cost"),
    },
    to_say("Reference"): {
        "config_card": to_say("Key parameters"),
        "transformer": to_say("Transformer"),
        "literature": to_say("Literature"),
        "glossary": to_say("Glossary"),
    },
}

_HOME = next(iter(PAGES["Start"]))
_TITLES = {name: title for pages in PAGES.values() for name, title in pages.items()}


def address(place: str) -> str:
    """The address of a page, maybe with settings as in "rank?noise=0": read there in the same language.

    A link opens the page anew, and only what stands in it goes along. The page that opens has no address of its own.
    """
    name, _, query = place.partition("?")
    language = language_of_links()
    said = "&".join(filter(None, (query, urlencode({"lang": language}) if language else "")))
    return f"{'./' if name == _HOME else name}{'?' if said else ''}{said}"


def links() -> dict[str, str]:
    """Page -> the link to it, as HTML, under the menu's name."""
    return {name: f'<a href="{address(name)}" target="_self">{say(title)}</a>' for name, title in _TITLES.items()}


def link_to(place: str) -> str:
    """The link to a page, maybe with settings as in "rank?noise=0", as markdown under the menu's name."""
    return f"[{say(_TITLES[place.partition('?')[0]])}]({address(place)})"


def linked(text: str) -> str:
    """The markdown text, its links to pages and into the glossary read in the same language."""

    def put(match: re.Match[str]) -> str:
        place, part = match[1], match[2] or ""
        return f"]({address(place)}{part})" if place.partition("?")[0] in _TITLES else match[0]

    return re.sub(r"\]\(([a-z_]+(?:\?[^)#]*)?)(#[^)]*)?\)", put, text) if language_of_links() else text
