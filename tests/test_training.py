"""The engine against its oracles: autograd, PEFT with torch.optim, and each adapter trained alone."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from lora_viz.core.experiment import Experiment, ExperimentError, Sweep
from lora_viz.core.factored import FactoredMatrix
from lora_viz.core.run import Run, recorded_steps
from lora_viz.core.spectra import full_gradient, least_squares, reduced_rank_floor
from lora_viz.engine.training import autograd_check, available_devices, losses, train
from lora_viz.layer.lora import LoRALinear
from lora_viz.layer.starts import initial_factors
from lora_viz.layer.tasks import batches, make_task


def alone(e: Experiment, records: int = 1000) -> Run:
    return train(Sweep((e,)), records=records)


def with_peft(e: Experiment) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same experiment through PEFT, autograd and torch.optim: A, B and loss after every step."""
    task = make_task(e)
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(e.d_in, e.d_out, bias=False, dtype=torch.float64))
    net.fc.weight.data = torch.tensor(task.base_weight)
    config = LoraConfig(r=e.rank, lora_alpha=e.alpha, target_modules=["fc"], use_rslora=e.scaling_rule == "rslora")
    model = get_peft_model(net, config)
    layer = model.base_model.model.fc
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    a.data, b.data = (torch.tensor(f) for f in initial_factors(e))
    groups = [{"params": [a], "lr": e.lr}, {"params": [b], "lr": e.lr * e.lr_ratio}]
    optimizer = {
        "sgd": lambda: torch.optim.SGD(groups),
        "adam": lambda: torch.optim.Adam(groups),
        "adamw": lambda: torch.optim.AdamW(groups, weight_decay=e.weight_decay),
    }[e.optimizer]()
    x = torch.tensor(task.inputs)
    targets = x @ torch.tensor(task.base_weight).T + torch.tensor(task.residuals)
    order = batches(e) if e.batch else np.tile(np.arange(e.samples), (e.steps + 1, 1))
    history = []
    for k in range(e.steps + 1):
        with torch.no_grad():
            loss = 0.5 * ((model(x) - targets) ** 2).sum() / e.samples
        history.append((a.detach().numpy().copy(), b.detach().numpy().copy(), loss.item()))
        optimizer.zero_grad()
        seen = order[k]
        (0.5 * ((model(x[seen]) - targets[seen]) ** 2).sum() / len(seen)).backward()
        for group, lr in zip(optimizer.param_groups, (e.lr, e.lr * e.lr_ratio), strict=True):
            group["lr"] = lr * (min(1.0, k / e.warmup) if e.warmup else 1.0)
        optimizer.step()
    a_all, b_all, loss_all = zip(*history, strict=True)
    return np.stack(a_all), np.stack(b_all), np.array(loss_all)


@pytest.mark.parametrize("init", ["B_zero", "gaussian", "A_zero", "both_zero", "both_random"])
@pytest.mark.parametrize("batch", [0, 11])
def test_gradients_equal_autograd(small: Experiment, init: str, batch: int) -> None:
    e = replace(small, init=init, batch=batch, optimizer="sgd")
    run = alone(e)
    check = autograd_check(run)
    assert max(check.difference_A.max(), check.difference_B.max()) < 1e-12
    np.testing.assert_allclose(run.grad_A_norm[:, 0], check.autograd_A, atol=1e-12)
    np.testing.assert_allclose(run.grad_B_norm[:, 0], check.autograd_B, atol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "sgd", "lr": 0.05},
        {"optimizer": "adam"},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "adam", "lr_ratio": 16.0, "lr": 0.005},
        {"optimizer": "adamw", "lr_ratio": 4.0, "weight_decay": 0.05, "scaling_rule": "rslora"},
        {"optimizer": "adam", "batch": 11},
        {"optimizer": "sgd", "warmup": 10, "lr": 0.05},
    ],
    ids=lambda c: "-".join(map(str, c.values())),
)
def test_step_for_step_with_peft_and_torch_optim(small: Experiment, change: dict[str, object]) -> None:
    e = replace(small, **change)  # type: ignore[arg-type]
    run = alone(e)
    a, b, loss = with_peft(e)
    assert len(run.steps) == 101
    assert np.abs(run.A[0] - a).max() <= 1e-9
    assert np.abs(run.B[0] - b).max() <= 1e-9
    assert np.abs(run.loss[:, 0] - loss).max() <= 1e-9
    assert loss[-1] < 0.9 * loss[0], "something was learnt"


