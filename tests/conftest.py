"""What every test may use: a small non-square experiment, whose prime sizes let no transpose hide."""

import pandas  # noqa: F401  # before AppTest puts pages/ on the path: pandas would take pages/bottleneck.py for a package
import pytest

from lora_viz.experiment import Experiment

SMALL = Experiment(
    d_in=7, d_out=5, target_rank=2, rank=3, alpha=6.0, samples=29, noise=0.1, condition=5.0, steps=100, lr=0.02, seed=3
)


@pytest.fixture
def small() -> Experiment:
    return SMALL
