"""The start of olora is held against PEFT's, and its steps against PEFT's layer, in tests/test_starts.py."""

from dataclasses import replace

import numpy as np

from lora_viz.core.experiment import Experiment
from tests.variants.oracle import fields_of, gradients_equal_autograd, trained


def test_the_variant_is_the_start(small: Experiment) -> None:
    run, same = trained(replace(small, variant="olora")), trained(replace(small, init="olora"))
    np.testing.assert_array_equal(run.delta_weight(), same.delta_weight())
    assert fields_of(replace(small, variant="olora")).init == "olora"


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="olora"))
