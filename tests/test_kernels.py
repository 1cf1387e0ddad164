"""What a GPU does, as far as it can be seen without one: the same steps, the same bins, and who goes where."""

import logging
from dataclasses import replace
from importlib import util
from typing import Any

import numpy as np
import pytest
import torch

from lora_viz.core.experiment import Experiment, ExperimentError, Sweep
from lora_viz.core.run import joined
from lora_viz.engine import kernels
from lora_viz.engine.kernels import Share, choose, shares
from lora_viz.engine.kernels.fused import PLANS, bin_width, plan, why_not_fused
from lora_viz.engine.kernels.several import train_shares
from lora_viz.engine.stack import pack
from lora_viz.engine.training import available_devices, train


def mixed(small: Experiment) -> Sweep:
    """Ranks, rules, starts, frozen factors and learning rates side by side, some of them far too large."""
    changes: tuple[dict[str, Any], ...] = (
        {"optimizer": "sgd", "lr": 0.002},
        {"optimizer": "adam"},
        {"optimizer": "adamw", "weight_decay": 0.1, "scaling_rule": "rslora"},
        {"optimizer": "adam", "init": "both_random", "lr_ratio": 4.0},
        {"optimizer": "adamw", "frozen": "A", "init": "both_random"},
        {"optimizer": "sgd", "lr": 0.003, "frozen": "B", "init": "A_zero"},
        {"optimizer": "sgd", "lr": 10.0},
        {"optimizer": "scaled_gd", "lr": 0.01},
    )
    return Sweep(tuple(replace(small, rank=r, init_seed=i, **c) for r in (1, 2, 3, 5) for i, c in enumerate(changes)))


