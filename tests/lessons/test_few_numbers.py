"""Few knobs, few non-zeros, low rank: three different things."""

import numpy as np
import pytest

from lora_viz.core.spectra import truncate
from lora_viz.film.paper import printed
from lora_viz.lessons.rank.few_numbers import KNOBS, few_numbers, film, takeaway, verdict


def test_one_knob_has_full_rank() -> None:
    record = few_numbers(64, 0.05, 0)
    assert record.knobs[0] == 1 and record.rank[0] == 64
    np.testing.assert_allclose(record.error[0], np.sqrt(1 - record.kept / 64), atol=1e-12)
    assert record.error[0, 7] == pytest.approx(0.935414, abs=1e-6)
    off = record.updates[0] - np.diag(np.diag(record.updates[0]))
    assert not off.any() and len(set(np.diag(record.updates[0]))) == 1


def test_the_three_kinds_over_eight_seeds() -> None:
    for seed in range(8):
        record = few_numbers(64, 0.05, seed)
        assert record.nonzeros == (64, 4096, 205, 4096)
        assert record.rank[1] == 64 and record.rank[3] == 1
        assert 50 < record.rank[2] < 64
        assert 0.76 < record.error[1, 7] < 0.82 and 0.65 < record.error[2, 7] < 0.8
        assert record.error[3].max() < 1e-13
        assert record.knobs == (1, KNOBS, 205, 127)


def test_errors_are_eckart_young_s() -> None:
    record = few_numbers(11, 0.3, 2)
    for update, error in zip(record.updates, record.error, strict=True):
        for k in (1, 4, 10):
            left = np.linalg.norm(update - truncate(update, k)) / np.linalg.norm(update)
            assert error[k - 1] == pytest.approx(left, abs=1e-12)


def test_words_and_figure() -> None:
    record = few_numbers(64, 0.05, 0)
    assert "93.5 %" in takeaway(record) and verdict(record).holds
    picture = film(record)
    assert picture.narration[7].startswith("Optimal rank-8 matrices miss 93.5 % of c·I")
    assert picture.narration[7].endswith("0 % of rank 1.")
    assert picture.panel("counted").part("one_knob").text == ("1 · 64 · 64",)  # type: ignore[union-attr]
    drawn = printed(picture, "error")
    assert [trace.name for trace in drawn.data] == ["c·I", "10 parameters", "sparse", "rank 1"]
    for trace, error in zip(drawn.data, record.error, strict=True):
        np.testing.assert_array_equal(trace.x, range(1, 65))
        np.testing.assert_array_equal(trace.y, error)
