"""What a GPU computes against the CPU in float64. `make test-gpu` runs this; it needs a GPU and Triton."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run, joined
from lora_viz.core.spectra import full_gradient
from lora_viz.engine.kernels import Share
from lora_viz.engine.kernels.several import train_shares
from lora_viz.engine.training import _train, _Wanted, train
from lora_viz.layer.tasks import make_task
from tests.test_kernels import mixed

GPUS = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
WIDE = Experiment(
    d_in=61, d_out=53, rank=16, target_rank=7, alpha=16.0, samples=257, noise=0.1, steps=200, lr=0.01, init_seed=0
)


def single(sweep: Sweep) -> Sweep:
    return Sweep(tuple(replace(e, dtype="float32") for e in sweep.experiments))


def simple(sweep: Sweep) -> Sweep:
    """Without scaled GD: the fused kernel does not take it, and its nearly singular systems amplify any rounding."""
    return Sweep(tuple(e for e in sweep.experiments if e.optimizer != "scaled_gd"))


def agree(run: Run, exact: Run, rtol: float = 1e-4) -> None:
    """Loss curves to ``rtol`` all the way, factors and gradients at the first records: Adam amplifies rounding."""
    np.testing.assert_array_equal(run.diverged_at, exact.diverged_at)
    calm = exact.diverged_at < 0
    np.testing.assert_array_equal(np.isnan(run.loss), np.isnan(exact.loss))
    np.testing.assert_allclose(run.loss[:, calm], exact.loss[:, calm], rtol=rtol)
    for name in ("grad_A_norm", "grad_B_norm"):
        got, expected = getattr(run, name)[:20, calm], getattr(exact, name)[:20, calm]
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-4 * expected.max())
    for i in np.flatnonzero(calm):
        np.testing.assert_allclose(run.A[i][:20], exact.A[i][:20], atol=1e-4)
        np.testing.assert_allclose(run.B[i][:20], exact.B[i][:20], atol=1e-4)
    for a in run.A:
        assert np.isfinite(a).all()


@pytest.mark.parametrize("change", [{}, {"condition": 1.0}], ids=str)
def test_the_norms_are_those_of_the_recorded_state(small: Experiment, change: dict[str, object]) -> None:
    run = train(single(simple(mixed(replace(small, **change)))), "cuda", engine="fused")  # type: ignore[arg-type]
    for i in map(int, np.flatnonzero(run.diverged_at < 0)):
        G = full_gradient(run, i).astype(float)
        A, B, scaling = run.A[i], run.B[i], run.sweep[i].scaling
        exact = scaling * np.swapaxes(B, -1, -2) @ G, scaling * G @ np.swapaxes(A, -1, -2)
        for got, grad in zip((run.grad_A_norm, run.grad_B_norm), exact, strict=True):
            expected = np.sqrt((grad**2).sum(axis=(1, 2)))
            np.testing.assert_allclose(got[:, i], expected, rtol=1e-3, atol=1e-5 * max(1.0, expected.max()))


@pytest.mark.parametrize("engine", ["fused", "graph"])
@pytest.mark.parametrize("change", [{}, {"condition": 1.0}, {"schedule": "linear", "warmup": 7}, {"steps": 1}], ids=str)
def test_every_rule_beside_every_other(small: Experiment, engine: str, change: dict[str, object]) -> None:
    sweep = simple(mixed(replace(small, **change)))  # type: ignore[arg-type]
    run = train(single(sweep), "cuda", engine=engine)
    assert (run.device, run.engine) == ("cuda", engine)
    agree(run, train(sweep))


@pytest.mark.parametrize("engine", ["fused", "graph"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("condition", [1.0, 9.0])
def test_ranks_mixed_in_one_launch(engine: str, optimizer: str, condition: float) -> None:
    sweep = Sweep.over(
        replace(WIDE, optimizer=optimizer, condition=condition), rank=(1, 2, 3, 5, 8, 13, 16, 29), init_seed=range(3)
    )
    agree(train(single(sweep), "cuda", engine=engine, records=60), train(sweep, records=60))


@pytest.mark.parametrize(("d_in", "d_out", "rank"), [(31, 17, 7), (64, 64, 16), (17, 64, 11), (128, 96, 16)])
def test_shapes(d_in: int, d_out: int, rank: int) -> None:
    sweep = Sweep.over(replace(WIDE, d_in=d_in, d_out=d_out, rank=rank, steps=100), lr=(0.003, 0.01))
    agree(train(single(sweep), "cuda"), train(sweep))


@pytest.mark.parametrize("change", [{"batch": 11}, {"batch": 11, "condition": 1.0, "optimizer": "sgd", "lr": 0.002}])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_minibatches_take_the_graph(small: Experiment, change: dict[str, object], dtype: str) -> None:
    exact = simple(mixed(replace(small, **change)))  # type: ignore[arg-type]
    run = train(exact if dtype == "float64" else single(exact), "cuda")
    assert run.engine == "graph"
    agree(run, train(exact), rtol=1e-9 if dtype == "float64" else 1e-4)


def test_large_layers_take_the_graph() -> None:
    sweep = Sweep.over(replace(WIDE, d_in=256, d_out=251, samples=512, steps=60), rank=(4, 64))
    run = train(single(sweep), "cuda")
    assert run.engine == "graph"
    agree(run, train(sweep))


def test_scaled_gd_is_left_to_the_steps(small: Experiment) -> None:
    run = train(mixed(small), "cuda")
    assert run.engine == "graph"
    agree(run, train(mixed(small)), rtol=1e-9)


def test_the_choice_is_logged(small: Experiment, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="lora_viz.engine.kernels"):
        assert train(single(Sweep((small,))), "cuda").engine == "fused"
        assert train(Sweep((small,)), "cuda").engine == "graph"
    assert ["fused" in caplog.text, "graph, because float64 is not float32" in caplog.text] == [True, True]


def test_same_sweep_same_run_bit_for_bit(small: Experiment) -> None:
    first, second = (train(single(simple(mixed(small))), "cuda", engine="fused") for _ in range(2))
    for x, y in zip((*first.A, *first.B, first.loss), (*second.A, *second.B, second.loss), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("engine", ["fused", "graph"])
def test_recording_does_not_change_the_trajectory(small: Experiment, engine: str) -> None:
    sweep = single(simple(mixed(small)))
    few, all_ = train(sweep, "cuda", records=7, engine=engine), train(sweep, "cuda", records=1000, engine=engine)
    for a, b in zip(few.A, all_.A, strict=True):
        np.testing.assert_array_equal(a, b[few.steps])


def test_tf32_is_stated_and_coarser() -> None:
    sweep = Sweep.over(replace(WIDE, d_in=64, d_out=64), init_seed=range(8))
    exact = train(sweep, records=30)
    torch.set_float32_matmul_precision("high")
    try:
        coarse = train(single(sweep), "cuda", records=30)
    finally:
        torch.set_float32_matmul_precision("highest")
    fine = train(single(sweep), "cuda", records=30)
    assert (coarse.engine, fine.engine) == ("fused, TF32", "fused")
    errors = [np.abs(run.loss / exact.loss - 1).max() for run in (fine, coarse)]
    assert errors[0] < 1e-4 < errors[1] < 5e-2


def test_without_factors_the_numbers_are_the_same(small: Experiment) -> None:
    sweep = single(mixed(small))
    full, lean = train(sweep, "cuda"), train(sweep, "cuda", factors=False)
    assert (lean.A, lean.B) == ((), ())
    np.testing.assert_array_equal(lean.loss, full.loss)


@pytest.mark.parametrize("engine", ["fused", "graph"])
@pytest.mark.parametrize("devices", [GPUS, GPUS[:1] * 2], ids=["each", "one twice"])
def test_a_sweep_in_shares_is_the_sweep(engine: str, devices: list[str]) -> None:
    sweep = single(Sweep.over(WIDE, rank=(2, 5, 16), init_seed=range(64)))
    parts = [Share(d, list(range(j, len(sweep), len(devices)))) for j, d in enumerate(devices)]
    wanted = _Wanted(9, make_task(sweep[0]), True, engine)
    trained = train_shares(sweep, parts, _train, wanted)
    together, whole = joined(sweep, trained), _train(wanted, sweep, GPUS[0])
    assert together.device == "cuda"
    np.testing.assert_allclose(together.loss, whole.loss, rtol=1e-5)
    for a, b in zip(together.A, whole.A, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_all_visible_gpus_take_part() -> None:
    sweep = single(Sweep.over(replace(WIDE, steps=20), init_seed=range(256)))
    run = train(sweep, "cuda", records=2)
    np.testing.assert_allclose(run.loss, train(sweep, records=2).loss, rtol=1e-4)
