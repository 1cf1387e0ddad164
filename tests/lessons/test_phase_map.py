"""The map against adapters trained one by one, its regions, and where its cells lie."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lora_viz.core.experiment import CHOICES, LIMITS, Experiment, Sweep
from lora_viz.core.progress import Progress
from lora_viz.core.results import Results
from lora_viz.core.spectra import covariance_root, least_squares, reduced_rank_floor
from lora_viz.engine.training import train
from lora_viz.film.panels import Field, HeatMap, Lines
from lora_viz.film.paper import printed
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.variants.phase_map import (
    LESSON,
    PLANES,
    REGIONS,
    PhaseMap,
    axes,
    cell,
    detail,
    film,
    maths,
    nearest_cell,
    phase_map,
    pick,
    plane,
    table,
    takeaway,
    verdict,
)

ODD = Experiment(
    d_in=13, d_out=7, target_rank=3, rank=2, alpha=5.0, noise=0.3, samples=53, optimizer="sgd", steps=60, condition=3.0
)


def mapped(e: Experiment, kind: str, side: int, chosen: tuple[int, int] = (1, 2), count: int = 3) -> PhaseMap:
    x, y = axes(e, kind, side)
    runs = tuple(train(plane(e, kind, side, band=b, count=count), records=9, factors=False) for b in range(count))
    picked = train(Sweep((cell(e, kind, x, y, chosen),)), records=9)
    return phase_map(runs, picked, kind=kind, x=x, y=y, chosen=chosen)


@pytest.mark.parametrize("kind", PLANES)
def test_bands_are_the_plane(kind: str) -> None:
    whole = plane(ODD, kind, 5)
    parts = [e for b in range(3) for e in plane(ODD, kind, 5, band=b, count=3).experiments]
    assert list(whole.experiments) == parts
    x, y = axes(ODD, kind, 5)
    assert len(whole) == len(x) * len(y)
    assert (np.diff(x) > 0).all() and (np.diff(y) > 0).all()


@pytest.mark.parametrize("optimizer", CHOICES["optimizer"])
@pytest.mark.parametrize("side", [8, 24, 64])
def test_every_plane_is_allowed(optimizer: str, side: int) -> None:
    e = replace(ODD, optimizer=optimizer)
    for kind in PLANES:
        sweep = plane(e, kind, side)
        assert max(member.lr_ratio for member in sweep.experiments) <= LIMITS["lr_ratio"][1]
    x, y = axes(e, "learning_rates", side)
    corner = plane(e, "learning_rates", side)[side - 1]
    assert (corner.lr, corner.lr * corner.lr_ratio) == pytest.approx((x[-1], y[0]))


@pytest.mark.parametrize("kind", PLANES)
def test_a_cell_is_the_adapter_trained_alone(kind: str) -> None:
    record = mapped(ODD, kind, 5, chosen=(3, 1))
    x, y = axes(ODD, kind, 5)
    own = (
        replace(ODD, rank=int(x[1]), alpha=float(y[3]))
        if kind == "rank_alpha"
        else replace(ODD, lr=float(x[1]), lr_ratio=float(y[3] / x[1]))
    )
    assert cell(ODD, kind, x, y, (3, 1)) == own == plane(ODD, kind, 5)[3 * len(x) + 1]
    alone = train(Sweep((own,)), records=9)
    np.testing.assert_array_equal(record.steps, alone.steps)
    np.testing.assert_allclose(record.loss, alone.loss[:, 0], rtol=1e-9)
    np.testing.assert_allclose(record.delta, alone.delta_weight(), atol=1e-9)
    fitted, least = least_squares(alone.task)
    floor = least + 0.5 * reduced_rank_floor(fitted, covariance_root(alone.task), own.rank)[1] ** 2
    assert record.floor == pytest.approx(floor)
    left = (alone.loss[:, 0] - floor) / (alone.loss[0, 0] - floor)
    np.testing.assert_allclose(record.left[:, 3, 1], left, rtol=1e-9)


def test_regions_follow_their_definition() -> None:
    record = mapped(ODD, "learning_rates", 7)
    left, region = record.left, record.region
    assert set(np.unique(region[-1])) >= {REGIONS.index(name) for name in ("slow", "good", "diverged")}
    assert (region[0] == REGIONS.index("dead")).all(), "at step 0 nothing has been learnt"
    assert ((region == 2) == (left <= 0.01)).all()
    assert (np.isnan(left) <= (region == 3)).all()
    assert (left[region == 0] >= 0.99).all()
    still = mapped(replace(ODD, init="both_zero"), "learning_rates", 7)
    assert (still.region == REGIONS.index("dead")).all()
    assert (still.left == 1).all()


def test_the_nearest_cell_stays_on_the_map() -> None:
    x, y = np.arange(11.0), np.arange(7.0)
    assert nearest_cell(x, y, (0.0, 0.0)) == (0, 0)
    assert nearest_cell(x, y, (0.99, 0.99)) == (6, 10)
    for row in range(7):
        for column in range(11):
            shares = int(100 * (row + 0.5) / 7) / 100, int(100 * (column + 0.5) / 11) / 100
            assert nearest_cell(x, y, shares) == (row, column), "what a click asks for is what is shown"


def test_the_picture_shows_the_record() -> None:
    record = mapped(ODD, "learning_rates", 7)
    field, loss, _, delta = film(record).panels
    assert isinstance(field, Field) and isinstance(loss, Lines) and isinstance(delta, HeatMap)
    assert field.chosen == record.chosen == (1, 2)
    assert field.values is record.left
    assert field.limits == (1e-4, 1.0)
    assert len(table(record)["region"]) == 49


@pytest.mark.parametrize(
    ("steps", "row", "column"), [(60, 1, 2), (60, 6, 6), (0, 3, 0)], ids=["", "diverged", "no step"]
)
def test_the_still_figure_shows_the_last_step(steps: int, row: int, column: int) -> None:
    record = mapped(replace(ODD, steps=steps), "learning_rates", 7, chosen=(row, column))
    cells, chosen = printed(film(record), "map", theme="dark").data
    assert cells.z.shape == (7, 7)
    left = record.left[-1]
    np.testing.assert_allclose(10**cells.z, np.clip(left, 1e-4, 1), rtol=1e-9)
    assert np.isnan(left).any() == (steps > 0), "what diverged stays empty"
    assert (chosen.x, chosen.y) == ((cells.x[column],), (cells.y[row],))
    assert printed(film(record), "map").layout.title.text == "Remaining excess loss"
    assert "nan" not in takeaway(record)
    assert (record.diverged_at >= 0) == (row == 6)


class Told(Lab):
    """A lab that notes what it is told."""

    def __init__(self) -> None:
        super().__init__(Results())
        self.told: list[Progress] = []

    def report(self, share: float, said: str = "", preview: Any = None) -> None:
        self.told.append(Progress(share, said, preview))


def test_a_plane_is_shown_coarse_while_it_is_refined() -> None:
    settings, lab = LESSON.settings(steps=50, plane="rank_alpha", map_row=10, map_column=60), Told()
    record = LESSON.measure(settings, lab)
    assert [now.said for now in lab.told[::5]] == [f"Refining: {k} of 6 bands of the map are trained" for k in (0, 5)]
    assert [now.share for now in lab.told] == [k / 6 for k in range(6)]
    (coarse,) = {id(now.preview): now.preview for now in lab.told}.values()
    assert isinstance(coarse, PhaseMap) and (len(coarse.y), len(record.y)) == (8, 24)
    assert record.chosen == nearest_cell(record.x, record.y, (0.1, 0.6))
    again = LESSON.measure(LESSON.settings(steps=50, plane="rank_alpha", **pick(record, 20, 3)), lab)
    assert again.chosen == (20, 3), "what is clicked is what is shown"
    np.testing.assert_array_equal(again.left, record.left)
    run = LESSON.exports(again, settings, lab)
    np.testing.assert_array_equal(run.loss[:, 0], again.loss)


def test_words() -> None:
    record = mapped(ODD, "learning_rates", 7, chosen=(3, 4))
    assert "of the cells at most 1 %" in takeaway(record)
    assert "the product of both rates stays within" in detail(record)
    assert "diverged after step" in takeaway(mapped(ODD, "learning_rates", 7, chosen=(6, 6)))
    assert "the product" not in detail(mapped(ODD, "rank_alpha", 7))


def test_the_maths_is_that_of_the_optimiser_and_the_start() -> None:
    """Nothing is said of another optimiser's step, and where both factors are 0 it is said that nothing learns."""
    record = mapped(ODD, "learning_rates", 7)
    said = {name: maths(record, LESSON.settings(**change)) for name, change in
            {"sgd": {}, "adam": {"optimizer": "adam"}, "zero": {"init": "both_zero"}}.items()}  # fmt: skip
    assert "hat v" in said["adam"] and "hat v" not in said["sgd"]
    assert "no cell learns" in said["zero"] and "the first step moves" in said["sgd"]


def test_a_block_is_no_place_to_make_up_for_the_other_setting() -> None:
    """The same lowest good cell in every column: the claim does not hold; one that falls to the right: it does."""
    record = mapped(ODD, "learning_rates", 7)
    block, valley = (np.full_like(record.region, 1) for _ in range(2))
    block[-1, 2:4, 2:5] = 2
    for column, row in ((2, 4), (3, 3), (4, 2)):
        valley[-1, row, column] = 2
    for region in (block, valley):
        region[-1, 6, 6] = 3
    assert verdict(record._replace(region=block)).holds is False
    assert verdict(record._replace(region=valley)).holds
    assert verdict(record._replace(region=np.zeros_like(block))).holds is False, "no good cell"
