"""The records of two adapters and of the quantised merge: medians by hand, ranks, and words that follow the numbers."""

from dataclasses import replace

import numpy as np
import pytest

from lora_viz.export.scripts.script import Scripts
from lora_viz.film.panels import Field
from lora_viz.film.paper import columns as columns_of
from lora_viz.film.paper import printed
from lora_viz.film.style import percent
from lora_viz.lessons.real import adapters_together as pair
from lora_viz.lessons.variants import requantised as quantised
from lora_viz.networks.digits import PairExperiment, PairRun
from lora_viz.networks.requantise import FORMATS, RequantiseRun

W = np.array([0.0, 0.5, 1.0])
V = np.array([0.0, 0.5, 1.0])
S = 3


def pair_run(second: str = "permuted", inputs: float = 0.05) -> PairRun:
    rng = np.random.default_rng(4)
    seed = np.array([0.01, -0.01, 0.0])
    mixed = np.array([[0.9, 0.1, 0.3], [0.4, 0.5, 0.4], [0.1, 0.8, 0.2]])[..., None] + seed
    grid = np.zeros((3, 3, 3, S))
    grid[..., 0, :], grid[..., 1, :] = V[:, None, None] * 0.5, V[None, :, None] * 0.25
    return PairRun(
        experiment=PairExperiment(second=second, rank=3),
        weight=W,
        mixed=mixed,
        averaged=mixed * np.array([1, 0.5, 1])[:, None, None],
        difference=np.array([0, 0.66, 0])[:, None] + abs(seed),
        grid_weight=V,
        grid=grid,
        base=np.array([0.1, 0.05, 0.96])[:, None] + seed,
        A=rng.standard_normal((2, 3, 11)),
        B=rng.standard_normal((2, 7, 3)),
        scaling=2.0,
        inputs=np.full(S, inputs),
        outputs=np.full(S, 0.1),
        reach=np.array([[0.6, 0.7, 0.8], [0.9, 1.0, 1.1]]),
    )


def test_medians_ranks_and_the_worse_of_both() -> None:
    record = pair.adapters_together(pair_run())
    np.testing.assert_allclose(record.mixed[:, 0, 0], [0.89, 0.9, 0.91])
    assert record.numerical == (3, 6, 3) and record.sum_rank == 6
    np.testing.assert_allclose(record.worse, np.minimum(V[:, None] * 0.5, V[None] * 0.25))
    np.testing.assert_allclose(record.added[1, :2], [0.5, 0.25])
    assert record.chance == pytest.approx(3 / 11)
    np.testing.assert_allclose(record.reach, [0.7, 1.0])
    delta = 2.0 * pair_run().B @ pair_run().A
    np.testing.assert_allclose(record.sigma[1, :6], np.linalg.svd(delta.mean(axis=0), compute_uv=False)[:6])


def test_the_pairs_words_follow_the_numbers() -> None:
    record = pair.adapters_together(pair_run())
    said = pair.takeaway(record)
    assert "recognise 90.0 % and 80.0 % of their own digits; added, 50.0 % and 25.0 %." in said
    assert "two updates of rank 3 has numerical rank 6" in said and f"off by {percent(float(record.off[1, 1]))}" in said
    assert pair.verdict(record).holds and pair.verdict(record).evidence["left"] == pytest.approx(0.25 / 0.8)
    assert "overlap gives no warning" in pair.detail(record)
    assert "overlap gives no warning" not in pair.detail(pair.adapters_together(pair_run(inputs=0.95)))
    assert "overlap gives no warning" not in pair.detail(pair.adapters_together(pair_run("rotated")))
    moving = pair.film(pair.adapters_together(pair_run("rotated")))
    assert moving.narration[1].startswith("w = 0.5: correct on the first task 40.0 %, on the second 50.0 %")
    (field,) = [p for p in moving.panels if isinstance(p, Field)]
    assert field.chosen == (2, 2)
    columns = columns_of(moving, "mixed", "averaged")
    assert len(columns) == 1 + 3 * 3 + 3 * 3
    np.testing.assert_allclose(columns["averaged_off"], [0, 0.66, 0], atol=0.01)


