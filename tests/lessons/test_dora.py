"""Lengths and directions of rows: exact near zero, DoRA's lengths are its magnitudes, and the page's claim holds."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.film.panels import Bars
from lora_viz.film.paper import printed
from lora_viz.lessons.variants.dora import (
    STARTS,
    RowParts,
    _parts,
    detail,
    film,
    row_parts,
    row_sweep,
    table,
    takeaway,
    verdict,
)

ODD = Experiment(d_in=13, d_out=11, target_rank=3, rank=3, samples=53, steps=60, noise=0.2, condition=3.0, lr=0.05)
LESSON = Experiment(task="row_rescale", rank=4, target_rank=4, lr=0.12, steps=200, schedule="linear")


def read(e: Experiment) -> tuple[Run, RowParts]:
    run = train(row_sweep(e), records=9)
    return run, row_parts(run)


def test_parts_are_polar_coordinates() -> None:
    W = np.array([[3.0, 4.0, 0.0], [0.0, 2.0, 0.0]])
    length, turn = _parts(W, np.array([[3.0, 4.0, 0.0], [2.0, -2.0, 0.0]]))
    np.testing.assert_allclose(length, [2.0, 1.0])
    np.testing.assert_allclose(turn, [0.0, 90.0], atol=1e-13)
    _, tiny = _parts(W, np.array([[0.0, 0.0, 5e-9], [0.0, 0.0, 0.0]]))
    np.testing.assert_allclose(np.radians(tiny), [1e-9, 0.0], rtol=1e-9)


def test_doras_lengths_are_its_magnitudes_and_errors_are_means() -> None:
    run, record = read(ODD)
    was = np.linalg.norm(run.task.base_weight, axis=1)
    np.testing.assert_allclose(record.length[0] * was, np.abs(run.parameters[0]["magnitude"]), rtol=1e-12)
    np.testing.assert_array_equal(record.delta[1], run.delta_weight(STARTS))
    ends = []
    for i in range(STARTS, 2 * STARTS):
        moved = run.task.base_weight + run.delta_weight(i)[-1]
        cosine = np.sum(moved * run.task.base_weight, axis=1) / np.linalg.norm(moved, axis=1) / was
        ends.append(np.abs(np.degrees(np.arccos(cosine)) - record.target_turn).mean())
    np.testing.assert_allclose(record.turn_error[:, 1, -1], [min(ends), np.median(ends), max(ends)], rtol=1e-9)


def test_where_only_lengths_change_dora_turns_nothing_and_lora_must() -> None:
    """Eight tasks, eight starts each: the direction holds in every one."""
    for seed in range(8):
        _, record = read(replace(LESSON, seed=seed))
        assert record.target_turn.max() < 1e-5
        assert record.turn_error[2, 0, -1] < 0.5 and record.turn_error[0, 1, -1] > 1.0
        assert record.left[2, 0, -1] < 1e-3 < 0.05 < record.left[0, 1, -1]
    said = takeaway(record)
    assert "rotates no row" in said and "Trained magnitudes help here." in detail(record) and verdict(record).holds


def test_where_lora_is_enough_it_is_said() -> None:
    record = read(replace(LESSON, task="inside_top"))[1]
    assert "rotates its rows by" in takeaway(record) and "magnitudes bring nothing" in detail(record)
    assert verdict(record).holds is False and verdict(record).evidence["target_turn"] > 1


def test_a_run_that_diverges_says_so() -> None:
    said = takeaway(read(replace(LESSON, optimizer="sgd", lr=5.0))[1])
    assert said == "Most adapters of both kinds diverged: lower the learning rate."


def test_film_and_table() -> None:
    _, record = read(ODD)
    lengths, turns = film(record).panels[:2]
    assert isinstance(lengths, Bars) and isinstance(turns, Bars)
    np.testing.assert_array_equal(turns.groups[2].values, record.target_turn)
    np.testing.assert_array_equal(table(record)["dora_turn_degrees"], record.turn[0, -1])


@pytest.mark.parametrize("change", [{}, {"optimizer": "sgd", "lr": 5.0}, {"steps": 0}], ids=["", "diverged", "no step"])
def test_the_still_figure_shows_every_row(change: dict[str, Any]) -> None:
    _, record = read(replace(ODD, **change))
    lora, dora, target = printed(film(record), "turn", theme="dark").data
    assert [trace.name for trace in (target, dora, lora)] == ["target", "DoRA", "LoRA"]
    np.testing.assert_array_equal(target.y, record.target_turn)
    for k, trace in enumerate((dora, lora)):
        np.testing.assert_array_equal(trace.y, record.turn[k, -1])
    if change == {"steps": 0}:
        np.testing.assert_allclose(record.length[0, -1], 1)
        np.testing.assert_allclose(lora.y, 0, atol=1e-6)
    assert len(film(record).narration) == len(record.steps)
