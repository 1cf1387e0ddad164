"""Which pages are there, in which section and order?"""

__all__ = ["PAGES"]

# Section -> page -> what the menu calls it. The first page of all is the one that opens.
PAGES: dict[str, dict[str, str]] = {
    "Start": {
        "machine": "The machine",
        "follow": "Follow one vector",
        "mistake": "Find the mistake",
        "present": "Present",
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
    "Variants": {
        "variants": "Which variant?",
        "adalora": "AdaLoRA",
        "quantised": "4-bit base",
        "phase_map": "Phase map",
    },
}
