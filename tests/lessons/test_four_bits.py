"""Merged into four bits: merging is exact in float32, and what is counted is what is stored."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lora_viz.lessons.language.four_bits import detail, verdict
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.chat_storing import BLOCK, FORMATS, merged, rounded, what_is_left
from lora_viz.networks.llama import Frozen, Llama, Shape, laid_out
from lora_viz.networks.recorded_chat import recorded_stored, recorded_training
from lora_viz.networks.smollm2 import find_smollm2

SHAPE = Shape(vocabulary=13, width=64, layers=2, heads=2, kv_heads=1, inner=96)
needs_gguf = pytest.mark.skipif(find_smollm2() is None, reason="needs the extra of requirements-language.txt")


def tiny(size: float) -> tuple[Llama, AdapterBatch]:
    generator = torch.Generator().manual_seed(3)
    weights = {
        name: torch.randn(shape, generator=generator) * 0.2 + (len(shape) == 1)
        for name, shape in Llama.names(SHAPE).items()
    }
    adapters = AdapterBatch(SHAPE, [AdapterSpec(rank=2, modules=("q_proj", "down_proj"), layers=(1,))])
    with torch.no_grad():
        for place in adapters.places:
            adapters.B[place].copy_(torch.randn(adapters.B[place].shape, generator=generator) * size)
    return Llama(SHAPE, weights), adapters


def test_merged_in_float32_it_says_what_it_said_unmerged() -> None:
    model, adapters = tiny(0.3)
    layout = laid_out([[1, 5, 2], [7, 3]])
    unmerged = model.logits(model.run(model.embed(layout.ids), adapters, layout))
    held = merged(model, adapters, "fp32")
    together = held.logits(held.run(held.embed(layout.ids), Frozen(), layout))
    assert torch.allclose(unmerged, together, rtol=1e-4, atol=1e-5)
    left = what_is_left(model, adapters, "fp32")
    assert left.moved > 0.99 and left.kept == pytest.approx(1.0, rel=1e-4) and left.step == 0


@needs_gguf
@pytest.mark.parametrize("name", FORMATS)
def test_what_lies_on_the_grid_stays_and_a_tiny_update_is_rounded_away(name: str) -> None:
    model, adapters = tiny(1e-7)
    weights = {key: value for key, value in model.weights().items()}
    for key, value in weights.items():
        if value.ndim == 2 and value.shape[1] % BLOCK == 0:
            weights[key] = torch.from_numpy(rounded(value.numpy(), name))
    on_grid = Llama(SHAPE, weights)
    left = what_is_left(on_grid, adapters, name)
    assert left.moved < 0.05 and left.step > 100


def test_what_is_shipped_begins_with_the_trained_adapter() -> None:
    record, training = recorded_stored(), recorded_training()
    assert record.formats == ("unmerged", "fp32", *FORMATS)
    assert record.answers[0] == training.answers[-1]
    np.testing.assert_allclose(record.kept[:2], 1.0, rtol=1e-3)
    told = detail(record._replace(step=np.array([0.0, 0, 0.5, 9, 9])))
    assert "Q4_1: a step of the grid is 9 times" in told


@pytest.mark.parametrize(("style", "holds"), [((20, 20, 20, 19, 19), True), ((20, 20, 20, 19, 12), False)])
def test_the_claim_holds_where_every_format_keeps_the_style(style: tuple[int, ...], holds: bool) -> None:
    assert verdict(recorded_stored()._replace(style=np.array(style))).holds is holds
