"""What of a step is exact is held against products and tensors counted by hand; its seconds only have to be there."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from lora_viz.costs.step_time import METHODS, Stepped, StepTimes, built, counted, sizes
from lora_viz.layer.variants.dora import VARIANT
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.real.step_time import LESSON, detail, verdict
from tests.small import SMALL

N, D, R = 11, 13, 3  # tokens, width, rank
LAYER = Stepped("layer", D, R, N)


def test_a_layers_multiply_adds_are_those_of_its_products() -> None:
    """Full: W x, its gradient of x and of W. LoRA: two of those, and six thin ones. DoRA: B A formed, too."""
    found = {method: counted(LAYER, method).multiply_adds for method in METHODS}
    lora = 2 * N * D * D + 6 * N * D * R
    assert found == {"full": 3 * N * D * D, "lora": lora, "dora": lora + D * D * R, "lora_fa": lora - N * D * R}


def test_a_layers_kept_bytes_are_those_of_its_activations() -> None:
    """x for ∇W or ∇A, h = A x for ∇B; DoRA: both outputs before they are rescaled, and two vectors of the rows."""
    found = {method: counted(LAYER, method).saved / 4 for method in METHODS}
    assert found == {"full": N * D, "lora": N * (D + R), "dora": N * (3 * D + R) + 2 * D, "lora_fa": N * R}


def test_trained_are_the_factors_alone() -> None:
    found = {method: counted(LAYER, method).trained for method in METHODS}
    assert found == {"full": D * D, "lora": 2 * D * R, "dora": 2 * D * R + D, "lora_fa": D * R}


def test_a_block_keeps_less_where_A_is_frozen_and_counts_alike_every_time() -> None:
    block = Stepped("block", 16, R, N)
    found = {method: counted(block, method) for method in METHODS}
    assert found == {method: counted(block, method) for method in METHODS}
    assert found["lora_fa"].saved < found["full"].saved < found["lora"].saved < found["dora"].saved
    assert found["lora"].multiply_adds / found["full"].multiply_adds > 2 / 3


def test_dora_is_the_one_of_the_variants() -> None:
    layer = built(LAYER, "dora")
    with torch.no_grad():
        layer.lora_B.normal_()  # type: ignore[operator]
        layer.magnitude.mul_(1.7)  # type: ignore[operator]
    W, A, B, m = (p.detach().double() for p in (layer.base.weight, layer.lora_A, layer.lora_B, layer.magnitude))  # type: ignore[union-attr]
    e = replace(SMALL, d_in=D, d_out=D, rank=R, alpha=float(R))
    delta = VARIANT.form.delta({"A": A, "B": B, "magnitude": m}, {"base": W, "original": W}, torch.tensor(e.scaling))
    x = torch.randn(N, D)
    torch.testing.assert_close(layer(x), (x.double() @ (W + delta).T).float(), rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def record() -> StepTimes:
    return LESSON.play(subject="block", varied="rank").record


def test_every_second_is_there_and_says_whose_it_is(record: StepTimes) -> None:
    assert record.at == sizes("block", "rank")
    assert (record.seconds > 0).all() and (np.diff(record.seconds, axis=0) >= 0).all()
    assert (record.rounds >= 3).all() and (record.parts > 0).all()
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d", record.when)
    assert record.when in detail(record) and torch.__version__ in detail(record) and record.machine


def test_what_was_measured_is_told_again(record: StepTimes) -> None:
    """A new cache of results asks again, and gets the recording."""
    again = LESSON.played(LESSON.settings(subject="block", varied="rank"), Lab()).record
    assert again is record


def test_the_verdict_follows_the_run(record: StepTimes) -> None:
    seconds = np.broadcast_to(np.array([1.4, 1.0, 1.2, 0.9])[:, None], record.seconds.shape[1:])
    calm = record._replace(seconds=np.stack([seconds] * 3), multiply_adds=np.maximum(record.multiply_adds, 2 * 10**9))
    assert verdict(calm).holds
    fast = seconds.copy()
    fast[1, -1] = 0.4
    assert verdict(calm._replace(seconds=np.stack([fast] * 3))).holds is False
    slow = seconds.copy()
    slow[2, 0] = 0.9
    assert verdict(calm._replace(seconds=np.stack([slow] * 3))).holds is False
