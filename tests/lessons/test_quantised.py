"""The picture of a 4-bit base: the shared decompositions give what the starts themselves give."""

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.film.panels import Lines
from lora_viz.layer.quantise import loftq, nf4, quantised_pissa
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.variants.quantised_start import (
    ALONE,
    KINDS,
    METHODS,
    OFTEN,
    ONCE,
    PISSA,
    RANKS,
    figure,
    film,
    quantised_base,
    takeaway,
    verdict,
)
from lora_viz.lessons.variants.quantised_start import PART as LESSON


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_is_what_the_starts_leave(kind: str) -> None:
    record = quantised_base(Experiment(seed=5), shown=kind, seeds=1)
    W = record.weight
    np.testing.assert_allclose(record.wrong[ALONE, -1], W - nf4(W), atol=1e-13)
    for place, rank in enumerate(RANKS[1:], 1):
        starts = {ONCE: loftq(W, rank, 1), OFTEN: loftq(W, rank, 5), PISSA: quantised_pissa(W, rank)}
        for method, (quantised, A, B) in starts.items():
            np.testing.assert_allclose(record.wrong[method, place], W - quantised - B @ A, atol=1e-12)
    own = np.linalg.norm(record.wrong, axis=(2, 3)) / np.linalg.norm(W)
    np.testing.assert_allclose(record.error[KINDS.index(kind), 1], own, rtol=1e-9)


def test_where_a_start_helps_and_where_not() -> None:
    """Eight weights of each kind: the directions that the page claims hold in every one."""
    record = quantised_base(Experiment())
    small = np.array(RANKS) <= 16
    inner = small & (np.array(RANKS) > 0)
    assert (record.wins[0][inner] == 0).all() and (record.wins[1][inner] == record.seeds).all()
    low, _, high = record.error[0]
    assert (high[OFTEN][inner] < low[ALONE][inner]).all()
    at = RANKS.index(8)
    assert record.error[1, 1, PISSA, at] < 0.5 * record.error[1, 1, OFTEN, at]
    assert "PiSSA beat LoftQ in 0 of 8" in takeaway(record) and "in 8 of 8" in takeaway(record)
    assert verdict(record).holds


def test_both_kinds_have_the_same_size_and_their_own_spectra() -> None:
    record = quantised_base(Experiment(), seeds=1)
    np.testing.assert_allclose(*np.linalg.norm(record.sigma, axis=1), rtol=1e-12)
    np.testing.assert_allclose(record.sigma[1] / record.sigma[1, 0], 1 / np.arange(1, 65), rtol=1e-9)


def test_histograms_hold_every_weight_and_sixteen_levels() -> None:
    record = quantised_base(Experiment(seed=2), seeds=1)
    assert record.levels == 16
    assert record.before.sum() == pytest.approx(1) and record.after.sum() == pytest.approx(1)
    assert (record.after > 0).sum() <= 16 < (record.before > 0).sum()


def test_film_and_table() -> None:
    record = quantised_base(Experiment(), seeds=1)
    made = film(record)
    assert [isinstance(panel, Lines) for panel in made.panels[:3]] == [True, True, False]
    assert made.values.tolist() == list(RANKS)
    columns = Played(LESSON, LESSON.settings(), Lab(), record).table
    for kind, medians in zip(KINDS, record.error[:, 1], strict=True):
        found = [columns[f"{kind}_{method}"] for method in ("alone", "loftq_1", "loftq_5", "pissa")]
        np.testing.assert_array_equal(found, medians)


def test_the_still_figure_shows_the_medians() -> None:
    record = quantised_base(Experiment(seed=3), seeds=3)
    traces = figure(record, theme="dark").data
    assert [trace.name for trace in traces] == [f"{m}, {kind}" for kind in ("Gaussian", "decaying") for m in METHODS]
    for trace, median in zip(traces, record.error[:, 1].reshape(-1, len(RANKS)), strict=True):
        np.testing.assert_array_equal(trace.x, RANKS)
        np.testing.assert_array_equal(trace.y, median)


def test_the_lesson_shows_the_kind_that_is_asked_for() -> None:
    played = LESSON.play(weight_kind="decaying", seed=7)
    np.testing.assert_allclose(
        played.record.weight, quantised_base(Experiment(seed=7), shown="decaying", seeds=1).weight
    )
    (ranks,) = played.exports().choices.values()
    assert ranks == RANKS[1:]
