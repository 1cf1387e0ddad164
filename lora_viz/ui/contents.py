"""Which pages are there, in which section and order?"""

__all__ = ["LINKS", "PAGES", "link_to"]

# Section -> page -> what the menu calls it. The first page of all is the one that opens.
PAGES: dict[str, dict[str, str]] = {
    "Start": {
        "machine": "The machine",
        "follow": "Follow one vector",
        "mistake": "Find the mistake",
        "present": "Present",
        "quiz": "Quiz",
        "challenges": "Challenges",
    },
    "Lessons": {
        "bottleneck": "Bottleneck",
        "rank": "Rank",
        "gradient_flow": "Gradient flow",
        "merge": "Merge",
    },
    "Rank": {
        "matrix": "What is rank?",
        "truncation": "Beat the SVD",
        "storage": "Storage",
        "denoise": "Noise",
        "gauge": "Are A and B unique?",
        "subspace": "A subspace?",
        "few_numbers": "Few numbers",
        "autoencoder": "Autoencoder",
    },
    "Training": {
        "init_race": "Starts raced",
        "init_variance": "Size of the start",
        "init_alignment": "Direction of the first step",
        "init_ab": "A random or B random",
        "scaling": "Scaling",
        "scaling_training": "Scaling and training",
        "alpha": "α and the learning rate",
        "rank_over_time": "Rank over time",
        "saddles": "Saddle to saddle",
        "balance": "Balance",
        "wake_up": "Wake-up",
        "race": "LoRA against full",
        "conditioning": "Conditioning",
    },
    "Which rank?": {
        "overfit": "Overfitting",
        "energy_rule": "The 95 % rule",
        "overlap": "Overlap",
        "learns_forgets": "Learns, forgets",
    },
    "Variants": {
        "variants": "Which variant?",
        "dora": "DoRA",
        "adalora": "AdaLoRA",
        "quantised": "4-bit base",
        "phase_map": "Phase map",
    },
    "Papers": {
        "asymmetry": "Asymmetry",
        "intruders": "Intruders",
        "capacity": "Capacity",
        "large_batch": "Large batches",
        "width": "Width",
    },
    "Real": {
        "digits": "Digits",
        "minilm": "A real transformer",
        "many_adapters": "Many adapters",
        "requantised": "Merge into few bits",
        "inspector": "Adapter inspector",
        "two_adapters": "Two adapters",
        "extract": "Extract a LoRA",
        "budget": "Budget",
        "cost": "Cost",
    },
    "Reference": {
        "config_card": "Key parameters",
        "transformer": "Transformer",
        "literature": "Literature",
        "glossary": "Glossary",
    },
}

_HOME = next(iter(PAGES["Start"]))
# Page -> the link to it, as HTML, under the menu's name. The page that opens has no address of its own.
LINKS: dict[str, str] = {
    name: f'<a href="{"./" if name == _HOME else name}" target="_self">{title}</a>'
    for pages in PAGES.values()
    for name, title in pages.items()
}


def link_to(place: str) -> str:
    """The link to a page, maybe with settings as in "rank?noise=0", as markdown under the menu's name."""
    name, mark, query = place.partition("?")
    title = next(pages[name] for pages in PAGES.values() if name in pages)
    return f"[{title}]({'./' if name == _HOME else name}{mark}{query})"