@pytest.mark.parametrize("gone", [False, True])
def test_the_pairs_still_figure(gone: bool) -> None:
    run = pair_run()
    if gone:
        run = replace(run, mixed=np.where(run.weight[:, None, None] > 0.6, np.nan, run.mixed))
    record = pair.adapters_together(run)
    traces = printed(pair.film(record), pair.PART.on_paper, theme="dark").data
    assert [trace.name for trace in traces] == ["on rotated", "on permuted", "on upright"]
    for trace, y in zip(traces, record.mixed[1].T, strict=True):
        np.testing.assert_array_equal(trace.x, W)
        np.testing.assert_array_equal(trace.y, y)
    assert ("lower the learning rate" in pair.takeaway(record)) == gone


def test_the_pairs_lesson_trains_what_it_is_set_to() -> None:
    played = pair.PART.play(second="relabelled", rank=2, steps=100)
    assert (played.record.second, played.record.rank) == ("relabelled", 2)
    scripts = played.exports()
    assert isinstance(scripts, Scripts) and "rank=2" in scripts.make().text


def quantised_run(natural: float = 1.7) -> RequantiseRun:
    sizes = np.array([0.001, 0.01, 0.1, 1.0])
    seed = np.array([0.001, -0.001, 0.0])
    by_format = np.array([1.0, 2.0, 3.0])[:, None] + seed
    return RequantiseRun(
        rank=2,
        sizes=sizes,
        base_error=by_format / 100,
        lost=np.array([1.0, 0.5, 0.2, 0.1])[:, None, None] * by_format,
        kept_level=np.array([0.9, 0.8, 0.5, 0.1])[:, None, None] * np.ones((3, S)),
        natural=np.full(S, natural),
        plain=0.9 + seed,
        apart=0.8 + 0 * by_format,
        merged=0.6 + 0 * by_format,
        before=0.1 + 0 * by_format,
        delta=np.ones((4, 30, 29)),
        arrived=np.arange(3.0)[None, :, None, None] * np.ones((4, 3, 30, 29)),
    )


def test_the_shown_format_is_the_one_asked_for() -> None:
    for i, name in enumerate(FORMATS):
        record = quantised.quantised_merge(quantised_run(), shown=name)
        assert (record.arrived == i).all() and record.arrived.shape == (4, 24, 24)
        told = quantised.film(record).narration[1]
        assert f"merged in {name}: error of the stored update {50 * (i + 1)} %, unchanged weights 80 %" in told
    np.testing.assert_allclose(record.lost[1, 1], [0.5, 1.0, 1.5])
    np.testing.assert_allclose(record.accuracy[:, 0], [0.1, 0.8, 0.6])


def test_sizes_outside_the_axis_are_not_marked() -> None:
    marks = [m.label for m in quantised.film(quantised.quantised_merge(quantised_run())).panels[0].marks]
    assert marks == ["MiniLM"]
    marks = [m.label for m in quantised.film(quantised.quantised_merge(quantised_run(0.5))).panels[0].marks]
    assert marks == ["as trained", "MiniLM"]


def test_the_quantised_words_follow_the_numbers() -> None:
    record = quantised.quantised_merge(quantised_run())
    said = quantised.takeaway(record)
    assert "int8 50 %, int4 100 %, NF4 150 %" in quantised.detail(record) and "an error of 150 %" in said
    assert "80.0 % of the digits are recognised, merged 60.0 %; in float32 90.0 %" in said
    assert quantised.verdict(record).holds is False, "unmerged it is 10 points below float32"
    moving = quantised.film(record)
    assert columns_of(moving, "error")["error_nf4"].tolist() == pytest.approx([3.0, 1.5, 0.6, 0.3])
    traces = printed(moving, quantised.PART.on_paper, theme="dark").data
    assert [trace.name for trace in traces] == list(FORMATS)
    for i, trace in enumerate(traces):
        np.testing.assert_array_equal(trace.x, record.sizes)
        np.testing.assert_array_equal(trace.y, record.lost[1, :, i])


def test_the_quantised_lesson_trains_what_it_is_set_to() -> None:
    played = quantised.PART.play(weight_format="int4", rank=3, steps=100)
    assert (played.record.shown, played.record.rank) == ("int4", 3)
    assert isinstance(played.exports(), Scripts)
