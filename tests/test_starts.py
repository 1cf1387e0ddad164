"""The registry of starts: each is what its rule says, PEFT's where PEFT has it, and trains as PEFT and autograd do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import LoraConfig, LoraGAConfig, get_peft_model
from peft.tuners.lora.loraga import preprocess_loraga
from torch import nn

from lora_viz.core.experiment import CHOICES, Experiment, ExperimentError, Sweep
from lora_viz.core.random_streams import stream
from lora_viz.engine.dense import train_dense
from lora_viz.engine.history import LONGEST_STEP
from lora_viz.engine.stack import Statistics
from lora_viz.engine.training import autograd_check, train
from lora_viz.layer.lora import LoRALinear
from lora_viz.layer.parametrisation import LowRank
from lora_viz.layer.starts import STARTS, base_shift, initial_factors
from lora_viz.layer.starts.lora_ga import LORA_GA_GAMMA
from lora_viz.layer.tasks import make_task

MOVING = [name for name, init in STARTS.items() if init.moves_base]
# By which power of the rank do the rows of A grow when one more is added? None: another start, no prefix.
GROWTH_OF_A = {
    **dict.fromkeys(STARTS, 0.0),
    "gaussian": -1.0,
    "variance_1_over_r": -0.5,
    "pissa": 0.5,  # both are divided by √s, and s = α/r
    "svd_of_answer": 0.5,
    "milora": None,
    "orthogonal": None,
}
GROWTH_OF_B = {"A_zero": -0.5, "both_random": -0.5, "pissa": 0.5, "svd_of_answer": 0.5}


def peft_layer(e: Experiment, weight: np.ndarray, dtype: torch.dtype, **options: object) -> nn.Module:
    net = nn.Sequential()
    net.add_module("fc", nn.Linear(e.d_in, e.d_out, bias=False, dtype=dtype))
    net.fc.weight.data = torch.tensor(weight, dtype=dtype)
    config = LoraConfig(r=e.rank, lora_alpha=e.alpha, target_modules=["fc"], **options)  # type: ignore[arg-type]
    if options.get("init_lora_weights") == "lora_ga":
        x, r = (torch.tensor(a, dtype=dtype) for a in (make_task(e).inputs, make_task(e).residuals))
        targets = r + x @ net.fc.weight.data.T

        def backward() -> None:
            (0.5 * ((net(x.requires_grad_()) - targets) ** 2).sum() / len(x)).backward()

        preprocess_loraga(net, config, backward)
    return get_peft_model(net, config).base_model.model.fc


def test_the_choices_are_the_registry() -> None:
    assert CHOICES["init"] == tuple(STARTS)
    assert all(start.label and start.rule and start.source for start in STARTS.values())
    assert [name for name, init in STARTS.items() if init.cheats] == ["svd_of_answer"]


@pytest.mark.parametrize("init", STARTS)
def test_a_lower_rank_is_a_prefix(small: Experiment, init: str) -> None:
    (a2, b2), (a3, b3) = (initial_factors(replace(small, init=init, rank=r)) for r in (2, 3))
    growth = GROWTH_OF_A[init]
    if growth is None:
        assert np.abs(a2 - a3[:2]).max() > 1e-3, "then it has a growth"
        return
    np.testing.assert_allclose(a3[:2], a2 * 1.5**growth, rtol=1e-12, atol=1e-13)
    if init != "lora_ga":  # whose B takes the directions after A's
        np.testing.assert_allclose(b3[:, :2], b2 * 1.5 ** GROWTH_OF_B.get(init, 0.0), rtol=1e-12, atol=1e-13)
    if growth == 0:
        np.testing.assert_array_equal(a2, a3[:2])


@pytest.mark.parametrize("init", STARTS)
def test_the_scale_multiplies_both_factors(small: Experiment, init: str) -> None:
    for one, three in zip(*(initial_factors(replace(small, init=init, init_scale=k)) for k in (1.0, 3.0)), strict=True):
        np.testing.assert_array_equal(three, 3 * one)


@pytest.mark.parametrize("init", STARTS)
@pytest.mark.parametrize("rank", [1, 2, 5])
def test_shapes_zeros_and_what_is_computed_at_step_0(small: Experiment, init: str, rank: int) -> None:
    e = replace(small, init=init, rank=rank)
    a, b = initial_factors(e)
    assert (a.shape, b.shape, a.dtype, b.dtype) == ((rank, 7), (5, rank), float, float)
    zero = {"A_zero": "A", "A_zero_small": "A", "both_zero": "AB"}
    starts_at_0 = {"B_zero", "gaussian", "variance_1_over_r", "kaiming_variance", "eva", "identity"}
    expected = zero.get(init, "B" if init in starts_at_0 else "")
    if init == "orthogonal" and rank == 1:
        expected = "B"
    assert "".join(name for name, x in (("A", a), ("B", b)) if not x.any()) == expected
    run = train(Sweep((replace(e, steps=0),)))
    pretrained = 0.5 * run.task.residual_energy
    if init in ("both_random", "both_random_small", "svd_of_answer"):
        assert abs(run.loss[0, 0] - pretrained) > 1e-8
    else:
        assert run.loss[0, 0] == pytest.approx(pretrained, rel=1e-12)
        assert np.abs(run.delta_weight()[0]).max() < 1e-13


@pytest.mark.parametrize(
    ("init", "variance"),
    [("B_zero", 1 / (3 * 512)), ("gaussian", 1 / 64), ("variance_1_over_r", 1 / 8), ("kaiming_variance", 2 / 512)],
)
def test_variances_of_a(init: str, variance: float) -> None:
    a, _ = initial_factors(Experiment(d_in=512, d_out=16, rank=8, init=init))
    assert a.var() == pytest.approx(variance, rel=0.06)


def test_small_starts_have_the_scale_of_a() -> None:
    e = Experiment(d_in=256, d_out=200, rank=8)
    a, _ = initial_factors(e)
    for init, scale in (("A_zero_small", 1.0), ("both_random_small", 0.01)):
        _, b = initial_factors(replace(e, init=init))
        assert b.std() == pytest.approx(scale * a.std(), rel=0.06)


def test_an_orthogonal_start_is_pefts(small: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    for rank in (2, 4):
        e = replace(small, init="orthogonal", rank=rank)
        a, b = initial_factors(e)
        assert np.abs(b @ a).max() < 1e-13
        # the same draws, through PEFT's code
        rng = stream("orthogonal", e.seed, e.init_seed)
        monkeypatch.setattr(torch, "randn", lambda *shape, rng=rng: torch.tensor(rng.standard_normal(shape)))
        theirs = peft_layer(e, make_task(e).base_weight, torch.float64, init_lora_weights="orthogonal")
        np.testing.assert_allclose(theirs.lora_A["default"].weight.detach().numpy(), a, atol=1e-13)
        np.testing.assert_allclose(theirs.lora_B["default"].weight.detach().numpy(), b, atol=1e-13)


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_moved_bases_are_pefts(small: Experiment, init: str) -> None:
    """PEFT does these in float32 only, and the SVD leaves each triplet's sign open."""
    e = replace(small, init=init)
    task = make_task(e)
    a, b = initial_factors(e)
    theirs = peft_layer(e, task.base_weight, torch.float32, init_lora_weights=init)
    their_a, their_b = theirs.lora_A["default"].weight.detach(), theirs.lora_B["default"].weight.detach()
    for j in range(e.rank):
        np.testing.assert_allclose(torch.outer(their_b[:, j], their_a[j]).numpy(), np.outer(b[:, j], a[j]), atol=1e-5)
        assert their_a[j].norm().item() == pytest.approx(np.linalg.norm(a[j]), rel=1e-5)
    shift = base_shift(e)
    assert shift is not None
    np.testing.assert_allclose(theirs.base_layer.weight.detach().numpy(), task.base_weight + shift, atol=1e-5)


