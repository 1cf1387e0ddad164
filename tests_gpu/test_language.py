"""A small language model under many adapters: its losses on a GPU against the CPU's in float64, step by step."""

import pytest
import torch

from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.chat_training import lay_out_pairs, train_pairs
from lora_viz.networks.llama import Llama, Shape

SHAPE = Shape(vocabulary=5003, width=40, layers=3, heads=5, kv_heads=1, inner=29)  # the head in three parts
SPECS = (
    AdapterSpec(rank=1, modules=("q_proj", "v_proj"), scaling=2.0, lr=0.02, seed=1),
    AdapterSpec(rank=3, scaling=0.7, lr=0.01, weight_decay=0.1, seed=2),
    AdapterSpec(rank=2, modules=("down_proj", "o_proj"), layers=(1, 2), lr=0.02, seed=3),
)
PAIRS = [([2, 7, 1], [8, 4111, 3]), ([2, 8], [1, 8, 2, 8, 4, 5002]), ([1, 8, 2, 4999], [7])]


@pytest.mark.parametrize("count", [3, 1], ids=["three adapters", "one"])
def test_losses_on_a_gpu_are_the_cpus(count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    weights = {
        name: torch.randn(size, generator=generator, dtype=torch.float64) * 0.3 + (len(size) == 1)
        for name, size in Llama.names(SHAPE).items()
    }
    found = {}
    for device, dtype in (("cpu", torch.float64), ("cuda", torch.float32)):
        model = Llama(SHAPE, {name: value.to(device, dtype) for name, value in weights.items()})
        adapters = AdapterBatch(SHAPE, SPECS[:count], dtype=dtype, device=device)
        given = lay_out_pairs([3, 1, 4], PAIRS, device)
        found[device] = torch.tensor(list(train_pairs(model, adapters, given, 40)))
    assert (found["cpu"][-1] < 0.9 * found["cpu"][0]).all(), "something is learnt"
    torch.testing.assert_close(found["cuda"], found["cpu"], rtol=1e-3, atol=1e-5)
