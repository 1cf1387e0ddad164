"""The exponents of the first update: measured against the theory's and against the printed table."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.film.paper import printed
from lora_viz.film.style import percent
from lora_viz.layer.first_step import first_updates
from lora_viz.lessons.training.scaling_first_step import PART as LESSON
from lora_viz.lessons.training.scaling_first_step import (
    STARTS,
    FirstUpdate,
    detail,
    film,
    first_update,
    signed,
    takeaway,
)  # fmt: skip

RANKS = (1, 2, 4, 8, 16, 32, 64, 128)
WIDE = Experiment(
    task="full_rank", spectrum="flat", d_in=128, d_out=128, samples=64, rank=1, alpha=16.0, lr=0.001, optimizer="sgd"
)
# Measured once at d = 256 with 10 seeds, Gaussian data: α/r, α/√r, constant.
USEFUL = {
    ("sgd", "B_zero"): (-1.01, -0.01, 0.99),
    ("sgd", "variance_1_over_r"): (-1.99, -0.99, 0.01),
    ("sgd", "gaussian"): (-2.99, -1.99, -0.99),
    ("adam", "B_zero"): (-0.01, 0.50, 1.00),
    ("adam", "variance_1_over_r"): (-0.49, 0.01, 0.51),
    ("adam", "gaussian"): (-0.99, -0.49, 0.01),
}
SIZE = {
    ("sgd", "B_zero"): (-1.45, -0.45, 0.55),
    ("sgd", "variance_1_over_r"): (-2.44, -1.44, -0.44),
    ("sgd", "gaussian"): (-3.44, -2.44, -1.44),
    ("adam", "B_zero"): (-0.46, 0.04, 0.54),
    ("adam", "variance_1_over_r"): (-0.96, -0.46, 0.04),
    ("adam", "gaussian"): (-1.46, -0.96, -0.46),
}
GRAD_B = {"B_zero": (-0.5, 0.0, 0.5), "variance_1_over_r": (-0.99, -0.49, 0.01), "gaussian": (-1.49, -0.99, -0.49)}


@pytest.fixture(scope="module")
def wide() -> FirstUpdate:
    return first_update(first_updates(WIDE, ranks=RANKS, inits=STARTS), WIDE)


@pytest.mark.parametrize(("optimizer", "init"), list(USEFUL))
def test_slopes_are_those_of_the_table(wide: FirstUpdate, optimizer: str, init: str) -> None:
    o, i = wide.optimizers.index(optimizer), wide.inits.index(init)
    np.testing.assert_allclose(wide.progress_slope[1, o, i], USEFUL[optimizer, init], atol=0.05)
    np.testing.assert_allclose(wide.size_slope[1, o, i], SIZE[optimizer, init], atol=0.05)
    np.testing.assert_allclose(wide.grad_slope[1, i], GRAD_B[init], atol=0.05)


def test_theory_is_near_on_every_task(wide: FirstUpdate) -> None:
    for seed in (0, 1, 2):
        e = replace(WIDE, seed=seed)
        found = first_update(first_updates(e, ranks=RANKS, inits=STARTS), e)
        np.testing.assert_allclose(found.progress_slope[1], found.progress_theory, atol=0.06)
        np.testing.assert_allclose(found.size_slope[1], found.size_theory, atol=0.06)
        np.testing.assert_allclose(found.grad_slope[1], found.grad_theory, atol=0.03)
    assert (wide.progress_slope[0] <= wide.progress_slope[1]).all()
    assert (wide.progress_slope[1] <= wide.progress_slope[2]).all()


def test_what_is_shown_is_what_was_asked_for(wide: FirstUpdate) -> None:
    e = replace(WIDE, optimizer="adam", init="gaussian")
    updates = first_updates(e, ranks=RANKS, inits=STARTS)
    shown = first_update(updates, e)
    np.testing.assert_array_equal(shown.size[1], np.median(updates.size[1, 2], axis=-1))
    said = takeaway(shown)
    assert said.startswith("With Adam and A drawn as std 1/r")
    assert "SGD, Kaiming, α/√r" in detail(shown)
    assert "Adam, Kaiming, α/r" in detail(shown)
    assert "5 of 18 combinations are independent of the rank." in said
    shares = [float(wide.progress[1, k, -1] / wide.progress[1, k, 0]) for k in range(2)]
    assert f"α/r {percent(shares[0])}, α/√r {percent(shares[1])}" in film(wide).narration[-1]


def test_a_slope_is_written_with_its_sign() -> None:
    assert [signed(x) for x in (-1.006, 0.994, 0.004, -0.004)] == ["−1.01", "+0.99", "0.00", "0.00"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_figure_draws_the_record(optimizer: str) -> None:
    e = replace(WIDE, d_in=31, d_out=29, optimizer=optimizer)
    found = first_update(first_updates(e, ranks=(1, 3, 29), inits=STARTS), e)
    drawn = printed(film(found), LESSON.on_paper, theme="dark")
    slopes = found.progress_slope[1, ("sgd", "adam").index(optimizer), 0]
    rules = zip(("α/r", "α/√r", "constant"), slopes, strict=True)
    assert [curve.name for curve in drawn.data] == [f"{rule} (slope {signed(slope)})" for rule, slope in rules]
    for curve, expected in zip(drawn.data, found.progress[1], strict=True):
        np.testing.assert_array_equal(curve.x, (1, 3, 29))
        np.testing.assert_array_equal(curve.y, expected)
