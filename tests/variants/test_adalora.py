"""AdaLoRA against PEFT's layer and its RankAllocator, step for step."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import AdaLoraConfig, PeftModel
from torch import Tensor, nn

from lora_viz.core.experiment import Experiment
from lora_viz.layer.tasks import make_task
from lora_viz.layer.variants import VARIANTS
from lora_viz.layer.variants.adalora import BETA, EVERY, ORTHOGONALITY, PrunedTriplets, Schedule, initial_rank
from tests.variants.oracle import fields_of, gradients_equal_autograd, step_for_step, trained


def test_gradients_with_the_penalty(small: Experiment) -> None:
    gradients_equal_autograd(replace(small, variant="adalora"))


def test_as_peft(small: Experiment) -> None:
    e = replace(small, variant="adalora", rank=2, target_rank=3, noise=0.0, steps=140, lr=0.03)
    assert initial_rank(e) == 3
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(e.d_in, e.d_out, bias=False, dtype=torch.float64))
    net.fc.weight.data = torch.tensor(make_task(e).base_weight)
    config = AdaLoraConfig(
        init_r=3, target_r=2, tinit=20, tfinal=40, deltaT=EVERY, total_step=140, lora_alpha=6, beta1=BETA, beta2=BETA,
        target_modules=["fc"],
    )  # fmt: skip
    model = PeftModel(net, config)
    layer = model.base_model.model.fc
    # what trains, beside the count of ranks, which PEFT keeps as a parameter and no optimiser sees
    assert sum(x.numel() for n, x in layer.named_parameters() if "lora_" in n) == VARIANTS["adalora"].parameters(e)
    A, E, B = layer.lora_A["default"], layer.lora_E["default"], layer.lora_B["default"]
    p, _ = VARIANTS["adalora"].form.start(fields_of(e), make_task(e))
    assert not E.any() and not p["E"].any()
    for theirs, ours in ((A, p["A"]), (B, p["B"])):
        assert theirs.shape == ours.shape
        assert theirs.std().item() == pytest.approx(0.02, rel=0.5) and ours.std() == pytest.approx(0.02, rel=0.5)
    A.data, E.data, B.data = (torch.tensor(p[name]) for name in "AEB")

    def penalty() -> Tensor:
        grams = A @ A.T, B.T @ B
        return ORTHOGONALITY * sum(((g - torch.eye(3)) ** 2).sum() for g in grams)

    step_for_step(
        e,
        layer,
        torch.optim.Adam([A, E, B], lr=e.lr),
        delta=lambda: layer.get_delta_weight("default"),
        penalty=penalty,
        after_step=model.base_model.update_and_allocate,
    )
    kept = trained(e).parameters[0]["E"][-1, :, 0] != 0
    assert kept.sum() == 2
    np.testing.assert_array_equal(kept, E.detach().numpy()[:, 0] != 0)


def test_the_budget_falls_from_all_to_the_target() -> None:
    plan = Schedule(40, 15, 100, 500)
    assert [plan.budget(k) for k in (0, 100, 300, 500, 700)] == [40, 40, 18, 15, 15]
    assert all(plan.budget(k) >= plan.budget(k + 1) for k in range(700))


def test_layers_that_share_a_budget(small: Experiment) -> None:
    """The most important triplets of all layers together are kept, however they are spread."""
    form = PrunedTriplets(layers=2)
    p = {"A": torch.zeros(2, 3, 7), "E": torch.ones(2, 3, 1), "B": torch.zeros(2, 5, 3)}
    importance = torch.tensor([[5.0, 4.0, 3.0], [2.0, 6.0, 1.0]])[..., None]
    memory = {f"{what} {n}": torch.zeros_like(x) for n, x in p.items() for what in ("mean", "spread")}
    memory["mean E"], memory["spread E"] = importance, torch.ones(2, 3, 1)
    together, alone = form._kept(p, memory, 3), PrunedTriplets()._kept(p, memory, 1)
    assert together[..., 0].tolist() == [[1, 1, 0], [0, 1, 0]]
    assert alone[..., 0].tolist() == [[1, 0, 0], [0, 1, 0]]
    assert form.schedule([small, small], 3).initial == 6