def scaled_gd(e: Experiment) -> tuple[np.ndarray, np.ndarray]:
    """Scaled GD in plain words: inverses of small matrices, on the samples."""
    task, (a, b) = make_task(e), initial_factors(e)
    delta, history = 1e-8 * np.eye(e.rank), [(a, b)]
    for k in range(e.steps):
        G = (e.scaling * b @ a @ task.inputs.T - task.residuals.T) @ task.inputs / e.samples
        lr = e.lr * (min(1.0, k / e.warmup) if e.warmup else 1.0)
        step_a = np.linalg.inv(b.T @ b + delta) @ (e.scaling * b.T @ G)
        step_b = (e.scaling * G @ a.T) @ np.linalg.inv(a @ a.T + delta)
        a, b = a - lr * step_a, b - lr * e.lr_ratio * step_b
        history.append((a, b))
    return np.stack([a for a, _ in history]), np.stack([b for _, b in history])


@pytest.mark.parametrize(
    "change",
    [{}, {"condition": 1.0}, {"lr_ratio": 0.5, "warmup": 7}, {"init": "both_random"}, {"rank": 2}],
    ids=lambda c: "-".join(map(str, c.values())) or "plain",
)
def test_scaled_gd_against_plain_inverses(small: Experiment, change: dict[str, object]) -> None:
    e = replace(small, optimizer="scaled_gd", lr=0.1, alpha=float(small.rank), steps=40)
    e = replace(e, **change)  # type: ignore[arg-type]
    run, (a, b) = alone(e), scaled_gd(e)
    np.testing.assert_allclose(run.A[0], a, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(run.B[0], b, rtol=1e-7, atol=1e-7)
    assert run.loss[-1, 0] < 0.5 * run.loss[0, 0], "something was learnt"
    check = autograd_check(run)
    np.testing.assert_allclose(run.grad_A_norm[:, 0], check.autograd_A, atol=1e-12)  # the gradient, not the step


def test_scaled_gd_in_a_stack_touches_nobody(small: Experiment) -> None:
    scaled = [
        replace(small, optimizer="scaled_gd", lr=lr, rank=r, alpha=float(r))
        for r in (1, 2, 3, 2, 1)
        for lr in (0.1, 0.3)
    ]
    others = [replace(small, rank=2), replace(small, rank=3, optimizer="sgd", lr=0.01)]
    together = train(Sweep((*others, *scaled)), records=1000)
    for i, e in enumerate((*others, *scaled)):
        single = alone(e)
        np.testing.assert_allclose(together.loss[:, i], single.loss[:, 0], rtol=1e-7)
        np.testing.assert_allclose(together.A[i], single.A[0], atol=1e-7)
    plain = train(Sweep(tuple(others)), records=1000)
    np.testing.assert_allclose(together.loss[:, :2], plain.loss, rtol=1e-10)


def test_the_identity_start_is_full_fine_tuning(small: Experiment) -> None:
    e = replace(
        small, d_in=5, d_out=7, rank=5, init="identity", frozen="A", alpha=1.0, scaling_rule="constant", steps=30
    )
    for optimizer, torchs in (("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)):
        run, task = alone(replace(e, optimizer=optimizer)), make_task(e)
        weight = torch.zeros(7, 5, dtype=torch.float64, requires_grad=True)
        rule = torchs([weight], lr=e.lr)
        for k in range(e.steps):
            np.testing.assert_allclose(run.delta_weight()[k], weight.detach().numpy(), atol=1e-12)
            rule.zero_grad()
            wrong = torch.tensor(task.inputs) @ weight.T - torch.tensor(task.residuals)
            (0.5 * (wrong**2).sum() / e.samples).backward()
            rule.step()


def mixed(small: Experiment) -> Sweep:
    """Every rule beside every other: ranks, seeds, inits, scalings, optimizers, learning rates."""
    return Sweep(
        tuple(
            replace(small, rank=rank, init_seed=seed, **change)
            for rank in (1, 2, 3, 5)
            for seed, change in enumerate(
                (
                    {"optimizer": "sgd", "lr": 0.002},
                    {"optimizer": "adam"},
                    {"optimizer": "adamw", "weight_decay": 0.1, "scaling_rule": "rslora"},
                    {"optimizer": "adam", "init": "both_random", "lr_ratio": 4.0},
                    {"optimizer": "sgd", "lr": 0.003, "init": "A_zero", "alpha": 3.0},
                )
            )
        )
    )


@pytest.mark.parametrize("batch", [0, 11])
def test_every_adapter_of_a_stack_is_the_adapter_alone(small: Experiment, batch: int) -> None:
    sweep = mixed(replace(small, batch=batch))
    together = train(sweep, records=1000)
    for i, e in enumerate(sweep.experiments):
        single = alone(e)
        np.testing.assert_allclose(together.A[i], single.A[0], rtol=0, atol=1e-11)
        np.testing.assert_allclose(together.B[i], single.B[0], rtol=0, atol=1e-11)
        np.testing.assert_allclose(together.loss[:, i], single.loss[:, 0], rtol=0, atol=1e-11)
        np.testing.assert_allclose(together.grad_A_norm[:, i], single.grad_A_norm[:, 0], rtol=0, atol=1e-11)
        np.testing.assert_allclose(together.grad_B_norm[:, i], single.grad_B_norm[:, 0], rtol=0, atol=1e-11)


def test_a_large_stack_uses_bins_of_two_widths(small: Experiment) -> None:
    sweep = Sweep.over(replace(small, steps=20), init_seed=range(9), rank=(1, 2, 4, 5))
    together = train(sweep)
    for i in (0, 1, 17, 35):
        np.testing.assert_allclose(together.A[i], alone(sweep[i]).A[0], rtol=0, atol=1e-12)


def test_step_0_changes_nothing(small: Experiment) -> None:
    run = alone(small)
    assert not run.delta_weight()[0].any()
    assert run.grad_A_norm[0, 0] == 0.0
    assert run.grad_B_norm[0, 0] > 0.1
    np.testing.assert_array_equal(run.A[0][1], run.A[0][0])  # A does not move at the first step, Adam or not
    assert np.abs(run.A[0][2] - run.A[0][1]).max() > 0
    layer = LoRALinear.from_experiment(small, run.task.base_weight)
    x = torch.tensor(run.task.inputs)
    assert torch.equal(layer(x), layer.base(x))


def test_the_base_weight_is_left_alone(small: Experiment) -> None:
    task = make_task(small)
    before = task.base_weight.copy()
    assert alone(small).task.base_weight is task.base_weight
    np.testing.assert_array_equal(task.base_weight, before)


def test_same_experiment_same_run_bit_for_bit(small: Experiment) -> None:
    first, second = train(mixed(small)), train(mixed(small))
    for x, y in zip((*first.A, *first.B, first.loss), (*second.A, *second.B, second.loss), strict=True):
        np.testing.assert_array_equal(x, y)


def test_recording_does_not_change_the_trajectory(small: Experiment) -> None:
    few, all_ = alone(small, records=7), alone(small)
    np.testing.assert_array_equal(few.A[0], all_.A[0][few.steps])
    np.testing.assert_array_equal(few.loss, all_.loss[few.steps])


def test_recorded_steps() -> None:
    assert recorded_steps(5, 10) == [0, 1, 2, 3, 4, 5]
    assert recorded_steps(300, 2) == [0, 300]
    steps = recorded_steps(300, 100)
    assert steps[:50] == list(range(50))
    assert steps[-1] == 300
    assert len(steps) <= 100
    assert all(a < b for a, b in pairwise(steps))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_divergence_is_frozen_marked_and_alone(small: Experiment, optimizer: str, dtype: str) -> None:
    base = replace(small, dtype=dtype)
    hot = replace(base, optimizer=optimizer, lr=500.0 if optimizer == "sgd" else 1e6, alpha=1024.0)
    good = [replace(base, init_seed=i, optimizer=o, lr=0.02) for i in (1, 2) for o in ("sgd", "adam")]
    run = train(Sweep((good[0], hot, *good[1:])), records=1000)
    if run.diverged_at[1] == -1:
        assert optimizer == "adam", "Adam's steps are bounded: it may only shake"
    else:
        at = int(run.diverged_at[1])
        assert np.isfinite(run.loss[: at + 1, 1]).all()
        assert np.isnan(run.loss[at + 1 :, 1]).all()
        assert np.isfinite(run.A[1]).all()
        np.testing.assert_array_equal(run.A[1][at:], np.broadcast_to(run.A[1][at], run.A[1][at:].shape))
        assert run.last(1) == at
    without = train(Sweep(tuple(good)), records=1000)
    rtol = 1e-12 if dtype == "float64" else 1e-4
    for i, j in enumerate((0, 2, 3, 4)):
        assert run.diverged_at[j] == -1
        np.testing.assert_allclose(run.loss[:, j], without.loss[:, i], rtol=rtol)


def test_sgd_that_diverges_says_when(small: Experiment) -> None:
    run = alone(replace(small, optimizer="sgd", lr=10.0))
    assert 1 <= run.diverged_at[0] < 20


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("frozen", ["A", "B"])
def test_a_frozen_factor_stays_to_the_bit(small: Experiment, optimizer: str, frozen: str) -> None:
    e = replace(small, optimizer=optimizer, init="both_random", weight_decay=0.1)
    half, free = alone(replace(e, frozen=frozen)), alone(e)
    still, moves = (half.A[0], half.B[0]) if frozen == "A" else (half.B[0], half.A[0])
    np.testing.assert_array_equal(still, np.broadcast_to(still[0], still.shape))
    assert np.abs(moves[-1] - moves[0]).max() > 0.01
    np.testing.assert_array_equal(
        half.B[0][1] if frozen == "A" else half.A[0][1], free.B[0][1] if frozen == "A" else free.A[0][1]
    )


def test_two_zeros_never_move(small: Experiment) -> None:
    run = alone(replace(small, init="both_zero"))
    assert not run.A[0].any()
    assert not run.B[0].any()
    assert np.ptp(run.loss) == 0


def test_warm_up_keeps_a_still_for_two_steps(small: Experiment) -> None:
    run = alone(replace(small, warmup=10))
    assert run.grad_A_norm[0, 0] == run.grad_A_norm[1, 0] == 0.0
    assert run.grad_A_norm[2, 0] > 0


def test_losses_are_the_samples_mean(small: Experiment) -> None:
    run, task = alone(small), make_task(small)
    wrong = task.residuals - task.inputs @ run.delta_weight()[-1].T
    assert run.loss[-1, 0] == pytest.approx(0.5 * (wrong**2).sum() / small.samples, rel=1e-12)
    at_0 = losses(task, FactoredMatrix(run.A[0][:1], run.B[0][:1], small.scaling))[0]
    assert at_0 == pytest.approx(0.5 * task.residual_energy, rel=1e-12)


@pytest.mark.parametrize("condition", [1.0, 20.0])
def test_training_reaches_the_exact_floor_and_not_below(small: Experiment, condition: float) -> None:
    e = replace(small, task="full_rank", spectrum="exponential", condition=condition, steps=1500, schedule="linear")
    sweep = Sweep.over(e, rank=(1, 2, 3, 4, 5))
    run = train(sweep, records=2)
    task = make_task(e)
    best, least = least_squares(task)
    values, vectors = np.linalg.eigh(task.input_covariance)
    root = (vectors * np.sqrt(values)) @ vectors.T
    for i, rank in enumerate((1, 2, 3, 4, 5)):
        floor = least + 0.5 * reduced_rank_floor(best, root, rank)[1] ** 2
        assert floor * (1 - 1e-9) <= run.loss[-1, i] <= floor * 1.01


def test_gradient_vanishes_where_training_ends(small: Experiment) -> None:
    run = alone(replace(small, rank=5, steps=3000, schedule="linear"), records=2)
    assert np.abs(full_gradient(run)[-1]).max() < 1e-3 * np.abs(full_gradient(run)[0]).max()


def test_unknown_device(small: Experiment) -> None:
    with pytest.raises(ExperimentError, match=r"device=tpu is not here\. Valid values: cpu"):
        train(Sweep((small,)), "tpu")


@pytest.mark.parametrize("device", available_devices())
@pytest.mark.parametrize("batch", [0, 11])
def test_every_device_gives_the_cpus_numbers(small: Experiment, device: str, batch: int) -> None:
    sweep = mixed(replace(small, batch=batch))
    here, there = train(sweep), train(sweep, device)
    assert there.device == device
    np.testing.assert_allclose(there.loss, here.loss, rtol=1e-9)
    single = train(Sweep(tuple(replace(e, dtype="float32") for e in sweep.experiments)), device)
    np.testing.assert_allclose(single.loss, here.loss, rtol=1e-4)


@pytest.mark.parametrize("change", [{"variant": "dora"}, {"init": "pissa"}])
def test_a_preconditioned_step_is_for_plain_factors(small: Experiment, change: dict[str, str]) -> None:
    with pytest.raises(ExperimentError, match="optimizer=scaled_gd is not possible with"):
        train(Sweep((replace(small, optimizer="scaled_gd", **change),)))  # type: ignore[arg-type]


def test_starts_of_two_sizes_in_one_sweep_stay_two(small: Experiment) -> None:
    """Equal starts are drawn once; the same draw at another size is another start."""
    run = train(Sweep.over(replace(small, init="both_random"), init_scale=(1.0, 3.0)))
    np.testing.assert_allclose(run.A[1][0], 3.0 * run.A[0][0], rtol=1e-12)
    np.testing.assert_allclose(run.B[1][0], 3.0 * run.B[0][0], rtol=1e-12)
