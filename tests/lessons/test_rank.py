"""What training leaves at each rank, against floors known before training."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from lora_viz.core.experiment import CHOICES, Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.film.panels import HeatMap, Readout
from lora_viz.film.paper import printed
from lora_viz.film.style import number, percent
from lora_viz.layer.tasks import target_spectrum
from lora_viz.lessons.basics.rank import LESSON as OFFERED
from lora_viz.lessons.basics.rank import RankError, detail, film, rank_error, table, takeaway, verdict

# What the lesson offers, and PEFT's Gaussian: starts over the original base weight.
STARTS = ("B_zero", "A_zero", "both_zero", "both_random", "gaussian")

# The rank lesson's default (pages/rank.py), with fewer ranks.
LESSON = Experiment(
    d_in=32,
    d_out=24,
    target_rank=4,
    spectrum="flat",
    noise=1.0,
    alpha=16.0,
    lr=0.03,
    schedule="linear",
    steps=200,
    samples=192,
)
ODD = Experiment(
    d_in=13, d_out=7, target_rank=3, noise=0.3, samples=53, alpha=4.0, lr=0.05, schedule="linear", steps=300, seed=2
)

LINEAR, LOG = (OFFERED.settings(error_axis=scale) for scale in ("linear", "log"))


def swept(e: Experiment, ranks: tuple[int, ...] = (1, 2, 3, 5, 7), seeds: int = 3) -> Run:
    return train(Sweep.over(replace(e, rank=1), rank=ranks, init_seed=range(seeds)), records=2)


@pytest.fixture(scope="module")
def round_run() -> Run:
    return swept(ODD)


@pytest.fixture(scope="module")
def stretched_run() -> Run:
    return swept(replace(ODD, condition=20.0))


@pytest.fixture(scope="module")
def lesson() -> RankError:
    return rank_error(swept(LESSON, (1, 2, 3, 4, 5, 6, 8, 12, 24), seeds=5))


def outputs_error(run: Run, delta: np.ndarray, target: np.ndarray | None = None) -> float:
    """‖X(ΔW − M)ᵀ‖/‖X Mᵀ‖ on the samples themselves, M by least squares (or the target given)."""
    x = run.task.inputs
    m = np.linalg.lstsq(x, run.task.residuals, rcond=None)[0].T if target is None else target
    return float(np.linalg.norm(x @ (delta - m).T) / np.linalg.norm(x @ m.T))


@pytest.mark.parametrize("which", ["round_run", "stretched_run"])
def test_errors_are_those_of_the_samples(which: str, request: pytest.FixtureRequest) -> None:
    run: Run = request.getfixturevalue(which)
    record = rank_error(run)
    np.testing.assert_array_equal(record.rank, [0, 1, 2, 3, 5, 7])
    x, r = run.task.inputs, run.task.residuals
    fitted = np.linalg.lstsq(x, r, rcond=None)[0].T
    np.testing.assert_allclose(record.fitted, fitted, atol=1e-11)
    for row, rank in enumerate((1, 2, 3, 5, 7), start=1):
        mine = [i for i, e in enumerate(run.sweep.experiments) if e.rank == rank]
        deltas = [run.delta_weight(i)[-1] for i in mine]
        errors = sorted(outputs_error(run, d) for d in deltas)
        np.testing.assert_allclose(record.trained[:, row], errors, rtol=1e-9)
        clean = sorted(outputs_error(run, d, run.task.target_delta) for d in deltas)
        np.testing.assert_allclose(record.clean[:, row], clean, rtol=1e-9)
        weights = sorted(np.linalg.norm(d - fitted) / np.linalg.norm(fitted) for d in deltas)
        assert record.weights[row] == pytest.approx(weights[1], rel=1e-9)
        np.testing.assert_allclose(record.delta[row], deltas[0], atol=1e-12)
        sigma = np.linalg.svd(deltas[0], compute_uv=False)
        np.testing.assert_allclose(record.sigma[row], sigma, atol=1e-11)
        assert record.kinds[row].bound == record.kinds[row].numerical == rank
        assert record.kinds[row].stable == pytest.approx((sigma**2).sum() / sigma[0] ** 2)
    assert (record.seeds, record.diverged, record.true_rank) == (3, 0, 3)


@pytest.mark.parametrize("which", ["round_run", "stretched_run"])
def test_no_training_gets_below_the_floor(which: str, request: pytest.FixtureRequest) -> None:
    record = rank_error(request.getfixturevalue(which))
    assert (record.trained >= record.floor * (1 - 1e-9)).all()
    assert (record.weights >= record.weights_floor * (1 - 1e-9)).all()
    assert (record.truncated >= record.floor * (1 - 1e-9) - 1e-12).all()
    for floor in (record.floor, record.weights_floor):
        assert (np.diff(floor) < 0).all()
        assert floor[0] == pytest.approx(1)
        assert floor[-1] == pytest.approx(0, abs=1e-12)
    kept = slice(1, 4)
    assert (record.trained[1, kept] < record.floor[kept] * 1.02).all(), "the floor is reached, too"


def test_rank_0_leaves_everything(round_run: Run) -> None:
    record = rank_error(round_run)
    assert (record.trained[:, 0] == 1).all() and (record.clean[:, 0] == 1).all() and record.weights[0] == 1
    assert not record.delta[0].any() and not record.sigma[0].any()
    assert record.kinds[0][:2] == (0, 0)


def test_round_inputs_have_one_floor(round_run: Run) -> None:
    record = rank_error(round_run)
    sigma = np.linalg.svd(record.fitted, compute_uv=False)
    expected = [np.sqrt((sigma[r:] ** 2).sum() / (sigma**2).sum()) for r in record.rank]
    np.testing.assert_allclose(record.floor, expected, atol=1e-12)
    np.testing.assert_allclose(record.weights_floor, record.floor, atol=1e-12)
    np.testing.assert_allclose(record.truncated, record.floor, atol=1e-12)


def test_stretched_inputs_have_two_floors(stretched_run: Run) -> None:
    record = rank_error(stretched_run)
    singular = np.linalg.svd(stretched_run.task.inputs @ record.fitted.T, compute_uv=False)
    expected = [np.sqrt((singular[r:] ** 2).sum() / (singular**2).sum()) for r in record.rank]
    np.testing.assert_allclose(record.floor, expected, atol=1e-11)
    assert record.truncated[1:-1].max() > 0 and (record.truncated[1:-1] / record.floor[1:-1]).max() > 1.02
    assert np.abs(record.floor - record.weights_floor)[1:-1].max() > 1e-2
    there = record.floor[1:-1] > 1e-6
    times = (record.truncated[1:-1] / record.floor[1:-1])[there].max()
    assert f"its error is up to {number(times)} times the floor" in detail(record)


def test_noise_is_fitted_beyond_the_true_rank(lesson: RankError) -> None:
    assert int(lesson.rank[np.argmin(lesson.clean[1])]) == 4
    past = lesson.clean[1][list(lesson.rank).index(4) :]
    assert (np.diff(past) > 0).all()
    assert (np.diff(lesson.trained[1]) < 0).all(), "and the error on the samples still falls"
    assert "lowest at rank 4" in takeaway(lesson)
    assert (lesson.trained[1][:-1] < lesson.floor[:-1] * 1.05).all()
    found = verdict(lesson)
    assert found.holds and found.evidence["clean_own"] == lesson.clean[1][list(lesson.rank).index(4)]
    assert found.evidence["clean_above"] == past[1:].min()


def test_a_verdict_against_what_the_claim_says(lesson: RankError) -> None:
    """Below the floor, or better above the target's rank: the claim would be false, and says at which rank."""
    below = lesson.trained.copy()
    below[0, 3] = 0.9 * lesson.floor[3]
    assert verdict(lesson._replace(trained=below)).holds is False
    better = lesson.clean.copy()
    better[1, -2] = 0.5 * lesson.clean[1][list(lesson.rank).index(4)]
    found = verdict(lesson._replace(clean=better))
    assert found.holds is False and f"rank {lesson.rank[-2]} " in found.why
    assert verdict(lesson._replace(trained=np.full_like(lesson.trained, np.nan))).holds is None


