"""The same small experiment as the other tests have."""

import pytest

from lora_viz.core.experiment import Experiment
from tests.small import SMALL


@pytest.fixture
def small() -> Experiment:
    return SMALL