@pytest.mark.parametrize("device", available_devices())
@pytest.mark.parametrize(
    "change",
    [{}, {"batch": 11}, {"schedule": "linear", "warmup": 7, "condition": 1.0}, {"steps": 0}, {"steps": 1}],
    ids=lambda c: "-".join(map(str, c.values())) or "plain",
)
def test_steps_that_can_be_captured_are_the_stacks(small: Experiment, device: str, change: dict[str, object]) -> None:
    sweep = mixed(replace(small, **change))  # type: ignore[arg-type]
    here, there = train(sweep), train(sweep, device, engine="graph")
    assert (here.engine, there.engine) == ("stack", "graph")
    np.testing.assert_array_equal(there.diverged_at, here.diverged_at)
    assert sweep[0].steps < 2 or (here.diverged_at >= 0).sum() == 4
    for i in range(len(sweep)):
        np.testing.assert_allclose(there.A[i], here.A[i], rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(there.B[i], here.B[i], rtol=1e-9, atol=1e-11)
    for name in ("loss", "grad_A_norm", "grad_B_norm"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("width", [None, 16])
def test_every_row_has_one_owner_and_no_adapter_is_cut(small: Experiment, width: int | None) -> None:
    sweep = Sweep.over(small, init_seed=range(9), rank=(1, 2, 4, 5), optimizer=("sgd", "adam"))
    stack = pack(sweep, torch.float64, "cpu", width)
    assert sum(block.bins * block.width for block in stack.blocks) == stack.total
    assert {block.width for block in stack.blocks} == ({16} if width else {5, 2})
    for i, own in enumerate(stack.rows):
        assert (stack.owner[own] == i).all()
        assert own.stop - own.start == sweep[i].rank
        block = next(b for b in stack.blocks if b.start <= own.start < b.start + b.bins * b.width)
        assert (own.start - block.start) // block.width == (own.stop - 1 - block.start) // block.width
    assert (stack.owner >= 0).sum() == sum(e.rank for e in sweep.experiments)
    least = -(-int((stack.owner >= 0).sum() / 2) // 16)
    assert not width or stack.total <= 2 * 16 * (least + 1), "no bin stays half empty"


def test_the_choice_is_made_and_logged(
    small: Experiment, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert choose(Sweep((small,)), "cpu") == "stack"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    single = replace(small, dtype="float32")
    large = replace(single, d_in=256, d_out=256)
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    assert why_not_fused(Sweep((single,)), "cuda:0") == "Triton is not installed"
    monkeypatch.setattr(util, "find_spec", lambda name: name)
    assert why_not_fused(Sweep((single,)), "cuda:0") == ""
    assert "float64" in why_not_fused(Sweep((small,)), "cuda:0")
    assert "minibatches" in why_not_fused(Sweep((replace(single, batch=11),)), "cuda:0")
    assert "256×256" in why_not_fused(Sweep((large,)), "cuda:0")
    assert "scaled GD" in why_not_fused(Sweep((replace(single, optimizer="scaled_gd"),)), "cuda:0")
    assert "not a GPU" in why_not_fused(Sweep((single,)), "cpu")
    with caplog.at_level(logging.INFO, logger="lora_viz.engine.kernels"):
        assert choose(Sweep((single,)), "cuda:0") == "fused"
        assert choose(Sweep((large,)), "cuda:0") == "graph"
    assert [record.message.split(": ")[1].split(",")[0] for record in caplog.records] == ["fused", "graph"]
    with pytest.raises(ExperimentError, match="engine=fused is not possible: device cpu is not a GPU"):
        train(Sweep((single,)), engine="fused")
    with pytest.raises(ExperimentError, match=r"engine=fast is unknown\. Valid values: auto, stack, graph, fused"):
        train(Sweep((small,)), engine="fast")


def test_bins_and_plans(small: Experiment) -> None:
    ranks = {1: 16, 16: 16, 17: 32, 64: 64}
    assert {r: bin_width(Sweep((replace(small, d_in=64, d_out=64, rank=r),))) for r in ranks} == ranks
    for known in PLANS.values():
        assert {(width, columns) for width, columns in known if width > columns} == set()
    assert plan(Sweep((replace(small, d_in=64, d_out=33, rank=16),))) == ("tf32x3", 4)
    torch.set_float32_matmul_precision("high")
    try:
        assert plan(Sweep((replace(small, d_in=64, d_out=33, rank=16),))) == ("tf32", 2)
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("gpus", [1, 2, 3])
@pytest.mark.parametrize("memory", [10**12, 10**7])
def test_every_adapter_has_one_gpu(small: Experiment, monkeypatch: pytest.MonkeyPatch, gpus: int, memory: int) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (memory, memory))
    sweep = Sweep.over(small, init_seed=range(400), rank=(1, 5))
    parts = shares(sweep, "cuda", records=161)
    assert sorted(i for part in parts for i in part.members) == list(range(800))
    assert {part.device for part in parts} == {f"cuda:{i}" for i in range(gpus)}
    work = [sum(sweep[i].rank for i in part.members) for part in parts]
    assert max(work) <= 1.1 * min(work) + 5
    assert (len(parts) > gpus) == (memory == 10**7), "what does not fit at once goes one after the other"
    assert shares(Sweep((small,)), "cuda", 2) == [Share("cuda:0", [0])]
    assert shares(sweep, "cpu", 2) == [Share("cpu", list(range(800)))]


@pytest.mark.parametrize("factors", [True, False])
def test_shares_together_are_the_whole(small: Experiment, factors: bool) -> None:
    sweep = mixed(small)
    whole = train(sweep, factors=factors)
    parts = [Share("cpu", list(range(j, len(sweep), 3))) for j in range(3)]
    trained = train_shares(sweep, parts, lambda _, few, device: train(few, device, factors=factors))
    together = joined(sweep, trained)
    assert together.sweep is sweep
    np.testing.assert_array_equal(together.diverged_at, whole.diverged_at)
    np.testing.assert_allclose(together.loss, whole.loss, rtol=1e-12)
    np.testing.assert_allclose(together.grad_B_norm, whole.grad_B_norm, rtol=1e-9, atol=1e-12)
    assert len(together.A) == len(together.B) == (len(sweep) if factors else 0)
    for a, b in zip(together.A, whole.A, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-11)


def test_without_factors_the_numbers_are_the_same(small: Experiment) -> None:
    sweep = mixed(small)
    full, lean = train(sweep, records=9), train(sweep, records=9, factors=False)
    assert (lean.A, lean.B) == ((), ())
    for name in ("loss", "grad_A_norm", "grad_B_norm", "diverged_at", "steps"):
        np.testing.assert_array_equal(getattr(lean, name), getattr(full, name))


def test_few_adapters_stay_on_one_gpu(small: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**12, 10**12))
    few = Sweep.over(small, init_seed=range(kernels.FEWEST + 1))
    assert {part.device for part in shares(few, "cuda", 2)} == {"cuda:0"}


@pytest.mark.parametrize("factors", [True, False])
def test_beside_other_parametrisations(small: Experiment, factors: bool) -> None:
    sweep = Sweep(tuple(replace(small, variant=v, init_seed=i) for i, v in enumerate(("lora", "dora", "lora", "vera"))))
    run = train(sweep, factors=factors)
    assert run.engine == "dense and stack"
    assert len(run.A) == len(run.rest) == (4 if factors else 0)
    for i in (0, 2):
        np.testing.assert_allclose(run.loss[:, i], train(Sweep((sweep[i],))).loss[:, 0], rtol=1e-12)