@pytest.mark.parametrize("spectrum", CHOICES["spectrum"])
def test_a_target_of_full_rank_leaves_what_its_spectrum_says(spectrum: str) -> None:
    e = replace(ODD, task="full_rank", spectrum=spectrum, noise=0.0)
    record = rank_error(swept(e, (1, 2, 3, 5), seeds=1))
    energy = target_spectrum(e) ** 2
    np.testing.assert_allclose(record.floor, [np.sqrt(energy[r:].sum() / energy.sum()) for r in record.rank], rtol=1e-9)
    np.testing.assert_allclose(record.sigma_fitted, target_spectrum(e), rtol=1e-9)
    np.testing.assert_allclose(record.trained[1], record.floor, rtol=2e-2)
    np.testing.assert_allclose(record.clean, record.trained, rtol=1e-9)  # without noise there is one target
    said = takeaway(record)
    assert "full rank" in said
    assert f"the best update of rank 2 leaves {percent(float(record.floor[2]))} of the error" in said


def test_words_and_figure(round_run: Run, stretched_run: Run) -> None:
    for run in (round_run, stretched_run):
        record = rank_error(run)
        said = takeaway(record)
        assert "nan" not in said
        gap = float(np.max(record.trained[1] - record.floor))
        assert gap < 0.02
        assert f"within {number(100 * gap)} percentage points" in said
        assert "lowest at rank 3" in said
        for settings, scale in ((LINEAR, "linear"), (LOG, "log")):
            picture = film(record, settings)
            assert len(picture.narration) == 6
            assert picture.panels[0].scale == scale
            figure = printed(picture, "error", theme="dark")
            curves = [trace for trace in figure.data if not trace.name.endswith("exactly 0")]
            assert len(curves) == len(picture.panels[0].series)
            assert figure.layout.title.text == "Remaining error by rank"
            assert figure.layout.yaxis.type == scale
            for trace, errors in zip(curves, (record.trained[1], record.floor), strict=False):
                np.testing.assert_array_equal(trace.x, record.rank)
                shown = errors if scale == "linear" else np.where(errors > 0, errors, np.nan)
                np.testing.assert_array_equal(trace.y, shown)
        assert len(picture.panels[0].series) == (3 if run is round_run else 4)


