"""The worked examples, against exact values, autograd and the engine's own formulas; and hostile input."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lora_viz.i18n.language import speak
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


def test_how_the_wrong_numbers_arose() -> None:
    e = work(PRINTED, 0)[0].g[0].copy()
    e[1] += 1.0  # y₂ kept where y₂ − t₂ belongs
    close(np.outer((PRINTED.X @ PRINTED.B)[0], e), PRINTED_STEP["∇A"])
    close(np.outer(e, PRINTED.A @ PRINTED.X[0]), PRINTED_STEP["∇B"])


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


def test_in_german_a_decimal_comma_is_asked_about() -> None:
    """ "0,5" would be read as the two numbers 0 and 5: nothing that a reader of German means."""
    with speak("de"):
        for text in ("0,5", "0,5; 1,5", "-0,5"):
            with pytest.raises(WorkedError, match="0,5"):
                parse_matrix(text, "M")
        np.testing.assert_array_equal(parse_matrix("0.5 1; 2 3", "M"), [[0.5, 1], [2, 3]])


def test_a_flat_list_is_a_column() -> None:
    assert parse_matrix("[1, 2, 3]", "x").shape == (3, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "A is empty"),
        ("1 2\n3", "A has rows of 2, 1 numbers"),
        ("0,5 1,5", "A holds 0,5, in which the comma may be a decimal comma"),
        ("1; 0,5 1", "A holds 0,5, in which the comma may be a decimal comma"),
        ("1 a", "A holds 'a'"),
        ("nan 1", "A holds 'nan'"),
        ("1 inf", "A holds 'inf'"),
        ("1e308 1", "A holds '1e308'"),
        ("[[1, True]]", "A holds 'True'"),
        ("1 2 3 4 5 6 7", "A is 1×7: at most 6×6"),
        ("\n".join("1" * 7), "A is 7×1: at most 6×6"),
        ("__import__('os').system('true')", "A holds"),
        ("[[__import__('os')]]", "A is not a list of numbers"),
        ("[[1, [2]]]", "A holds '[2]'"),
        ("[{[1]}]", "A "),
        ("[[{{}:1}]]", "A "),
        ("[]", "A is not a matrix"),
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
