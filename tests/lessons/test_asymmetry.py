"""What each frozen factor leaves, against dense least squares, and the symmetry that round inputs have."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.engine.regression import teacher
from lora_viz.film.paper import printed
from lora_viz.layer.tasks import target_spectrum
from lora_viz.lessons.variants.asymmetry import Asymmetry, asymmetry, detail, film, takeaway, verdict

E = Experiment(task="full_rank", d_in=64, d_out=64, spectrum="power", rank=8)
ODD = replace(E, d_in=13, d_out=7, rank=2, seed=3)


@pytest.fixture(scope="module")
def found() -> Asymmetry:
    return asymmetry(E)


@pytest.mark.parametrize("c", [0, 2, 6])
def test_every_share_is_a_least_squares_solution(c: int) -> None:
    one = asymmetry(ODD, targets=1, factors=1)
    target = teacher(target_spectrum(ODD), 7, 13, 1, 3)[0]
    A = stream("frozen A", 3, 0).standard_normal((7, 13))[:2]
    B = stream("frozen B", 3, 0).standard_normal((7, 7))[:2].T
    root = np.sqrt(one.conditions[c] ** -np.linspace(0, 1, 13))
    signal = target * root
    trained_B = np.linalg.lstsq((A * root).T, signal.T, rcond=None)[0].T @ (A * root)
    trained_A = B @ np.linalg.lstsq(B, signal, rcond=None)[0]
    u, s, vt = np.linalg.svd(signal, full_matrices=False)
    both = (u[:, :2] * s[:2]) @ vt[:2]
    want = [np.sum((signal - fit) ** 2) / np.sum(signal**2) for fit in (trained_B, trained_A, both)]
    np.testing.assert_allclose(one.left[1, :, list(one.ranks).index(2), c], want, rtol=1e-9)


def test_round_inputs_and_a_square_layer_are_symmetric_and_stretch_is_not(found: Asymmetry) -> None:
    t = found.start
    assert found.ranks[t] == 8
    np.testing.assert_allclose(found.left[1, :2, t, 0], 1 - 8 / 64, atol=0.02)
    assert 13 <= found.wins[t, 0] <= 37, "a fair coin of 50 throws"
    assert found.wins[t, -1] == 50
    np.testing.assert_allclose(found.left[1, 1, t], 1 - 8 / 64, atol=0.02)
    assert found.left[2, 0, t, -1] < found.left[0, 1, t, -1], "every draw of one below every draw of the other"
    assert verdict(found).holds and found.wins[t, -1] == 50 and "in 50 of 50 draws" in takeaway(found)


def test_a_frozen_b_covers_more_of_few_outputs() -> None:
    flat = asymmetry(replace(E, d_out=16))
    assert (flat.wins[flat.start, 0], flat.d_out) == (0, 16)
    np.testing.assert_allclose(flat.left[1, 1, flat.start, 0], 1 - 8 / 16, atol=0.03)
    assert "fewer outputs than inputs" in detail(flat) and verdict(flat).holds is False


def test_the_floor_lies_below_both_and_falls_with_rank(found: Asymmetry) -> None:
    assert (found.left[0, 2] <= found.left[0, :2]).all()
    assert (np.diff(found.left[1, 2], axis=0) < 0).all()


def test_the_still_figure_and_the_readings_hold_the_rank_first_shown(found: Asymmetry) -> None:
    drawn, t = printed(film(found), "left"), found.start
    assert [x.name for x in drawn.data] == [
        "train B, A frozen",
        "train A, B frozen",
        "train both: the floor",
        "1 − r/d_out",
    ]
    for w, trace in enumerate(drawn.data[:3]):
        low, median, high = found.left[:, w, t]
        np.testing.assert_array_equal(trace.x, np.log10(found.conditions))
        np.testing.assert_array_equal(trace.y, median)
        np.testing.assert_array_equal(trace.error_y.array, high - median)
        np.testing.assert_array_equal(trace.error_y.arrayminus, median - low)
    np.testing.assert_array_equal(drawn.data[3].y, np.full(7, 1 - 8 / 64))
    low, median, high = found.left[:, 1, t, -1]
    read = film(found).panel("at_rank").part("train_a_6")
    assert read.text[t] == f"{median:.3f} ({low:.3f} to {high:.3f})"  # type: ignore[union-attr]