def test_pissa_and_milora_share_w_between_them(small: Experiment) -> None:
    e = replace(small, rank=2)
    W = make_task(e).base_weight
    sigma = np.linalg.svd(W, compute_uv=False)
    for init, own in (("pissa", sigma[:2]), ("milora", sigma[-2:])):
        a, b = initial_factors(replace(e, init=init))
        np.testing.assert_allclose(e.scaling * (a @ a.T), np.diag(own), atol=1e-13)  # balanced: AAᵀ = BᵀB = Σ/s
        np.testing.assert_allclose(e.scaling * (b.T @ b), np.diag(own), atol=1e-13)


def test_olora_starts_orthonormal(small: Experiment) -> None:
    _, b = initial_factors(replace(small, init="olora"))
    np.testing.assert_allclose(b.T @ b, np.eye(3), atol=1e-13)


def test_lora_ga_is_the_papers_and_peft_differs(small: Experiment) -> None:
    e = replace(small, init="lora_ga", rank=2, noise=0.3)
    task = make_task(e)
    a, b = initial_factors(e)
    c = e.d_out**0.25 / LORA_GA_GAMMA**0.5
    u, sigma, vt = np.linalg.svd(-task.cross_covariance, full_matrices=False)
    for j in range(2):
        np.testing.assert_allclose(np.outer(b[:, j], a[j]), c**2 * np.outer(u[:, 2 + j], vt[j]), atol=1e-13)
    theirs = peft_layer(
        e, task.base_weight, torch.float32, init_lora_weights="lora_ga", lora_ga_config=LoraGAConfig(direction="ArB2r")
    )
    their_a, their_b = theirs.lora_A["default"].weight.detach(), theirs.lora_B["default"].weight.detach()
    for j in range(2):  # PEFT: A unscaled, B with its singular value as well
        got = torch.outer(their_b[:, j], their_a[j]).numpy()
        np.testing.assert_allclose(np.abs(got), np.abs(c * sigma[2 + j] * np.outer(u[:, 2 + j], vt[j])), atol=1e-5)
        assert their_a[j].norm().item() == pytest.approx(1.0, rel=1e-5)
        assert np.linalg.norm(a[j]) == pytest.approx(c, rel=1e-12)


