"""The worked examples, against exact values, autograd and the engine's own formulas; and hostile input."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lora_viz.layer.worked import (
    PRINTED,
    PRINTED_COLUMNS,
    PRINTED_STEP,
    VECTOR,
    VECTORS,
    Worked,
    WorkedError,
    parse_matrix,
    work,
)
from lora_viz.lessons.start.follow import steps_html, table, worked_table
from lora_viz.lessons.start.follow import takeaway as steps_takeaway
from lora_viz.lessons.start.mistake import comparison_html, mistakes, score, start_html, takeaway

ORACLE = json.loads((Path(__file__).parent / "worked_examples.json").read_text())


def close(found: object, expected: object) -> None:
    np.testing.assert_allclose(np.ravel(found), np.ravel(expected), rtol=0, atol=1e-9)  # type: ignore[arg-type]


def test_one_vector_through_three_steps() -> None:
    told = work(VECTOR, 3)
    assert len(told) == 4
    for step, expected in zip(told, ORACLE["doc002_worked"]["steps"], strict=False):
        fields = {"A": step.A, "B": step.B, "h": step.h, "y": step.y, "g": step.g, "loss": step.loss}
        fields |= {"grad_A": step.grad_A, "grad_B": step.grad_B, "dW": step.delta_weight, "W_merged": step.W_eff}
        for name, value in fields.items():
            if name in expected:
                close(value, expected[name])
    assert not told[0].grad_A.any()
    assert told[0].loss == 0.9375


def test_two_vectors_give_rank_two() -> None:
    told = work(VECTORS, 2)
    for step, expected in zip(told, ORACLE["doc002_batch"]["steps"], strict=True):
        close(step.h, expected["H"])
        close(step.g, expected["E"])
        close(step.loss, expected["loss"])
        close(step.grad_A, expected["grad_A"])
        close(step.grad_B, expected["grad_B"])
        close(step.delta_weight, expected["dW"])
    assert worked_table(VECTORS, 2).rank == (0, 2, 2)
    assert worked_table(VECTOR, 3).rank == (0, 1, 1, 1)


@pytest.mark.parametrize("convention", ["row", "col"])
def test_the_printed_example_in_both_conventions(convention: str) -> None:
    first, then = work(PRINTED if convention == "row" else PRINTED_COLUMNS, 1)
    expected = ORACLE["doc003"][convention]
    close(first.delta_weight, ORACLE["doc003"]["dW0"])
    for name, value in {
        "y": first.y,
        "e": first.g,
        "loss": first.loss,
        "grad_W_if_it_were_trained": first.G_W,
        "grad_A": first.grad_A,
        "grad_B": first.grad_B,
        "A_new": then.A,
        "B_new": then.B,
        "BA_new": then.delta_weight,
        "W_eff_new": then.W_eff,
        "y_new": then.y,
        "loss_new": then.loss,
    }.items():
        close(value, expected[name])


@pytest.mark.parametrize("rows", [False, True])
def test_gradients_equal_autograd(rows: bool) -> None:
    rng = np.random.default_rng(1)
    m, n, r, k = 5, 3, 2, 4
    shapes = {"W": (n, m), "A": (r, m), "B": (n, r), "X": (k, n), "T": (k, m)} if rows else {}
    shapes = shapes or {"W": (m, n), "A": (r, n), "B": (m, r), "X": (n, k), "T": (m, k)}
    given = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    step = work(Worked(**given, scaling=1.5, lr=0.1, rows=rows), 0)[0]
    t = {name: torch.tensor(value, requires_grad=name in "ABW") for name, value in given.items()}
    effective = t["W"] + 1.5 * t["B"] @ t["A"]
    y = t["X"] @ effective if rows else effective @ t["X"]
    (0.5 * ((y - t["T"]) ** 2).sum() / k).backward()
    close(step.grad_A, t["A"].grad.numpy())
    close(step.grad_B, t["B"].grad.numpy())
    close(step.G_W, t["W"].grad.numpy())


def test_every_wrong_entry_is_found_and_no_right_one() -> None:
    counts = {name: int(mistakes(name).wrong.sum()) for name in PRINTED_STEP}
    assert counts == {"∇A": 1, "∇B": 8, "A new": 1, "B new": 8, "W_eff new": 4}
    wrong = {(int(i) + 1, int(j) + 1) for i, j in zip(*np.nonzero(mistakes("W_eff new").wrong), strict=True)}
    assert wrong == {(1, 2), (3, 2), (4, 2), (4, 3)}


def test_how_the_wrong_numbers_arose() -> None:
    e = work(PRINTED, 0)[0].g[0].copy()
    e[1] += 1.0  # y₂ kept where y₂ − t₂ belongs
    close(np.outer((PRINTED.X @ PRINTED.B)[0], e), PRINTED_STEP["∇A"])
    close(np.outer(e, PRINTED.A @ PRINTED.X[0]), PRINTED_STEP["∇B"])


def test_losses_of_the_right_and_the_printed_step() -> None:
    record = mistakes("∇A")
    assert record.loss_before == pytest.approx(2.75, abs=1e-12)
    assert record.loss_right == pytest.approx(2.21413629, abs=1e-12)
    assert record.loss_printed == pytest.approx(2.3045, abs=1e-12)
    assert "2.21413629" in takeaway(record)
    assert "2.3045" in takeaway(record)


def test_score_and_reveal() -> None:
    record = mistakes("∇A")
    assert score(record, ((0, 1), (0, 2))).startswith(
        "1 of 8 entries are wrong; you marked 1 of them and 1 that is right"
    )
    assert 'class="found"' in comparison_html(record, suspected=((0, 1),), revealed=True)
    assert 'class="wrong"' in comparison_html(record, revealed=True)
    assert "−0.8" not in comparison_html(record), "nothing is given away before"
    assert "−0.8" in comparison_html(record, revealed=True)
    assert "ΔW" in start_html()


def test_the_table_and_its_words() -> None:
    record = worked_table(VECTOR, 3)
    html = steps_html(record)
    assert html.count("<th>step") == 4
    assert "0.408375" in html
    assert "−0.2594" in html
    assert "every entry of ∇A is 0" in steps_takeaway(record)
    assert "higher rank than 1" in steps_takeaway(record)
    rows = worked_table(PRINTED, 1)
    assert "∇B = s·xᵀ(G Aᵀ)" in steps_html(rows)
    assert rows.samples == worked_table(PRINTED_COLUMNS, 1).samples == 1
    assert "η is too large" in steps_takeaway(worked_table(replace(VECTOR, B=np.full((4, 2), 1e6), lr=1e300), 3))


def test_divergence_ends_the_table() -> None:
    told = work(replace(VECTOR, lr=1e5), 50)
    assert 1 < len(told) < 20
    assert all(np.isfinite(step.loss) for step in told)


@pytest.mark.parametrize(
    "text",
    [
        "1 2\n3 4",
        "1,2;3,4",
        "1, 2\n3, 4\n",
        "[[1, 2], [3, 4]]",
        "np.array([[1, 2], [3, 4]])",
        "array([[1., 2.],\n       [3., 4.]])",
        "torch.tensor([[1, 2], [3, 4]], dtype=torch.float64)",
    ],
)
def test_matrices_are_read(text: str) -> None:
    np.testing.assert_array_equal(parse_matrix(text, "A"), [[1, 2], [3, 4]])


def test_a_flat_list_is_a_column() -> None:
    assert parse_matrix("[1, 2, 3]", "x").shape == (3, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "A is empty"),
        ("1 2\n3", "A has rows of 2, 1 numbers"),
        ("1 a", "A holds 'a'"),
        ("nan 1", "A holds 'nan'"),
        ("1 inf", "A holds 'inf'"),
        ("1e308 1", "A holds '1e308'"),
        ("[[1, True]]", "A holds 'True'"),
        ("1 2 3 4 5 6 7", "A is 1×7: at most 6×6"),
        ("\n".join("1" * 7), "A is 7×1: at most 6×6"),
        ("__import__('os').system('true')", "A holds"),
        ("[[__import__('os')]]", "A is no list of numbers"),
        ("[[1, [2]]]", "A holds '[2]'"),
        ("[]", "A is no matrix"),
        ("[" * 900 + "]" * 900, "A "),
        ("1 " * 2000, "A has 3999 characters"),
    ],
)
def test_bad_matrices_get_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(WorkedError) as error:
        parse_matrix(text, "A")
    assert str(error.value).startswith(sentence)
    assert len(str(error.value)) < 160


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"A": np.ones((3, 3))}, "B·A cannot be formed: B is 4×2 and A is 3×3"),
        ({"A": np.ones((2, 4))}, "A is 2×4 and W is 4×3: both must have the same number of columns."),
        ({"B": np.ones((3, 2))}, "B is 3×2 and W is 4×3: both must have the same number of rows."),
        ({"X": np.ones((4, 1))}, "W·x cannot be formed: W is 4×3 and x is 4×1"),
        ({"T": np.ones((3, 1))}, "t is 3×1 and W is 4×3: both must have the same number of rows."),
        ({"T": np.ones((4, 2))}, "t is 4×2 and x is 3×1: both must have the same number of columns."),
    ],
)
def test_shapes_that_do_not_fit_say_which_product_fails(change: dict[str, np.ndarray], sentence: str) -> None:
    with pytest.raises(WorkedError) as error:
        replace(VECTOR, **change)
    assert str(error.value).startswith(sentence)


def test_every_number_of_the_table_can_be_taken() -> None:
    columns = table(worked_table(VECTOR, 3))
    rows = list(zip(*(columns[name].tolist() for name in ("step", "quantity", "row", "column")), strict=True))
    assert len(set(rows)) == len(rows)
    found = dict(zip(rows, columns["value"].tolist(), strict=True))
    told = work(VECTOR, 3)
    for step, one in enumerate(told):
        for (i, j), value in np.ndenumerate(one.A):
            assert found[step, "A", i + 1, j + 1] == value
        assert found[step, "loss", 1, 1] == one.loss
    assert [found[step, "rank", 1, 1] for step in range(4)] == [0, 1, 1, 1]
    assert {quantity for _, quantity, _, _ in rows} == {*told[0]._fields, "rank"}
