"""LoRA, the registry's own: autograd through the explicit form. Its agreement with PEFT is tests/test_training.py's."""

from lora_viz.core.experiment import Experiment
from tests.variants.oracle import gradients_equal_autograd


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(small)