def test_lora_gas_first_step_follows_the_gradient_best() -> None:
    e = Experiment(task="full_rank", noise=0.5, optimizer="sgd", lr=0.01, steps=1, rank=4, init="lora_ga")
    run = train(Sweep.over(e, init=("B_zero", "A_zero", "pissa", "olora", "eva", "lora_ga")))
    G = -run.task.cross_covariance
    first = [run.delta_weight(i)[1] for i in range(len(run.sweep))]
    cosine = [-np.sum(d * G) / np.linalg.norm(d) / np.linalg.norm(G) for d in first]
    sigma = np.linalg.svd(G, compute_uv=False)
    bound = np.linalg.norm(sigma[:8]) / np.linalg.norm(sigma)  # of any update of rank 2r
    assert max(cosine) == cosine[-1] <= bound
    assert cosine[-1] > 0.97 * bound


def test_eva_is_the_inputs_svd(small: Experiment) -> None:
    e = replace(small, init="eva", condition=100.0)
    a, _ = initial_factors(e)
    vt = np.linalg.svd(make_task(e).inputs)[2][:3]
    np.testing.assert_allclose(np.abs(np.sum(a * vt, axis=1)), 1.0, atol=1e-12)


def test_the_answers_svd_is_the_answer(small: Experiment) -> None:
    e = replace(small, init="svd_of_answer", noise=0.0)
    a, b = initial_factors(e)
    np.testing.assert_allclose(e.scaling * b @ a, make_task(e).target_delta, atol=1e-13)


@pytest.mark.parametrize("init", ["pissa", "milora", "svd_of_answer"])
def test_a_start_that_divides_by_s_says_so(small: Experiment, init: str) -> None:
    with pytest.raises(ExperimentError, match=f"alpha=0 is not possible with init={init}: its factors are divided"):
        train(Sweep((replace(small, alpha=0.0, init=init),)))


@pytest.mark.parametrize("init", STARTS)
@pytest.mark.parametrize("batch", [0, 11])
def test_gradients_equal_autograd(small: Experiment, init: str, batch: int) -> None:
    run = train(Sweep((replace(small, init=init, batch=batch, optimizer="sgd"),)), records=1000)
    check = autograd_check(run)
    assert max(check.difference_A.max(), check.difference_B.max()) < 1e-12
    np.testing.assert_allclose(run.grad_A_norm[:, 0], check.autograd_A, atol=1e-12)
    np.testing.assert_allclose(run.grad_B_norm[:, 0], check.autograd_B, atol=1e-12)


