"""What is said of two adapters is what both files hold."""

from typing import Any

import numpy as np
import pytest

from lora_viz.adapters.stored import AdapterError
from lora_viz.lessons.controls import Upload
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.parts import Prose, Table
from lora_viz.lessons.real.two_adapters import PART as LESSON
from tests.lessons.adapters import adapter, file_of, spiked


@pytest.fixture(scope="module")
def played() -> Played[Any]:
    A, B = spiked(4.0, 2.0, 1.0)
    idle = (A, 0 * B)
    one = {"net.0.q": (A, B), "net.1.q": spiked(3.0, 1.0, 1.0, seed=1), "net.2.q": idle, "net.3.k": (A, B)}
    other = {"net.0.q": (A, B), "net.1.q": spiked(3.0, 1.0, 1.0, seed=2), "net.2.q": (A, B)}
    return LESSON.play(first_file=file_of(one), second_file=file_of(other))


def test_an_adapter_beside_itself_and_beside_another(played: Played[Any]) -> None:
    r, film = played.record, played.film
    assert film is not None
    assert r.only == (1, 0)
    np.testing.assert_allclose(r.overlap[:, 0], 1, rtol=1e-12)
    assert r.numerical[:, :2].T.tolist() == [[3, 3, 3], [3, 3, 6]]
    assert "nothing to share" in film.narration[2]
    assert "the sum of the ranks in 1 of " in played.takeaway and played.verdict is not None and played.verdict.holds
    assert "Without counterpart: 1 module of the first, 0 of the second." in played.detail
    np.testing.assert_array_equal(film.panel("overlap").part("inputs").y, r.overlap[0])  # type: ignore[union-attr]
    labels = [part.text.partition(":")[0] for part in played.parts("beside") if isinstance(part, Prose)]
    assert labels == ["First", "Second"]


def test_what_each_way_of_merging_gives_is_measured_where_it_is_asked_for(played: Played[Any]) -> None:
    """An adapter added to itself acts twice, averaged once; without being asked nothing is formed."""
    assert not played.record.merges and not [part for part in played.parts("extras") if isinstance(part, Table)]
    own = file_of({"net.0.q": spiked(4.0, 2.0, 1.0)})
    twice = LESSON.play(first_file=own, second_file=own, merge_ways=True)
    found = {merge.way: merge for merge in twice.record.merges}
    assert found["add"].kept == pytest.approx((2, 2)) and found["add"].apart == pytest.approx(0, abs=1e-12)
    assert found["average"].kept == pytest.approx((1, 1)) and found["average"].rank == 2
    (table,) = [part for part in twice.parts("extras") if isinstance(part, Table)]
    assert len(table.columns["way"]) == len(found) == 5


def test_the_still_figure_has_the_overlaps(played: Played[Any]) -> None:
    drawn, r = played.figure(), played.record
    assert drawn is not None
    assert [curve.name for curve in drawn.data] == [
        "inputs (rows of A)", "outputs (columns of B)", "inputs, by chance", "outputs, by chance",
    ]  # fmt: skip
    for curve, values in zip(drawn.data, (*r.overlap, *r.chance), strict=True):
        np.testing.assert_array_equal(curve.x, [1, 2, 3])
        np.testing.assert_array_equal(curve.y, values)


def test_adapters_of_different_models_are_refused() -> None:
    own = Upload("a.safetensors", adapter())
    with pytest.raises(AdapterError, match=r"they are for different models\.$"):
        LESSON.play(second_file=own)
    both = LESSON.play(second_file=own, first_file=Upload("b.safetensors", adapter(4, seed=1)))
    assert "the sum of the ranks in 2 of 2 modules" in both.takeaway


def test_ours_are_two_of_one_model() -> None:
    assert "of 36 modules" in LESSON.play().takeaway
    assert LESSON.play(second="MiniLM-seed-0").record.cosine == pytest.approx(1)
