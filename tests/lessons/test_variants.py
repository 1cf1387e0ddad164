"""The race of variants: the shares are the losses', the floors hold, and the map is the file's."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.variant_field import BASE, FILE, RATES, TASKS, measure
from lora_viz.core.experiment import CHOICES, Experiment
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.film.panels import Field
from lora_viz.layer.variants import VARIANTS
from lora_viz.lessons.variants.variants import (
    KINDS,
    LESSON,
    STARTS,
    VariantRace,
    at_the_map,
    detail,
    figure,
    film,
    measured,
    pick,
    table,
    variant_race,
    variant_sweep,
    verdict,
)

ODD = Experiment(d_in=13, d_out=11, target_rank=3, rank=3, samples=53, steps=60, noise=0.2, condition=3.0)


def raced(e: Experiment, chosen: str = "dora", beside: str = "lora") -> tuple[Run, VariantRace]:
    run = train(variant_sweep(e), records=9)
    return run, variant_race(run, chosen=chosen, beside=beside)


def test_shares_are_what_the_samples_say() -> None:
    run, record = raced(ODD)
    task = run.task
    fit = np.linalg.lstsq(task.inputs, task.residuals, rcond=None)[0].T
    least = 0.5 * ((task.residuals - task.inputs @ fit.T) ** 2).sum() / 53
    whole = 0.5 * (task.residuals**2).sum() / 53 - least
    for v, name in enumerate(VARIANTS):
        own = [i for i, e in enumerate(run.sweep.experiments) if e.variant == name]
        assert len(own) == STARTS == record.starts
        ends = []
        for i in own:
            wrong = task.residuals - task.inputs @ run.delta_weight(i)[-1].T
            ends.append((0.5 * (wrong**2).sum() / 53 - least) / whole)
        np.testing.assert_allclose(record.left[:, v, -1], [min(ends), np.median(ends), max(ends)], atol=1e-9)
    np.testing.assert_array_equal(record.delta, run.delta_weight(own_first(run, "dora")))
    np.testing.assert_allclose(record.sigma[-1], np.linalg.svd(record.delta[-1], compute_uv=False))


def own_first(run: Run, name: str) -> int:
    return next(i for i, e in enumerate(run.sweep.experiments) if e.variant == name)


@pytest.mark.parametrize("kind", CHOICES["task"])
def test_no_first_start_goes_below_its_floor_and_some_reach_it(kind: str) -> None:
    run, record = raced(replace(ODD, task=kind, noise=0.0, steps=300, schedule="linear"))
    known = np.isfinite(record.floor)
    free = {"dora", "adalora", "vera", "lora_xs", "galore"}
    assert {name for name, k in zip(VARIANTS, known, strict=True) if not k} == free
    least = 0.0
    whole = 0.5 * run.task.residual_energy - least
    for v, name in enumerate(VARIANTS):
        if known[v]:
            last = run.loss[-1, own_first(run, name)] / whole
            assert last >= record.floor[v] - 1e-12
            assert last <= record.floor[v] + 0.02, name


def test_rates_and_cells_are_the_files() -> None:
    known = measured()
    assert known["variants"] == list(VARIANTS) and known["kinds"] == list(CHOICES["task"]) == list(KINDS)
    sweep = variant_sweep(replace(ODD, task="rotation"))
    column = known["kinds"].index("rotation")
    assert [e.lr for e in sweep.experiments[::STARTS]] == [rates[column] for rates in known["rate"]]
    _, record = raced(replace(ODD, steps=1))
    assert pick(record, len(VARIANTS) - 1, 0) == {"variant": "lora", "task": "low_rank"}
    assert pick(record, 0, 4) == {"variant": "galore", "task": "row_rescale"}
    chosen = LESSON.settings(**pick(record, 0, 4)).experiment
    assert (chosen.variant, chosen.task) == ("galore", "row_rescale"), "the lesson can be set to what is picked"


def test_the_file_is_what_its_command_measures() -> None:
    """One task of the eight, again."""
    known = json.loads(FILE.read_text())
    assert known["made_by"] == "python benchmarks/variant_field.py"
    assert all(getattr(BASE, name) == value for name, value in known["experiment"].items())
    assert np.shape(known["left"]) == (len(VARIANTS), len(KINDS), len(TASKS))
    kind = known["kinds"].index("row_rescale")
    again = measure("row_rescale", 3)
    for v, (left, rates) in enumerate(zip(known["left"], known["rate"], strict=True)):
        assert again[v, RATES.index(rates[kind])] == pytest.approx(left[kind][3], rel=1e-3, abs=1e-4)


def test_the_map_shows_where_each_wins_and_loses() -> None:
    """Eight tasks of each kind: the directions that the page claims, in every one of them."""
    left = dict(zip(VARIANTS, np.array(measured()["left"]), strict=True))
    place = {name: k for k, name in enumerate(KINDS)}
    assert (left["dora"][place["row_rescale"]] < 1e-3).all()
    assert (left["lora"][place["row_rescale"]] > 0.05).all()
    assert (left["lora_xs"][place["inside_top"]] < 1e-3).all()
    assert (left["lora_xs"][place["low_rank"]] > 0.9).all()
    assert (left["pissa"] > left["lora"]).all()
    assert (left["lora_fa"] > 0.7).all() and (left["vera"] > 0.3).all()
    assert (left["galore"][place["full_rank"]] < left["lora"][place["full_rank"]] / 3).all()


def test_takeaways_name_both_sides() -> None:
    _, dora = raced(replace(ODD, task="row_rescale", noise=0.0, condition=1.0, steps=200, schedule="linear"))
    said = detail(dora)
    assert "wins on a rescaling of W's rows" in said and "loses on" in said
    assert verdict(dora).holds and verdict(dora).evidence["lora"] > 10 * verdict(dora).evidence["dora"]
    _, plain = raced(ODD, chosen="lora")
    assert "its floor is the tail of the target" in detail(plain)
    assert "no training can take LoRA below" not in detail(plain) or plain.floor[0] > 1e-4
    _, pissa = raced(ODD, chosen="pissa")
    assert "From the first initialisation no training can take PiSSA below" in detail(pissa)


def test_film_and_table() -> None:
    _, record = raced(ODD, chosen="vera", beside="galore")
    (field,) = (panel for panel in film(record).panels if isinstance(panel, Field))
    assert field.chosen is not None
    assert pick(record, *field.chosen) == {"variant": "vera", "task": "low_rank"}
    assert (
        field.y_labels[field.chosen[0]]
        == f"VeRA {VARIANTS['vera'].parameters(replace(at_the_map(), rank=rank_of_vera()))}"
    )
    rows = table(record)
    assert {len(column) for column in rows.values()} == {len(VARIANTS)}


def rank_of_vera() -> int:
    return VARIANTS["vera"].beside(at_the_map())


@pytest.mark.parametrize("how", ["normal", "diverged", "no step"])
def test_the_still_figure_shows_every_variants_end(how: str) -> None:
    """With SGD at the rates of Adam nothing blows up: what diverges is set by hand."""
    run, record = raced(replace(ODD, steps=0 if how == "no step" else 20), chosen="pissa")
    if how == "diverged":
        loss = run.loss.copy()
        loss[-1, 2 * STARTS : 3 * STARTS] = np.nan  # all starts of the third variant
        loss[-1, 3 * STARTS] = np.nan  # one of the fourth
        record = variant_race(replace(run, loss=loss), chosen="pissa", beside="lora")
    low, middle, high = record.left[:, :, -1]
    (points,) = figure(record, theme="dark").data
    np.testing.assert_array_equal(points.x, record.parameters)
    np.testing.assert_array_equal(points.y, np.maximum(middle, 1e-5))
    np.testing.assert_allclose(points.error_y.array, np.maximum(high, 1e-5) - np.maximum(middle, 1e-5))
    np.testing.assert_allclose(points.error_y.arrayminus, np.maximum(middle, 1e-5) - np.maximum(low, 1e-5))
    assert list(points.text) == [v.title for v in VARIANTS.values()]
    assert (np.isnan(middle).sum(), np.isnan(high).sum()) == ((1, 1) if how == "diverged" else (0, 0))
    if how == "no step":
        np.testing.assert_allclose(middle[record.names.index("lora")], 1)


def test_the_lesson_plays() -> None:
    played = LESSON.play(task="inside_top", variant="lora_xs", versus="pissa", steps=50, rank=2)
    names = [series.name for series in played.film.panel("loss_left").series]
    assert [name.split(" (")[0] for name in names[:2]] == ["LoRA-XS", "PiSSA"]
    assert f"It trains\n{played.record.parameters[played.record.chosen]} parameters here" in played.maths
    assert played.exports() is played.exports(), "trained once"