@pytest.mark.parametrize("init", MOVING)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_step_for_step_with_peft_over_the_moved_base(small: Experiment, init: str, optimizer: str) -> None:
    e = replace(small, init=init, optimizer=optimizer, lr=0.02)
    task, shift = make_task(e), base_shift(e)
    assert shift is not None
    layer = peft_layer(e, task.base_weight + shift, torch.float64)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    a.data, b.data = (torch.tensor(f) for f in initial_factors(e))
    rule = (torch.optim.SGD if optimizer == "sgd" else torch.optim.Adam)([a, b], lr=e.lr)
    x = torch.tensor(task.inputs)
    targets = x @ torch.tensor(task.base_weight).T + torch.tensor(task.residuals)
    run = train(Sweep((e,)), records=1000)
    for k in range(e.steps + 1):
        loss = 0.5 * ((layer(x) - targets) ** 2).sum() / e.samples
        assert run.loss[k, 0] == pytest.approx(loss.item(), abs=1e-9)
        delta = layer.base_layer.weight + layer.get_delta_weight("default") - torch.tensor(task.base_weight)
        np.testing.assert_allclose(run.delta_weight()[k], delta.detach().numpy(), atol=1e-9)
        rule.zero_grad()
        loss.backward()
        rule.step()


@pytest.mark.parametrize("batch", [0, 11])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_the_two_executors_agree(small: Experiment, optimizer: str, batch: int) -> None:
    """Plain LoRA, which the packed stack takes, through the other one."""
    e = replace(small, optimizer=optimizer, batch=batch, schedule="linear", warmup=3, weight_decay=0.1)
    sweep = Sweep(
        (e, replace(e, init_seed=1, lr=0.01), replace(e, frozen="A"), replace(e, lr_ratio=4.0), replace(e, rank=2))
    )
    packed, task, form = train(sweep, records=1000), make_task(e), LowRank()
    with torch.inference_mode():
        statistics = Statistics(task, e, torch.empty(0, dtype=torch.float64))
        members = train_dense(
            [(x, form) for x in sweep.experiments],
            task,
            statistics.at,
            kept=range(e.steps + 1),
            longest_step=LONGEST_STEP,
            device="cpu",
        )
    for i, member in enumerate(members):
        np.testing.assert_allclose(member.A, packed.A[i], atol=1e-11)
        np.testing.assert_allclose(member.B, packed.B[i], atol=1e-11)
        np.testing.assert_allclose(member.grad_norms[0], packed.grad_A_norm[:, i], atol=1e-11)
        assert member.rest is None


def test_a_mixed_sweep_keeps_its_order_and_its_numbers(small: Experiment) -> None:
    sweep = Sweep.over(small, init=("pissa", "B_zero", "olora", "A_zero"), rank=(2, 3))
    together = train(sweep, records=1000)
    assert together.sweep is sweep
    for i, e in enumerate(sweep.experiments):
        single = train(Sweep((e,)), records=1000)
        np.testing.assert_allclose(together.loss[:, i], single.loss[:, 0], rtol=1e-11)
        np.testing.assert_allclose(together.delta_weight(i), single.delta_weight(), atol=1e-11)


def test_divergence_is_frozen_marked_and_alone(small: Experiment) -> None:
    e = replace(small, init="pissa", optimizer="sgd")
    hot, good = replace(e, lr=50.0), replace(e, init_seed=1)
    run = train(Sweep((good, hot, replace(good, init="milora"))), records=1000)
    at = int(run.diverged_at[1])
    assert 1 <= at < 30
    assert np.isfinite(run.loss[: at + 1, 1]).all() and np.isnan(run.loss[at + 1 :, 1]).all()
    assert np.isnan(run.grad_A_norm[at + 1 :, 1]).all()
    np.testing.assert_array_equal(run.A[1][at:], np.broadcast_to(run.A[1][at], run.A[1][at:].shape))
    assert (run.diverged_at[[0, 2]] == -1).all()
    np.testing.assert_allclose(run.loss[:, 0], train(Sweep((good,)), records=1000).loss[:, 0], rtol=1e-12)


def test_from_experiment_moves_the_base(small: Experiment) -> None:
    e = replace(small, init="pissa")
    task = make_task(e)
    layer, x = LoRALinear.from_experiment(e, task.base_weight), torch.tensor(task.inputs)
    np.testing.assert_allclose(layer(x).detach().numpy(), task.inputs @ task.base_weight.T, atol=1e-13)
    assert np.abs(layer.base.weight.numpy() - task.base_weight).max() > 0.1
