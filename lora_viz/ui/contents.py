"""Which pages are there, in which section and order?"""

__all__ = ["PAGES"]

# Section -> page -> what the menu calls it. The first page of all is the one that opens.
PAGES: dict[str, dict[str, str]] = {
    "Start": {
        "machine": "The machine",
        "follow": "Follow one vector",
        "mistake": "Find the mistake",
    },
    "Lessons": {
        "bottleneck": "Bottleneck",
        "rank": "Rank",
        "gradient_flow": "Gradient flow",
        "merge": "Merge",
    },
    "Variants": {
        "phase_map": "Phase map",
    },
    "Real": {
        "digits": "Digits",
        "minilm": "A real transformer",
        "many_adapters": "Many adapters",
        "quantised": "Quantised base",
    },
}
