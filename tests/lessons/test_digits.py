"""The digits record is arithmetic on the run: medians, frontier, kinds of rank, and words that follow the numbers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.film.panels import Pictures
from lora_viz.film.paper import printed
from lora_viz.lessons.real.digits import (
    LESSON,
    LEVELS,
    DigitsAdapt,
    detail,
    digits_adapt,
    film,
    table,
    takeaway,
    verdict,
)
from lora_viz.networks.adapting import adapt_digits
from lora_viz.networks.digits import RANKS, DigitsExperiment, DigitsRun

METHODS = ("head", *(f"r={r}" for r in RANKS), "full")
T, M, S = 3, len(METHODS), 5


def made(change: str = "rotated", last: tuple[float, ...] = (0.5, 0.6, 0.7, 0.8, 0.895, 0.9, 0.9)) -> DigitsRun:
    """A run whose numbers are set by hand: members differ by thousandths, old falls as new rises."""
    member = np.array([-2, 2, 0, 1, -1]) / 1000
    new = np.stack([np.full(M, 0.1), 0.5 * np.array(last), np.array(last)])[..., None] + member
    old = np.stack([np.full(M, 0.96), np.full(M, 0.6), np.full(M, 0.3)])[..., None] + member
    sigma = np.zeros((T, M, 2, 64))
    for m, rank in enumerate(RANKS, start=1):
        sigma[1:, m, :, :rank] = 1.0
    sigma[1:, -1, :, :] = 1.0
    rng = np.random.default_rng(0)
    return DigitsRun(
        experiment=DigitsExperiment(change=change),
        steps=np.array([0, 10, 300]),
        methods=METHODS,
        new=new,
        old=old,
        base_new=0.1 + member,
        base_old=0.96 + member,
        sigma=sigma,
        last_sigma=np.repeat(sigma[-1][None], S, axis=0),
        trainable=np.array([650, 256, 512, 1024, 2048, 4096, 8970]),
        base_weight=rng.standard_normal((64, 64)),
        shown=rng.uniform(0, 1, (6, 8, 8)),
        truth=np.arange(1, 7),
        before=np.array([1, 0, 0, 0, 0, 0]),
        predicted=np.tile(np.array([1, 2, 3, 4, 5, 0]), (T, M, 1)),
        network=(),
        factors=(),
    )


def test_median_and_range_over_the_members() -> None:
    record = digits_adapt(made())
    np.testing.assert_allclose(record.new[:, -1, 0], [0.498, 0.5, 0.502])
    np.testing.assert_allclose(record.old[1, :, 0], [0.96, 0.6, 0.3])
    assert record.base_old == pytest.approx(0.96) and record.members == S


def test_enough_is_the_least_rank_within_a_point_of_full() -> None:
    assert digits_adapt(made()).enough == 8
    assert "at rank 8 (89.5 %), training 2,048 of 8,970 parameters" in takeaway(digits_adapt(made()))
    none = digits_adapt(made("inverted", (0.9, 0.1, 0.1, 0.1, 0.2, 0.3, 0.8)))
    assert none.enough == 0
    assert "No rank up to 16 comes within one percentage point; LoRA's best is 30.0 %." in takeaway(none)
    assert "ΔW₁ = −2W₁, of full rank" in detail(none)
    assert "hidden weight has to change" in detail(digits_adapt(made("relabelled")))
    assert [verdict(digits_adapt(made(change))).holds for change in ("rotated", "inverted", "permuted")] == [
        True, False, None,
    ]  # fmt: skip


def test_the_frontier_is_the_best_old_at_any_earlier_moment() -> None:
    kept = digits_adapt(made()).kept
    r8 = METHODS.index("r=8")
    assert np.isnan(kept[0, r8][LEVELS > 0.11]).all(), "at step 0 nothing new is read"
    at = lambda level: int(np.argmin(np.abs(LEVELS - level)))  # noqa: E731
    assert kept[1, r8, at(0.4)] == pytest.approx(0.6)
    assert kept[2, r8, at(0.4)] == pytest.approx(0.6), "the earlier moment was better"
    assert kept[2, r8, at(0.88)] == pytest.approx(0.3)
    assert np.isnan(kept[2, r8, at(0.92)])
    finite = np.isfinite(kept[:-1])
    assert (kept[1:][finite] >= kept[:-1][finite]).all(), "the frontier never falls with time"


def test_equal_singular_values_have_their_count_as_effective_rank() -> None:
    record = digits_adapt(made())
    assert np.isnan(record.effective[0]).all() and np.isnan(record.effective[:, 0]).all()
    np.testing.assert_allclose(record.effective[-1, 1:], [*RANKS, 64])
    np.testing.assert_allclose(record.last_effective[1, 1:], [*RANKS, 64])


@pytest.mark.parametrize(("change", "rank"), [("rotated", 48), ("inverted", 64), ("relabelled", 0)])
def test_the_exact_answer_has_its_rank(change: str, rank: int) -> None:
    record = digits_adapt(made(change))
    assert (record.exact > 1e-9).sum() == rank


def test_the_film_says_who_reads_what() -> None:
    record = digits_adapt(made())
    moving = film(record)
    (pictures,) = [p for p in moving.panels if isinstance(p, Pictures)]
    assert [told.name for told in pictures.rows] == ["before", "head only", "r=1", "r=4", "r=16", "full FT"]
    assert pictures.rows[0].right == ((True, False, False, False, False, False),)
    assert pictures.rows[-1].text[-1] == ("1", "2", "3", "4", "5", "0")
    assert pictures.rows[-1].right[-1] == (True, True, True, True, True, False)
    assert moving.narration[0].startswith("Step 0: every method recognises 10.0 %")
    assert "r = 8 89.5 %, full FT 90.0 %" in moving.narration[-1]


def diverged() -> DigitsRun:
    new = made().new.copy()
    new[-1, 3] = np.nan
    return replace(made(), new=new)


def test_outputs_that_are_no_numbers_are_said() -> None:
    record = digits_adapt(diverged())
    assert takeaway(record) == "Outputs that are not finite: r=4. Lower the learning rate."
    assert all("nan" not in text for text in film(record).narration)


def test_the_table_is_the_last_step() -> None:
    columns = table(digits_adapt(made()))
    assert columns["bytes_float32"].tolist() == [2600, 1024, 2048, 4096, 8192, 16384, 35880]
    np.testing.assert_allclose(columns["new_median"], [0.5, 0.6, 0.7, 0.8, 0.895, 0.9, 0.9])


def last(record: DigitsAdapt) -> go.Figure:
    return printed(film(record), LESSON.on_paper)


@pytest.mark.parametrize("run", [made, diverged])
def test_the_still_figure_shows_the_ranks(run: Callable[[], DigitsRun]) -> None:
    record = digits_adapt(run())
    lora, full, head, upright = last(record).data
    assert [trace.name for trace in (lora, full, head, upright)] == ["LoRA", "full FT", "head only", "LoRA, upright"]
    low, middle, high = record.new[:, -1, 1:-1]
    for trace, y in (
        (lora, middle), (upright, record.old[1, -1, 1:-1]),
        (full, [record.new[1, -1, -1]] * len(RANKS)), (head, [record.new[1, -1, 0]] * len(RANKS)),
    ):  # fmt: skip
        np.testing.assert_array_equal(trace.x, RANKS)
        np.testing.assert_array_equal(trace.y, y)
    np.testing.assert_allclose(lora.error_y.array, np.nan_to_num(high - middle))
    np.testing.assert_allclose(lora.error_y.arrayminus, np.nan_to_num(middle - low))


def test_the_still_figure_by_hand() -> None:
    np.testing.assert_allclose(last(digits_adapt(made())).data[0].y, [0.6, 0.7, 0.8, 0.895, 0.9])


def test_without_a_step_nothing_is_learnt_and_all_can_be_taken_along() -> None:
    run = adapted_in(0)
    record = digits_adapt(run)
    assert record.steps.tolist() == [0]
    np.testing.assert_array_equal(last(record).data[0].y, np.full(len(RANKS), record.base_new))
    assert "nan" not in " ".join(film(record).narration)


def adapted_in(steps: int) -> DigitsRun:
    *_, run = adapt_digits(DigitsExperiment(steps=steps, members=2))
    assert isinstance(run, DigitsRun)
    return run


def test_the_lesson_trains_what_it_is_set_to() -> None:
    played = LESSON.play(change="permuted", steps=100, alpha=4.0)
    assert played.record.change == "permuted" and played.record.steps[-1] == 100
    scripts = played.exports()
    assert {name: sorted(ways) for name, ways in scripts.choices.items()} == {"Way of adapting": sorted(METHODS)}
    assert "η = 0.01 falling" in played.maths