def test_without_noise_there_is_no_curve_to_the_clean_target() -> None:
    record = rank_error(swept(replace(ODD, noise=0.0), (1, 3, 7), seeds=1))
    assert len(printed(film(record, LINEAR), "error").data) == len(film(record, LINEAR).panels[0].series) == 2
    assert record.floor[2] < 1e-12 < record.floor[1]
    assert "The floor reaches 0 at rank 3" in takeaway(record)


@pytest.mark.parametrize("init", STARTS)
def test_every_init(init: str) -> None:
    record = rank_error(swept(replace(ODD, init=init, steps=30), (1, 7), seeds=2))
    assert (record.trained >= record.floor * (1 - 1e-9)).all()
    assert "nan" not in takeaway(record)
    assert len(printed(film(record, LINEAR), "error").data) == 3
    assert len(film(record, LINEAR).narration) == 3
    if init == "both_zero":
        assert (record.trained == 1).all()
        assert [k.numerical for k in record.kinds] == [0, 0, 0]


def pictures_of_ranks(record: RankError) -> tuple[list[float], tuple[str, ...], tuple[str, ...], dict[str, object]]:
    """The colour ranges, the captions of what is captured and left out, and the four kinds of rank."""
    panels = film(record, LINEAR).panels
    maps = [p for p in panels if isinstance(p, HeatMap) and p.id != "picture"]
    captured, left = (p.caption for p in maps if p.title != maps[0].title)
    (kinds,) = ({row.label: row.text for row in p.rows} for p in panels if isinstance(p, Readout))
    return [float(p.limit) for p in maps], captured, left, dict(kinds)


def test_narration_and_captions(round_run: Run) -> None:
    record = rank_error(round_run)
    told = film(record, LINEAR).narration
    assert told[0] == "Rank 0: there is no update, so all of the error remains."
    for t in range(1, 6):
        got, least, clean = (
            "0 %" if v < 1e-9 else f"{number(100 * v)} %"
            for v in (record.trained[1, t], record.floor[t], record.clean[1, t])
        )
        r = record.rank[t]
        assert told[t] == (f"Rank {r}: remaining error {got}, floor {least}, error against the clean target {clean}.")
    assert "floor 0 %," in told[-1], "rounding is not an error left"
    noiseless = film(rank_error(swept(replace(ODD, noise=0.0, steps=5))), LINEAR).narration
    assert not any("clean" in text for text in noiseless), "without noise there is one target"
    _, captured, left, _ = pictures_of_ranks(record)
    missing = [np.sum((d - record.fitted) ** 2) / np.sum(record.fitted**2) for d in record.delta]
    assert captured == tuple(f"{percent(1 - m, rounding=1e-9)} of ‖M‖²" for m in missing)
    assert left == tuple(f"{percent(m, rounding=1e-9)} of ‖M‖²" for m in missing)


