"""The start of pissa is held against PEFT's, and its steps against PEFT's layer, in tests/test_starts.py."""

from dataclasses import replace

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.core.spectra import truncate
from tests.variants.oracle import fields_of, gradients_equal_autograd, trained


def test_the_variant_is_the_start(small: Experiment) -> None:
    run, same = trained(replace(small, variant="pissa")), trained(replace(small, init="pissa"))
    np.testing.assert_array_equal(run.delta_weight(), same.delta_weight())
    assert fields_of(replace(small, variant="pissa")).init == "pissa"


def test_gradients(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="pissa"))


def test_its_floor_is_that_of_the_principal_part_and_the_target(small: Experiment) -> None:
    """ΔW = s·B A − P₀: what is left is at least the tail of P₀ + M, and training reaches it. Not LoRA's floor."""
    e = replace(small, variant="pissa", noise=0.0, condition=1.0, target_rank=5, lr=0.03, steps=1500, schedule="linear")
    run = trained(e)
    M, W = run.task.target_delta, run.task.base_weight
    tail = np.linalg.svd(truncate(W, 3) + M, compute_uv=False)[3:]
    floor = 0.5 * np.sum(tail**2)
    assert floor * (1 - 1e-9) <= run.loss[-1, 0] <= floor * 1.01
    own = 0.5 * np.sum(np.linalg.svd(M, compute_uv=False)[3:] ** 2)
    assert floor > 1.2 * own, "the two floors differ"
