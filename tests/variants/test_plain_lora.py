"""LoRA, the registry's own: autograd through the explicit form. Its agreement with PEFT is tests/test_training.py's."""

from oracle import gradients_equal_autograd

from lora_viz.experiment import Experiment


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(small)
