"""Follow one vector: the table is what the example computes, one's own numbers too."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.film.panels import Machine
from lora_viz.layer.worked import PRINTED, PRINTED_COLUMNS, VECTOR, VECTORS, Worked, WorkedError, work
from lora_viz.lessons.controls import SettingError
from lora_viz.lessons.parts import Html, Numbers
from lora_viz.lessons.start.follow import LESSON, moving, steps_html, table, takeaway, verdict, worked_table


def test_two_vectors_give_rank_two() -> None:
    assert worked_table(VECTORS, 2).rank == (0, 2, 2)
    assert worked_table(VECTOR, 3).rank == (0, 1, 1, 1)


def test_the_table_and_its_words() -> None:
    record = worked_table(VECTOR, 3)
    html = steps_html(record)
    assert html.count("<th>step") == 4
    assert "0.408375" in html
    assert "−0.2594" in html
    assert "all 6 entries of ∇A" in verdict(record).why and verdict(record).holds
    assert "The rank of ΔW is at most 1" in takeaway(record)
    rows = worked_table(PRINTED, 1)
    assert "∇B = s·xᵀ(G Aᵀ)" in steps_html(rows)
    assert rows.samples == worked_table(PRINTED_COLUMNS, 1).samples == 1
    assert "η is too large" in takeaway(worked_table(replace(VECTOR, B=np.full((4, 2), 1e6), lr=1e300), 3))


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


@pytest.mark.parametrize(
    ("name", "example"),
    [("one_sample", VECTOR), ("two_samples", VECTORS), ("printed_rows", PRINTED), ("printed_columns", PRINTED_COLUMNS)],
)
def test_every_example_is_shown_as_it_is_written_down(name: str, example: object) -> None:
    shown = LESSON.play(example=name)
    expected = worked_table(example, 3)  # type: ignore[arg-type]
    *folded, numbers = shown.parts("extras")
    moves = name in ("one_sample", "printed_columns")
    assert len(folded) == moves, "what one sample does can be followed; its numbers wait below"
    (html,) = folded[0].parts if moves else shown.parts("body")  # type: ignore[union-attr]
    assert isinstance(html, Html) and html.draw("light") == steps_html(expected)
    assert isinstance(numbers, Numbers)
    np.testing.assert_array_equal(numbers.columns["value"], table(expected)["value"])


@pytest.mark.parametrize("example", [VECTOR, PRINTED_COLUMNS], ids=["vector", "printed"])
def test_the_moving_layer_holds_the_numbers_of_the_table(example: Worked) -> None:
    """What its player computes from W, A, B, x and t is what stands in the table, at every step."""
    record = worked_table(example, 3)
    film = moving(record)
    assert film is not None
    layer = film.panel("layer")
    assert isinstance(layer, Machine)
    for t, step in enumerate(record.steps):
        u = layer.B[t] @ (layer.A[t] @ layer.x[t])
        g = layer.W @ layer.x[t] + layer.scaling * u - layer.target[t]
        np.testing.assert_allclose(g, step.g[:, 0], atol=1e-12)
        np.testing.assert_allclose(layer.scaling * np.outer(g, layer.A[t] @ layer.x[t]), step.grad_B, atol=1e-12)
    assert all(len(phases) == 8 for phases in film.phases)
    assert moving(worked_table(VECTORS, 2)) is None and moving(worked_table(PRINTED, 2)) is None


def test_ones_own_numbers_are_worked_through() -> None:
    shown = LESSON.play(one_sample_x="[1, 0, 0]", one_sample_s=0.5, one_sample_lr=0.01)
    expected = worked_table(replace(VECTOR, X=np.array([[1.0], [0], [0]]), scaling=0.5, lr=0.01), 3)
    assert steps_html(shown.record) == steps_html(expected)
    link = shown.link
    assert (link["one_sample_x"], link["one_sample_s"]) == ("[1, 0, 0]", "0.5")
    again = LESSON.read({name: str(value) for name, value in link.items()})
    assert steps_html(again.record) == steps_html(expected), "a link gives the same numbers"


def test_what_cannot_be_worked_through_is_refused() -> None:
    with pytest.raises(WorkedError, match=r"^x holds 'zero'"):
        LESSON.play(one_sample_x="1 0 zero")
    with pytest.raises(WorkedError, match="W·x cannot be formed: W is 4×3 and x is 2×1"):
        LESSON.play(one_sample_x="[1, 2]")
    with pytest.raises(SettingError, match=r"one_sample_s=65 is not possible in this lesson\. Valid values: 0 to 64"):
        LESSON.play(one_sample_s=65.0)
    with pytest.raises(SettingError, match="two_samples_x is not a setting of this lesson"):
        LESSON.play(two_samples_x="1")
