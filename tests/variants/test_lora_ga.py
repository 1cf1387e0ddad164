"""LoRA-GA's start, the authors' and where PEFT differs, is in tests/test_starts.py; here its variant and gradients."""

from dataclasses import replace

import numpy as np

from lora_viz.core.experiment import Experiment
from tests.variants.oracle import fields_of, gradients_equal_autograd, trained


def test_the_variant_is_the_start(small: Experiment) -> None:
    run, same = trained(replace(small, variant="lora_ga")), trained(replace(small, init="lora_ga"))
    np.testing.assert_array_equal(run.delta_weight(), same.delta_weight())
    assert fields_of(replace(small, variant="lora_ga")).init == "lora_ga"


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="lora_ga"))