def test_only_a_well_trained_sweep_speaks_of_fitted_noise(lesson: RankError) -> None:
    assert "fit the noise" in takeaway(lesson)
    short = rank_error(swept(replace(ODD, steps=5)))
    assert float(np.max(short.trained[1] - short.floor)) > 0.02
    assert "fit the noise" not in takeaway(short)
    right = rank_error(swept(ODD, (1, 2, 3)))  # no rank beyond the true one, so nothing gets worse
    assert int(np.argmin(right.clean[1])) == 3
    assert "fit the noise" not in takeaway(right)


def test_who_diverged_is_left_out() -> None:
    good = [replace(ODD, rank=rank, init_seed=seed) for rank in (1, 2) for seed in (0, 1, 2)]
    hot = {1: {0}, 2: {0, 1, 2}}
    mixed = tuple(replace(e, optimizer="sgd", lr=100.0) if e.init_seed in hot[e.rank] else e for e in good)
    run, calm = train(Sweep(mixed), records=2), rank_error(train(Sweep(tuple(good)), records=2))
    record = rank_error(run)
    assert record.diverged == 4
    assert np.isfinite(record.trained[:, 1]).all() and np.isnan(record.trained[:, 2]).all()
    for row, rank in ((1, 1), (2, 2)):  # seed 0, whose update is drawn, diverged at both ranks
        assert np.isnan(record.delta[row]).all() and np.isnan(record.sigma[row, :rank]).all()
        assert record.kinds[row][:2] == (rank, 0) and np.isnan(record.kinds[row][2:]).all()
    assert not record.delta[0].any() and not record.sigma[0].any()
    assert calm.trained[0, 1] * (1 - 1e-9) <= record.trained[0, 1] <= record.trained[2, 1]
    assert record.trained[2, 1] <= calm.trained[2, 1] * (1 + 1e-9)
    said = f"{takeaway(record)} {detail(record)}"
    assert "Diverged, and left out: 4 of 6 adapters." in said and "nan" not in said
    picture = film(record, LINEAR)
    assert picture.narration[2] == "Rank 2: training diverged with every seed. Lower the learning rate."
    assert "at every rank" not in said and "at the ranks that did not diverge" in said
    fitted, captured, left_out, kinds = pictures_of_ranks(record)
    assert captured == ("0 % of ‖M‖²", "diverged", "diverged")
    assert left_out == ("100 % of ‖M‖²", "diverged", "diverged")
    assert kinds == {
        "bound r": ("0", "1", "2"),
        "numerical (σ > 10⁻⁶ σ₁)": ("0", "—", "—"),
        "effective (entropy of σ)": ("—", "—", "—"),
        "stable (‖·‖²/σ₁²)": ("—", "—", "—"),
    }
    assert np.isfinite(fitted).all(), "one scale for all, whoever diverged"
    assert isinstance(printed(picture, "error"), go.Figure)
    assert {len(column) for column in table(record).values()} == {3}


def test_if_all_diverged_nothing_came_near_the_floor() -> None:
    record = rank_error(swept(replace(ODD, optimizer="sgd", lr=100.0), (1, 2), seeds=1))
    assert record.diverged == 2
    said = takeaway(record)
    assert said == "Every adapter diverged: lower the learning rate."
    assert verdict(record).holds is None


def test_nothing_to_learn() -> None:
    """A link may ask for target_rank=0: no division by the target's size, 0, may come through."""
    record = rank_error(swept(replace(ODD, target_rank=0, noise=0.0, steps=3), (1, 2), seeds=1))
    assert "nan" not in takeaway(record)
    assert len(film(record, LINEAR).narration) == 3


def test_table(lesson: RankError) -> None:
    columns = table(lesson)
    assert {len(column) for column in columns.values()} == {10}
    np.testing.assert_array_equal(columns["rank"], lesson.rank)
    for name, values in zip(("low", "median", "high"), lesson.trained, strict=True):
        np.testing.assert_array_equal(columns[f"trained_{name}"], values)
    np.testing.assert_array_equal(columns["floor_reduced_rank_regression"], lesson.floor)
    np.testing.assert_array_equal(columns["weight_floor_eckart_young"], lesson.weights_floor)
    assert (columns["trained_low"] <= columns["trained_median"]).all()
    assert (columns["trained_median"] <= columns["trained_high"]).all()
