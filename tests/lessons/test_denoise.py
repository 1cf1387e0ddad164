"""A cut removes noise if the rest has low rank: U-shaped against the clean matrix, falling against the noisy one."""

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.core.spectra import truncate
from lora_viz.film.panels import Lines, Readout
from lora_viz.film.paper import columns, printed
from lora_viz.layer.matrices import noisy_low_rank
from lora_viz.lessons.rank.denoise import Denoise, denoise, denoised_digits, detail, film, takeaway, verdict

SEEDS = range(9)


@pytest.fixture(scope="module")
def quiet() -> Denoise:
    return denoise(31, 23, 4, 0.3, SEEDS)


def test_errors_are_those_of_the_cut() -> None:
    record = denoise(13, 7, 3, 0.5, range(4, 5))
    clean, noisy = noisy_low_rank(13, 7, 3, 0.5, 4)
    for k in range(8):
        cut = truncate(noisy, k)
        np.testing.assert_allclose(record.cut[k], cut, atol=1e-13)
        for found, goal in ((record.to_clean, clean), (record.to_noisy, noisy)):
            np.testing.assert_allclose(found[:, k], np.linalg.norm(cut - goal) / np.linalg.norm(goal), atol=1e-13)


def test_the_clean_error_is_least_at_the_true_rank(quiet: Denoise) -> None:
    assert (quiet.best == 4).all() and len(quiet.best) == 9
    middle = quiet.to_clean[1]
    assert (np.diff(middle[:5]) < 0).all() and (np.diff(middle[4:]) > 0).all(), "U-shaped"
    assert (np.diff(quiet.to_noisy[1]) < 0).all()
    assert (quiet.to_clean[0] <= middle).all() and (middle <= quiet.to_clean[2]).all()
    assert "true rank 4 in 9 of 9 draws" in takeaway(quiet) and verdict(quiet).holds


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_without_noise_there_is_no_tail(rank: int) -> None:
    record = denoise(31, 23, rank, 0.0, SEEDS)
    assert record.to_clean[2, rank:].max() < 1e-13
    assert record.to_clean[0, rank - 1] > 1e-3
    assert (record.best == rank).all()
    assert "no noise to remove" in takeaway(record) and verdict(record).holds is False
    assert "exact up to rounding" in film(record).narration[rank]


def test_digits_are_cut_like_drawn_numbers() -> None:
    record = denoised_digits(4, 0.3, range(3))
    assert np.linalg.matrix_rank(record.clean) == 4 and np.mean(record.clean**2) == pytest.approx(1)
    for k in (0, 4, 7):
        np.testing.assert_allclose(record.cut[k], truncate(record.noisy, k), atol=1e-12)
    assert record.cut.shape == (25, 24, 32) and verdict(record).holds


def test_too_much_noise_is_said() -> None:
    record = denoise(31, 23, 8, 1.0, SEEDS)
    assert (record.best < 8).any() and (record.best <= 8).all()
    assert "are hidden" in detail(record)
    assert f"in {(record.best == 8).sum()} of 9 draws" in takeaway(record)


def test_the_edge_is_about_the_noise_s_largest_singular_value(quiet: Denoise) -> None:
    noise = np.linalg.norm(quiet.noisy - quiet.clean, 2)
    assert noise == pytest.approx(quiet.noise_edge, rel=0.15)


def test_words_and_figure(quiet: Denoise) -> None:
    picture = film(quiet)
    assert picture.start == 4
    assert picture.narration[2].endswith("Signal is missing.")
    assert picture.narration[6].endswith("This adds noise.")
    lines, readout = picture.panels[0], picture.panels[-1]
    assert isinstance(lines, Lines) and lines.marks[0].at == 4
    assert isinstance(readout, Readout) and readout.rows[1].text == ("9 of 9",)
    drawn = printed(picture, "error", theme="dark")
    assert isinstance(drawn, go.Figure)
    assert [trace.name for trace in drawn.data] == ["against the clean matrix", "against the noisy one"]
    for trace, errors in zip(drawn.data, (quiet.to_clean, quiet.to_noisy), strict=True):
        np.testing.assert_array_equal(trace.x, np.arange(24))
        np.testing.assert_array_equal(trace.y, errors[1])
    assert drawn.layout.shapes[0].x0 == 4
    assert len(columns(picture, "error")) == 7
