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
    STARTS,
    VariantRace,
    cell_of,
    film,
    measured,
    table,
    takeaway,
    variant_race,
    variant_sweep,
)

TITLES = {name: v.title for name, v in VARIANTS.items()}
RANKS = {name: v.beside for name, v in VARIANTS.items()}
COUNTS = {name: (i + 1, 100 + i) for i, name in enumerate(VARIANTS)}
ODD = Experiment(d_in=13, d_out=11, target_rank=3, rank=3, samples=53, steps=60, noise=0.2, condition=3.0)


def raced(e: Experiment, chosen: str = "dora", beside: str = "lora") -> tuple[Run, VariantRace]:
    run = train(variant_sweep(e, RANKS), records=9)
    return run, variant_race(run, chosen=chosen, beside=beside, titles=TITLES, parameters=COUNTS)


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
    sweep = variant_sweep(replace(ODD, task="rotation"), RANKS)
    column = known["kinds"].index("rotation")
    assert [e.lr for e in sweep.experiments[::STARTS]] == [rates[column] for rates in known["rate"]]
    assert cell_of(len(VARIANTS) - 1, 0) == ("lora", "low_rank")
    assert cell_of(0, 4) == ("galore", "row_rescale")


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
    said = takeaway(dora)
    assert "wins on a stretching of W's rows" in said and "loses on" in said
    _, plain = raced(ODD, chosen="lora")
    assert "its floor is the tail of the target" in takeaway(plain)
    assert "No training can take LoRA below" not in takeaway(plain) or plain.floor[0] > 1e-4
    _, pissa = raced(ODD, chosen="pissa")
    assert "No training can take PiSSA below" in takeaway(pissa)


def test_film_and_table() -> None:
    _, record = raced(ODD, chosen="vera", beside="galore")
    (field,) = (panel for panel in film(record).panels if isinstance(panel, Field))
    assert field.chosen is not None
    assert cell_of(*field.chosen) == ("vera", "low_rank")
    assert field.y_labels[field.chosen[0]] == f"VeRA {COUNTS['vera'][1]}"
    rows = table(record)
    assert {len(column) for column in rows.values()} == {len(VARIANTS)}
