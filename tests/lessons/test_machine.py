"""One sample a step on its way through one layer: every number against NumPy on its own."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import autograd_check, train
from lora_viz.film.panels import Bars, Lines, Machine
from lora_viz.film.paper import printed
from lora_viz.film.style import IDENTITY, number
from lora_viz.layer.tasks import batches
from lora_viz.lessons.start.machine import CONVENTIONS, LESSON, LayerFlow, film, layer_flow, table, takeaway

# What the lesson offers, and PEFT's Gaussian: starts over the original base weight.
STARTS = ("B_zero", "A_zero", "both_zero", "both_random", "gaussian")

PAPER = LESSON.settings(convention="paper")
ODD = Experiment(
    d_in=13,
    d_out=7,
    target_rank=3,
    rank=5,
    alpha=7.5,
    noise=0.3,
    samples=53,
    optimizer="sgd",
    lr=0.02,
    batch=1,
    steps=59,  # more than one epoch of 53 samples
    seed=1,
)  # s = 1.5


def flow(**change: object) -> tuple[Run, LayerFlow]:
    run = train(Sweep((replace(ODD, **change),)), records=1000)  # type: ignore[arg-type]
    return run, layer_flow(run)


@pytest.fixture(scope="module")
def plain() -> tuple[Run, LayerFlow]:
    return flow()


def test_every_vector_is_the_samples_own(plain: tuple[Run, LayerFlow]) -> None:
    run, record = plain
    W, s, order = run.task.base_weight, 1.5, batches(ODD)
    assert order.shape == (60, 1)
    assert len({int(i) for i in order[:53, 0]}) == 53, "every sample once an epoch"
    np.testing.assert_array_equal(record.steps, np.arange(60))
    np.testing.assert_array_equal(record.W, W)
    for t in range(60):
        A, B, i = run.A[0][t], run.B[0][t], int(order[t, 0])
        x = run.task.inputs[i]
        target = W @ x + run.task.residuals[i]
        np.testing.assert_array_equal(record.x[t], x)
        np.testing.assert_array_equal(record.A[t], A)
        np.testing.assert_array_equal(record.B[t], B)
        np.testing.assert_allclose(record.target[t], target, rtol=0, atol=1e-12)
        np.testing.assert_allclose(record.h[t], A @ x, rtol=0, atol=1e-12)
        np.testing.assert_allclose(record.u[t], B @ (A @ x), rtol=0, atol=1e-12)
        y = (W + s * B @ A) @ x
        np.testing.assert_allclose(record.y[t], y, rtol=0, atol=1e-12)
        np.testing.assert_allclose(record.g[t], y - target, rtol=0, atol=1e-12)
        np.testing.assert_allclose(record.grad_B[t], s * np.outer(y - target, A @ x), rtol=0, atol=1e-11)
        np.testing.assert_allclose(record.grad_A[t], s * np.outer(B.T @ (y - target), x), rtol=0, atol=1e-11)
        assert record.sample_loss[t] == pytest.approx(0.5 * np.sum((y - target) ** 2), rel=1e-12)
        everything = run.task.inputs @ (s * B @ A).T - run.task.residuals
        assert record.loss[t] == pytest.approx(0.5 * np.mean(np.sum(everything**2, axis=1)), rel=1e-10)
    assert (record.scaling, record.lr, record.optimizer, record.frozen, record.diverged_at) == (
        1.5,
        0.02,
        "sgd",
        "none",
        -1,
    )


def test_without_noise_the_target_is_the_teachers(plain: tuple[Run, LayerFlow]) -> None:
    run, record = flow(noise=0.0)
    W_eff = run.task.base_weight + run.task.target_delta
    np.testing.assert_allclose(record.target, [W_eff @ x for x in record.x], rtol=0, atol=1e-12)
    noisy, seen = plain
    off = seen.target - seen.x @ (noisy.task.base_weight + noisy.task.target_delta).T
    assert np.std(off) == pytest.approx(0.3, rel=0.1), "with noise it is off by the noise asked for"


def test_gradients_match_finite_differences(plain: tuple[Run, LayerFlow]) -> None:
    _, record = plain

    def loss(A: np.ndarray, B: np.ndarray, t: int) -> float:
        return float(0.5 * np.sum((record.W @ record.x[t] + 1.5 * B @ (A @ record.x[t]) - record.target[t]) ** 2))

    for t in (0, 1, 17, 59):
        for which, gradient in enumerate((record.grad_A[t], record.grad_B[t])):
            for at in ((0, 0), (2, 3), tuple(n - 1 for n in gradient.shape)):
                ends = []
                for shift in (-1e-4, 1e-4):
                    factors = [record.A[t].copy(), record.B[t].copy()]
                    factors[which][at] += shift
                    ends.append(loss(*factors, t))
                assert gradient[at] == pytest.approx((ends[1] - ends[0]) / 2e-4, abs=1e-6)


@pytest.mark.parametrize("init", STARTS)
def test_it_is_the_step_the_engine_took(init: str) -> None:
    run, record = flow(init=init, lr_ratio=3.0, lr=0.005)
    check = autograd_check(run)
    for gradient, by_autograd, by_engine in (
        (record.grad_A, check.autograd_A, run.grad_A_norm[:, 0]),
        (record.grad_B, check.autograd_B, run.grad_B_norm[:, 0]),
    ):
        norms = np.linalg.norm(gradient, axis=(1, 2))
        np.testing.assert_allclose(norms, by_autograd, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(norms, by_engine, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(run.A[0][1:], (record.A - 0.005 * record.grad_A)[:-1], rtol=0, atol=1e-12)
    np.testing.assert_allclose(run.B[0][1:], (record.B - 0.015 * record.grad_B)[:-1], rtol=0, atol=1e-12)
    if init != "both_zero":
        assert np.abs(run.A[0][-1] - run.A[0][0]).max() > 1e-2


def test_step_0_gives_a_exactly_no_gradient(plain: tuple[Run, LayerFlow]) -> None:
    _, record = plain
    assert not record.grad_A[0].any() and not record.u[0].any() and not record.sigma[0].any()
    assert np.linalg.norm(record.grad_B[0]) > 0.1
    np.testing.assert_array_equal(record.y[0], (record.x @ record.W.T)[0])
    np.testing.assert_array_equal(record.A[1], record.A[0])
    assert record.grad_A[1].any() and (record.A[2] != record.A[1]).any()
    told = film(record, PAPER).narration
    assert told[0] == "Step 0: B is 0, so ΔW and ∇A are exactly 0. A does not change."
    wakes = number(np.linalg.norm(record.grad_A[1]))
    assert told[1] == f"Step 1: B has left 0. A has not moved yet, but ∇A is now {wakes}."
    for t in range(2, 60):
        size = number(np.linalg.norm(1.5 * record.B[t] @ record.A[t]))
        assert told[t] == f"Step {t}: ‖ΔW‖ is {size}, the loss over all samples is {number(record.loss[t])}."


def test_with_a_zero_b_stands_still() -> None:
    _, record = flow(init="A_zero")
    assert not record.grad_B[0].any() and record.grad_A[0].any()
    np.testing.assert_array_equal(record.B[1], record.B[0])
    assert film(record, PAPER).narration[0] == "Step 0: A is 0, so ∇B is exactly 0. B does not change."


def test_sigma_against_a_dense_svd(plain: tuple[Run, LayerFlow]) -> None:
    run, record = plain
    dense = np.linalg.svd(1.5 * run.B[0] @ run.A[0], compute_uv=False)
    assert record.sigma.shape == (60, 5)
    np.testing.assert_allclose(record.sigma, dense[:, :5], rtol=0, atol=1e-12)
    assert record.target_sigma.shape == (7,)
    np.testing.assert_allclose(record.target_sigma, np.linalg.svd(run.task.target_delta, compute_uv=False), atol=1e-12)
    assert (record.target_sigma > 1e-9).sum() == 3


def short(value: float) -> str:
    text = number(float(value))
    return f"({text})" if value < 0 else text


def product(left: np.ndarray, right: np.ndarray) -> str:
    terms = [f"{short(left[i])}·{short(right[i])}" for i in range(min(2, len(left)))]
    return " + ".join(terms) + " + …" * (len(left) > 2)


@pytest.mark.parametrize(
    "change",
    [{}, {"rank": 1, "alpha": 1.5}, {"rank": 2, "d_in": 2, "d_out": 3, "target_rank": 1}, {"init": "both_random"}],
    ids=str,
)
def test_captions_say_the_steps_own_numbers(change: dict[str, object]) -> None:
    run, record = flow(**change)
    e, W, order = run.experiment, run.task.base_weight, batches(run.experiment)
    s = e.scaling
    phases = film(record, PAPER).phases
    assert len(phases) == 60 and {len(told) for told in phases} == {8}
    for t, told in enumerate(phases):
        A, B, i = run.A[0][t], run.B[0][t], int(order[t, 0])
        x = run.task.inputs[i]
        h, target = A @ x, W @ x + run.task.residuals[i]
        u = B @ h
        y = W @ x + s * u
        g = y - target
        assert told[0] == f"1/8  h = A x:  h₁ = {product(A[0], x)} = {short(h[0])}"
        assert told[1] == f"2/8  u = B h:  u₁ = {product(B[0], h)} = {short(u[0])}"
        assert told[2] == f"3/8  y = W x + s·u:  y₁ = {short(W[0] @ x)} + {s:g}·{short(u[0])} = {short(y[0])}"
        assert told[3] == f"4/8  loss = ½‖y − t‖² = {number(0.5 * g @ g)} for this sample"
        assert told[4] == f"5/8  g = y − t:  g₁ = {short(y[0])} − {short(target[0])} = {short(g[0])}"
        first_B = f"{s:g}·{short(g[0])}·{short(h[0])} = {short(s * g[0] * h[0])}"
        assert told[5] == f"6/8  ∇B = s·g hᵀ:  first entry {first_B}"
        back = B[:, 0] @ g
        first_A = f"{s:g}·{short(back)}·{short(x[0])} = {short(s * back * x[0])}"
        assert told[6] == f"7/8  ∇A = s·(Bᵀg) xᵀ:  first entry {first_A}"
        if t < 59:
            a, b = (number(np.linalg.norm(f[t + 1] - f[t])) for f in (run.A[0], run.B[0]))
            assert told[7] == f"8/8  update (SGD): A moves by {a}, B by {b}"
    assert phases[-1][7] == "8/8  no update: this is the last step"


def test_a_frozen_a_never_moves() -> None:
    run, record = flow(frozen="A")
    np.testing.assert_array_equal(record.A, np.broadcast_to(run.A[0][0], record.A.shape))
    assert record.grad_A[1:].any(axis=(1, 2)).all(), "its gradient is shown all the same"
    np.testing.assert_allclose(record.B[1:], (record.B - 0.02 * record.grad_B)[:-1], rtol=0, atol=1e-12)
    picture = film(record, PAPER)
    assert all(": A moves by 0, B by " in told[7] for told in picture.phases[:-1])
    assert not any(told[7].endswith("B by 0") for told in picture.phases[:-1])


def test_a_frozen_a_is_not_announced_to_move() -> None:
    assert not any("not moved yet" in text for text in film(flow(frozen="A")[1], PAPER).narration)


def test_a_frozen_b_never_moves() -> None:
    _, record = flow(frozen="B", init="both_random")
    np.testing.assert_array_equal(record.B, np.broadcast_to(record.B[0], record.B.shape))
    assert all(told[7].endswith(", B by 0") for told in film(record, PAPER).phases[:-1])
    assert not any("A moves by 0," in told[7] for told in film(record, PAPER).phases[:-1])


def test_two_zeros_cannot_learn() -> None:
    _, record = flow(init="both_zero")
    for what in (record.A, record.B, record.h, record.u, record.grad_A, record.grad_B, record.sigma):
        assert not what.any()
    assert record.g.any(axis=1).all()
    assert (record.loss == record.loss[0]).all()
    picture = film(record, PAPER)
    assert picture.narration == tuple(
        f"Step {t}: both gradients are exactly 0, so this layer cannot learn." for t in range(60)
    )
    assert all(told[7].endswith(": A moves by 0, B by 0") for told in picture.phases[:-1])
    assert takeaway(record).startswith(f"Nothing was learnt: the loss stayed at {number(record.loss[0])}")


def test_nothing_to_learn_is_not_unable_to_learn() -> None:
    _, record = flow(target_rank=0, noise=0.0)
    assert not record.g.any() and not record.loss.any()
    assert not any("cannot learn" in text for text in film(record, PAPER).narration)


def test_weight_decay_is_not_standing_still() -> None:
    _, record = flow(optimizer="adamw", weight_decay=0.1)
    assert not record.grad_A[0].any()
    assert (record.A[1] != record.A[0]).any()
    assert "Only weight decay moves A." in film(record, PAPER).narration[0]


@pytest.mark.parametrize("lr", [1.0, 30.0])
def test_a_run_that_diverged(lr: float) -> None:
    run, record = flow(lr=lr)
    at = int(run.diverged_at[0])
    assert 0 < at == record.diverged_at == record.steps[-1]
    assert {len(x) for x in (record.A, record.B, record.x, record.y, record.grad_A, record.sigma)} == {at + 1}
    for what in record:
        if isinstance(what, np.ndarray):
            assert np.isfinite(what).all()
    picture = film(record, PAPER)
    assert len(picture.narration) == len(picture.phases) == at + 1
    assert picture.narration[-1] == f"Step {at}: training diverged after this step; lower the learning rate."
    assert not any("diverged" in text for text in picture.narration[:-1])
    assert takeaway(record) == f"Training diverged after step {at}: lower the learning rate."
    (curve,) = printed(film(record, PAPER), "loss").data
    np.testing.assert_array_equal(curve.x, np.arange(at + 1))
    np.testing.assert_array_equal(curve.y, run.loss[: at + 1, 0])
    assert {len(column) for column in table(record).values()} == {at + 1}


def test_the_film_shows_the_record(plain: tuple[Run, LayerFlow]) -> None:
    run, record = plain
    picture = film(record, PAPER)
    machine, loss, bars = picture.panels
    assert isinstance(machine, Machine) and isinstance(loss, Lines) and isinstance(bars, Bars)
    np.testing.assert_array_equal(picture.values, record.steps)
    assert (picture.axis, picture.start, picture.autoplay) == ("step", 59, True)
    for name in ("W", "A", "B", "x", "target", "scaling"):
        np.testing.assert_array_equal(getattr(machine, name), getattr(record, name))
    delta = 1.5 * np.einsum("tor,tri->toi", run.B[0], run.A[0])
    wide = [np.abs(m).max() for m in (record.W, record.A, record.B, delta, record.grad_A, record.grad_B)]
    wide += [max(np.abs(p).max(), np.abs(q).max()) for p, q in ((record.x, record.h), (record.y, record.target))]
    np.testing.assert_allclose(machine.limits, wide, rtol=1e-12)
    np.testing.assert_array_equal(loss.series[0].y, record.loss)
    assert bars.labels == ("1", "2", "3", "4", "5", "6", "7")
    learnt, wanted = bars.groups
    np.testing.assert_array_equal(learnt.values[:, :5], record.sigma)
    assert not learnt.values[:, 5:].any(), "beyond the rank there is nothing"
    np.testing.assert_array_equal(wanted.values, record.target_sigma)
    assert (learnt.outline, wanted.outline) == (False, True)


def test_a_range_of_nothing_is_one() -> None:
    machine = film(flow(init="both_zero", steps=2)[1], PAPER).panels[0]
    assert isinstance(machine, Machine)
    assert machine.limits[1:6] == (1.0,) * 5


def test_names_of_the_four_conventions(plain: tuple[Run, LayerFlow]) -> None:
    expected = {
        "paper": ("W₀", "A", "B", "ΔW = s·B A"),
        "peft": ("base weight", "lora_A", "lora_B", "delta weight = s·lora_B lora_A"),
        "down_up": ("W", "down", "up", "ΔW = s·up down"),
        "row_vectors": ("W₀ᵀ", "Aᵀ (down)", "Bᵀ (up)", "ΔWᵀ = s·Aᵀ Bᵀ"),
    }
    assert expected == CONVENTIONS
    _, record = plain
    for convention, names in expected.items():
        machine = film(record, LESSON.settings(convention=convention)).panels[0]
        assert isinstance(machine, Machine)
        assert machine.names == names
        assert machine.rows == (convention == "row_vectors")
        np.testing.assert_array_equal(machine.A, record.A)  # the browser transposes, the data stay
    assert film(record, LESSON.settings()).to_bytes() == film(record, PAPER).to_bytes()


def test_takeaway(plain: tuple[Run, LayerFlow]) -> None:
    run, record = plain
    assert takeaway(record) == (
        f"At step 0 ‖∇A‖ was 0 and ‖∇B‖ was {number(run.grad_B_norm[0, 0])}. In 59 steps of one sample each, with W "
        f"unchanged, the loss went from {number(run.loss[0, 0])} to {number(run.loss[-1, 0])}."
    )
    _, random = flow(init="both_random")
    a, b = (number(np.linalg.norm(x[0])) for x in (random.grad_A, random.grad_B))
    assert f"‖∇A‖ was {a} and ‖∇B‖ was {b}." in takeaway(random)
    assert run.task.base_weight is record.W


def test_table(plain: tuple[Run, LayerFlow]) -> None:
    run, record = plain
    columns = table(record)
    assert list(columns) == [
        *("step", "loss", "sample_loss", "grad_A_norm", "grad_B_norm"),
        *(f"sigma_{i}" for i in range(1, 6)),
    ]
    assert {len(column) for column in columns.values()} == {60}
    np.testing.assert_array_equal(columns["step"], run.steps)
    np.testing.assert_array_equal(columns["loss"], run.loss[:, 0])
    np.testing.assert_array_equal(columns["sample_loss"], record.sample_loss)
    np.testing.assert_allclose(columns["grad_A_norm"], run.grad_A_norm[:, 0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(columns["grad_B_norm"], run.grad_B_norm[:, 0], rtol=1e-12, atol=1e-12)
    for i in range(5):
        np.testing.assert_array_equal(columns[f"sigma_{i + 1}"], record.sigma[:, i])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_figure(plain: tuple[Run, LayerFlow], theme: str) -> None:
    _, record = plain
    drawn = printed(film(record, PAPER), "loss", theme=theme)
    assert isinstance(drawn, go.Figure)
    (curve,) = drawn.data
    np.testing.assert_array_equal(curve.x, record.steps)
    np.testing.assert_array_equal(curve.y, record.loss)
    assert curve.line.color == IDENTITY[theme]["ink"]
    assert drawn.layout.title.text == "Loss over all samples"
    assert (drawn.layout.xaxis.title.text, drawn.layout.yaxis.title.text) == ("step", "loss")


def test_without_a_step_there_is_one_point() -> None:
    run, record = flow(steps=0)
    (curve,) = printed(film(record, PAPER), "loss").data
    assert (list(curve.x), list(curve.y)) == ([0], [run.loss[0, 0]])


def test_only_one_sample_can_be_followed() -> None:
    from lora_viz.core.experiment import ExperimentError

    for batch in (0, 2):
        run = train(Sweep((replace(ODD, batch=batch),)))
        with pytest.raises(ExperimentError, match=f"batch={batch} cannot be followed"):
            layer_flow(run)
