"""The experiment that most tests look at: small, and of prime sizes that let no transpose hide."""

from lora_viz.core.experiment import Experiment

# Lessons whose record takes seconds of a core: networks, many widths, many rates, thousands of steps.
SLOW = frozenset(
    {
        "capacity",
        "conditioning",
        "digits",
        "large_batch",
        "lora_or_full",
        "many_adapters",
        "one_name",
        "one_rank_names",
        "race",
        "requantised",
        "width",
    }
)

SMALL = Experiment(
    d_in=7, d_out=5, target_rank=2, rank=3, alpha=6.0, samples=29, noise=0.1, condition=5.0, steps=100, lr=0.02, seed=3
)
