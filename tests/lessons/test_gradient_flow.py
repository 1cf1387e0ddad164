"""Who moves first, with exact zeros: equality, not closeness."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import autograd_check, train
from lora_viz.film.paper import printed
from lora_viz.film.style import number
from lora_viz.lessons.basics.gradient_flow import GradientFlow, film, gradient_flow, table, takeaway, verdict

# What the lesson offers, and PEFT's Gaussian: starts over the original base weight.
STARTS = ("B_zero", "A_zero", "both_zero", "both_random", "gaussian")

ODD = Experiment(
    d_in=13, d_out=7, target_rank=3, rank=5, alpha=7.5, samples=53, optimizer="sgd", lr=0.02, steps=60, seed=1
)


def flow(records: int = 1000, **change: object) -> tuple[Run, GradientFlow]:
    run = train(Sweep((replace(ODD, **change),)), records=records)  # type: ignore[arg-type]
    return run, gradient_flow(run, autograd_check(run))


def still(record: GradientFlow) -> go.Figure:
    return printed(film(record), "gradients")


def curves(record: GradientFlow) -> dict[str, np.ndarray]:
    return {trace.name: trace.y for trace in still(record).data}


@pytest.fixture(scope="module")
def plain() -> tuple[Run, GradientFlow]:
    return flow()


def test_with_b_zero_only_b_moves_first(plain: tuple[Run, GradientFlow]) -> None:
    _, record = plain
    assert record.grad_A_norm[0] == 0.0
    assert record.grad_B_norm[0] > 0.1
    assert not record.grad_A[0].any()
    assert record.check.autograd_A[0] == record.check.formula_A[0] == 0.0
    assert record.update_A[0] == record.travelled_A[1] == 0.0
    assert record.update_B[0] > 0
    assert (record.grad_A_norm[1:] > 0).all()
    assert "∇A is exactly 0 because B = 0" in film(record).narration[0]
    assert f"B has left 0, so ∇A is now {number(record.grad_A_norm[1])}" in film(record).narration[1]
    said = takeaway(record)
    assert f"At step 0 ‖∇A‖ was exactly 0 and ‖∇B‖ was {number(record.grad_B_norm[0])}." in said
    assert "B first moved at step 1, A at step 2." in said
    assert verdict(record).holds and dict(verdict(record).evidence) | {"moved_A": 2, "moved_B": 1} == {
        "grad_A": 0.0, "grad_B": record.grad_B_norm[0], "moved_A": 2, "moved_B": 1
    }  # fmt: skip
    assert record.travelled_B[0] == record.travelled_A[1] == 0.0
    assert min(record.travelled_B[1], record.travelled_A[2]) > 0
    assert f"‖∇A‖ was largest at step {np.argmax(record.grad_A_norm)};" in said


def test_with_a_zero_only_a_moves_first() -> None:
    _, record = flow(init="A_zero")
    assert record.grad_B_norm[0] == record.update_B[0] == 0.0
    assert record.grad_A_norm[0] > 0.1
    assert record.update_A[0] > 0
    assert "∇B is exactly 0 because A = 0" in film(record).narration[0]
    assert f"A has left 0, so ∇B is now {number(record.grad_B_norm[1])}" in film(record).narration[1]
    assert record.travelled_A[0] == record.travelled_B[1] == 0.0
    assert min(record.travelled_A[1], record.travelled_B[2]) > 0
    said = takeaway(record)
    assert f"At step 0 ‖∇B‖ was exactly 0 and ‖∇A‖ was {number(record.grad_A_norm[0])}." in said
    assert "A first moved at step 1, B at step 2." in said
    assert verdict(record).holds is False


def test_two_zeros_never_learn() -> None:
    _, record = flow(init="both_zero")
    for curve in (record.grad_A_norm, record.grad_B_norm, record.travelled_A, record.travelled_B):
        assert not curve.any()
    assert (record.update_A[:-1] == 0).all()
    assert record.G.any(), "the full gradient is not 0: full fine-tuning would move"
    assert "From this initialisation nothing can be learnt." in takeaway(record)
    assert number(record.loss[0]) in takeaway(record)
    assert all("no gradient step moves A or B" in text for text in film(record).narration)
    assert verdict(record).holds is False


def test_two_random_factors_disturb_the_output() -> None:
    _, record = flow(init="both_random")
    assert min(record.grad_A_norm[0], record.grad_B_norm[0]) > 0
    said = takeaway(record)
    assert number(record.grad_A_norm[0]) in said and number(record.grad_B_norm[0]) in said
    assert "already differed from that of the base model" in said
    assert "both factors have a gradient" in film(record).narration[0]
    assert verdict(record).holds is False


@pytest.mark.parametrize("init", STARTS)
@pytest.mark.parametrize("change", [{"condition": 5.0, "noise": 0.3}, {"scaling_rule": "rslora"}], ids=str)
def test_autograd_agrees(init: str, change: dict[str, object]) -> None:
    run, record = flow(init=init, **change)
    assert max(record.check.difference_A.max(), record.check.difference_B.max()) < 1e-12
    np.testing.assert_allclose(record.grad_A_norm, record.check.autograd_A, atol=1e-12)
    np.testing.assert_allclose(record.grad_B_norm, record.check.autograd_B, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(record.grad_A, axis=(1, 2)), record.grad_A_norm, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(record.grad_B, axis=(1, 2)), record.grad_B_norm, atol=1e-12)
    x, r = run.task.inputs, run.task.residuals
    for t in (0, 1, 40):
        wrong = x @ run.delta_weight()[t].T - r
        np.testing.assert_allclose(record.G[t], wrong.T @ x / len(x), atol=1e-12)
    assert "nan" not in takeaway(record)
    np.testing.assert_array_equal(curves(record)["‖∇A‖"], np.where(record.grad_A_norm > 0, record.grad_A_norm, np.nan))
    np.testing.assert_array_equal(curves(record)["‖∇B‖"], np.where(record.grad_B_norm > 0, record.grad_B_norm, np.nan))


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_updates_are_what_the_factors_did(optimizer: str) -> None:
    run, record = flow(optimizer=optimizer)
    for factor, update, travelled in (
        (run.A[0], record.update_A, record.travelled_A),
        (run.B[0], record.update_B, record.travelled_B),
    ):
        steps = [np.linalg.norm(after - before) for before, after in pairwise(factor)]
        np.testing.assert_allclose(update[:-1], steps, rtol=1e-12, atol=0)
        assert np.isnan(update[-1])
        np.testing.assert_allclose(travelled, [np.linalg.norm(f - factor[0]) for f in factor], rtol=1e-12, atol=0)
    if optimizer == "sgd":
        np.testing.assert_allclose(record.update_B[:-1], ODD.lr * record.grad_B_norm[:-1], rtol=1e-9)
    else:  # Adam moves every entry by about η at first
        assert record.update_B[0] == pytest.approx(ODD.lr * np.sqrt(7 * 5), rel=1e-4)


def test_steps_between_records_have_no_update() -> None:
    _, record = flow(records=10)
    gaps = np.diff(record.steps) > 1
    assert gaps.any() and not gaps.all()
    np.testing.assert_array_equal(np.isnan(record.update_A[:-1]), gaps)
    np.testing.assert_array_equal(np.isnan(record.update_B[:-1]), gaps)


def test_weight_decay_moves_a_without_a_gradient() -> None:
    run, record = flow(optimizer="adamw", weight_decay=0.1)
    assert record.grad_A_norm[0] == 0.0
    assert record.update_A[0] == pytest.approx(ODD.lr * 0.1 * np.linalg.norm(run.A[0][0]), rel=1e-9)
    assert "weight decay" in film(record).narration[1]
    _, without = flow(optimizer="adamw", weight_decay=0.0)
    assert without.update_A[0] == 0.0
    assert not any("weight decay" in text for text in film(without).narration)


def test_warm_up_makes_both_wait() -> None:
    _, record = flow(warmup=10)
    assert record.update_A[0] == record.update_B[0] == record.update_A[1] == 0.0
    assert record.update_B[1] > 0
    assert record.grad_A_norm[1] == 0.0 < record.grad_A_norm[2]
    texts = film(record).narration
    assert "the warm-up starts at η = 0" in texts[0]
    assert "because B is still 0" in texts[1]
    assert "B has left 0" in texts[2]
    assert record.travelled_B[1] == record.travelled_A[2] == 0.0
    assert min(record.travelled_B[2], record.travelled_A[3]) > 0
    assert "B first moved at step 2, A at step 3." in takeaway(record)


def test_a_frozen_factor_is_never_said_to_have_moved() -> None:
    _, record = flow(frozen="A")
    assert not record.travelled_A.any()
    assert record.grad_A_norm[1] > 0, "it has a gradient all the same"
    assert "Only B has moved, first at step 1." in takeaway(record)
    assert verdict(record).holds and verdict(record).evidence["moved_A"] is None
    _, record = flow(frozen="B")
    assert not record.travelled_A.any() and not record.travelled_B.any()
    assert "No factor has moved." in takeaway(record)
    assert verdict(record).holds is None


def test_weight_decay_moves_both_at_once() -> None:
    _, record = flow(optimizer="adamw", weight_decay=0.1)
    assert min(record.travelled_A[1], record.travelled_B[1]) > 0
    assert "A and B both first moved at step 1." in takeaway(record)
    assert verdict(record).holds is False, "weight decay moves A without a gradient"


def test_every_gradient_says_its_largest_entry(plain: tuple[Run, GradientFlow]) -> None:
    _, record = plain
    said = {panel.title: panel.caption for panel in film(record).panels if getattr(panel, "hatched", False)}
    expected = [
        tuple(f"largest now: {number(np.abs(m).max())}" for m in x) for x in (record.G, record.grad_B, record.grad_A)
    ]
    assert list(said.values()) == expected
    assert expected[2][0] == "largest now: 0"


def test_the_hand_over_is_marked(plain: tuple[Run, GradientFlow]) -> None:
    _, record = plain
    ahead = record.grad_A_norm >= record.grad_B_norm
    marks = film(record).panels[0].marks
    assert len(marks) == (1 if ahead.any() else 0)
    _, fast = flow(alpha=40.0, rank=2, lr=0.002)
    ahead = fast.grad_A_norm >= fast.grad_B_norm
    assert ahead.any()
    (mark,) = film(fast).panels[0].marks
    assert mark.at == np.argmax(ahead) > 0
    assert str(np.argmax(ahead)) in mark.label


def test_figure_draws_zeros_as_crosses(plain: tuple[Run, GradientFlow]) -> None:
    _, record = plain
    drawn = still(record)
    assert isinstance(drawn, go.Figure)
    assert [trace.name for trace in drawn.data] == ["‖∇A‖", "‖∇B‖", "‖∇A‖ exactly 0"]
    assert list(drawn.data[2].x) == [0]
    norms = np.concatenate([record.grad_A_norm[1:], record.grad_B_norm])
    assert drawn.data[2].y == pytest.approx([norms.min() / 10]), "a decade below all that is drawn"
    assert drawn.layout.title.text and drawn.layout.yaxis.type == "log"
    np.testing.assert_array_equal(drawn.data[0].x, record.steps)
    np.testing.assert_array_equal(drawn.data[0].y[1:], record.grad_A_norm[1:])
    np.testing.assert_array_equal(drawn.data[1].y, record.grad_B_norm)
    assert np.isnan(drawn.data[0].y[0])
    assert len(still(flow(init="both_zero", steps=3)[1]).data) == 4
    assert len(still(flow(init="both_random", steps=3)[1]).data) == 2
    assert [list(trace.x) for trace in still(flow(steps=0)[1]).data] == [[0], [0], [0]]


def test_reading_says_exactly_0_for_zero_alone(plain: tuple[Run, GradientFlow]) -> None:
    _, record = plain
    rows = {row.label: row.text for row in film(record).panels[-1].rows}
    assert all(len(text) == 61 for text in rows.values())
    assert rows["‖∇A‖ autograd"][0] == rows["‖∇A‖ = ‖s·BᵀG‖"][0] == "0 exactly"
    assert rows["‖∇B‖ autograd"][0] == number(record.grad_B_norm[0])
    assert sum(text == "0 exactly" for row in list(rows.values())[:4] for text in row) == 2


@pytest.mark.parametrize("lr", [1.0, 10.0])
def test_a_run_that_diverged(lr: float) -> None:
    run, record = flow(lr=lr)
    at = int(run.diverged_at[0])
    assert 0 < at == record.diverged_at == record.steps[-1]
    assert np.isfinite(record.loss).all()
    picture = film(record)
    assert len(picture.narration) == at + 1
    assert "diverged" in picture.narration[-1]
    assert [mark.at for mark in picture.panels[0].marks if mark.label == "diverged"] == [at]
    assert "nan" not in takeaway(record)
    np.testing.assert_array_equal(curves(record)["‖∇B‖"], record.grad_B_norm)
    assert len(record.grad_B_norm) == at + 1
    assert {len(column) for column in table(record).values()} == {at + 1}


def test_table(plain: tuple[Run, GradientFlow]) -> None:
    _, record = plain
    columns = table(record)
    assert {len(column) for column in columns.values()} == {61}
    for name in ("grad_A_norm", "grad_B_norm", "travelled_A", "travelled_B", "loss"):
        np.testing.assert_array_equal(columns[name], getattr(record, name))
    np.testing.assert_array_equal(columns["update_A_norm"], record.update_A)
