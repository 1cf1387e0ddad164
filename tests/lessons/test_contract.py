"""What every lesson promises: one record, one figure that needs no run, and a film whose parts share its frames."""

import importlib
import inspect
import json
import pkgutil
import typing
import warnings
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import numpy as np
import plotly.graph_objects as go
import pytest
from lora_viz.ui.controls import CONTROLS

import lora_viz.lessons
from lora_viz.adapters.compare import compare
from lora_viz.adapters.extract import changes
from lora_viz.adapters.opening import Opened, open_adapter, open_weights
from lora_viz.adapters.report import Report, inspect_adapter, noise_floor
from lora_viz.adapters.writing import pack, write_safetensors
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.costs.counting import count_layer
from lora_viz.engine.allocation import allocate
from lora_viz.engine.training import autograd_check, train
from lora_viz.film.panels import Bars, Cloud, Curves, Field, Film, HeatMap, Lines, Machine, Panel, Pictures, Readout
from lora_viz.film.style import IDENTITY
from lora_viz.layer.first_step import first_updates
from lora_viz.layer.merging import merge_report
from lora_viz.layer.reconstruction import reconstruction_task
from lora_viz.layer.start_sizes import start_sizes
from lora_viz.layer.starts import INITS
from lora_viz.layer.variants import VARIANTS
from lora_viz.layer.worked import parse_matrix
from lora_viz.lessons.basics import bottleneck, gradient_flow
from lora_viz.lessons.basics import merge as merge_check
from lora_viz.lessons.basics import rank as rank_error
from lora_viz.lessons.papers import asymmetry, capacity, intruders, large_batch
from lora_viz.lessons.papers import width as width_rate
from lora_viz.lessons.rank import autoencoder, denoise, few_numbers, gauge, storage, truncation
from lora_viz.lessons.rank import matrix as shape_rank
from lora_viz.lessons.rank import subspace as low_rank_set
from lora_viz.lessons.real import cost as rank_cost
from lora_viz.lessons.real import digits as digits_adapt
from lora_viz.lessons.real import extract as weight_change
from lora_viz.lessons.real import inspector as adapter_report
from lora_viz.lessons.real import many_adapters as adapters_together
from lora_viz.lessons.real import minilm as minilm_spectrum
from lora_viz.lessons.real import requantised as quantised_merge
from lora_viz.lessons.real import two_adapters as adapter_pair
from lora_viz.lessons.start import machine as layer_flow
from lora_viz.lessons.training import alpha as alpha_identity
from lora_viz.lessons.training import (
    balance,
    conditioning,
    init_ab,
    init_alignment,
    init_race,
    init_variance,
    race,
    rank_over_time,
    saddles,
    wake_up,
)
from lora_viz.lessons.training import scaling as first_update
from lora_viz.lessons.training import scaling_training as fixed_rate
from lora_viz.lessons.variants import adalora as rank_allocation
from lora_viz.lessons.variants import dora as row_parts
from lora_viz.lessons.variants import phase_map
from lora_viz.lessons.variants import quantised as quantised_base
from lora_viz.lessons.variants import variants as variant_race
from lora_viz.lessons.which_rank import energy_rule, learns_forgets, overfit, overlap
from lora_viz.networks.adapting import adapt_digits
from lora_viz.networks.bits import BitsExperiment, bits_evidence
from lora_viz.networks.digits import DigitsExperiment, PairExperiment
from lora_viz.networks.evidence import minilm_evidence
from lora_viz.networks.memorise import memorise_bits
from lora_viz.networks.requantise import merge_quantised
from lora_viz.networks.together import adapt_pair

TABLES = (  # written out: nothing moves, nothing is plotted
    "mistake",
    "follow",
    "config_card",
    "transformer",
    "literature",
)
STILL = ("parameter_share", "memory_need")  # plotted, nothing moves
NAMES = [m.name for m in pkgutil.walk_packages(lora_viz.lessons.__path__, "lora_viz.lessons.")]
NAMES = [name for name in NAMES if name.count(".") == 3 and ".after" not in name]
SHORT_NAME = {name.rpartition(".")[2]: name for name in NAMES}
VIEWS = [importlib.import_module(name) for name in NAMES if name.rpartition(".")[2] not in (*TABLES, *STILL)]
SHORT = {"ids": lambda module: module.__name__.rpartition(".")[2]}


def records_of(view: ModuleType) -> list[type]:
    own = [c for c in vars(view).values() if inspect.isclass(c) and c.__module__ == view.__name__]
    return [c for c in own if issubclass(c, tuple) and hasattr(c, "_fields")]


def first_parameter(function: Callable[..., object]) -> object:
    name = next(iter(inspect.signature(function).parameters))
    return typing.get_type_hints(inspect.unwrap(function))[name]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_written_from_its_record(name: str) -> None:
    view = importlib.import_module(SHORT_NAME[name])
    (record,) = records_of(view)
    written = [found for found in vars(view) if found.endswith("_html") and found not in ("matrix_html", "start_html")]
    assert written
    for found in (*written, "takeaway"):
        assert first_parameter(getattr(view, found)) is record


@pytest.mark.parametrize("name", STILL)
def test_a_still_view_is_drawn_from_its_record(name: str) -> None:
    view = importlib.import_module(SHORT_NAME[name])
    (record,) = records_of(view)
    for found in (f"plot_{name}", "takeaway", "table"):
        assert first_parameter(getattr(view, found)) is record


@pytest.mark.parametrize("view", VIEWS, **SHORT)
def test_one_record_drawn_without_a_run(view: ModuleType) -> None:
    (record,) = records_of(view)
    plots = [name for name in vars(view) if name.startswith("plot_")]
    assert len(plots) == 1
    for name in (*plots, "film", "takeaway", "table"):
        function = getattr(view, name)
        assert first_parameter(function) is record, f"{name} draws the record, not a run"
        hints = typing.get_type_hints(inspect.unwrap(function))
        assert Run not in hints.values(), name
        given = list(inspect.signature(function).parameters.values())[1:]
        assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in given), f"{name}: only options beside"
        expected = {"film": Film, "takeaway": str, "table": dict[str, np.ndarray]}.get(name, go.Figure)
        assert hints["return"] == expected
        assert function.__doc__
    assert set(view.__all__) >= {record.__name__, *plots, "film", "takeaway", "table"}


LESSON = Experiment(
    task="full_rank", d_in=3, d_out=3, spectrum="exponential", rank=2, alpha=4.0, lr=0.02, steps=30, condition=3.0
)
ODD = Experiment(d_in=13, d_out=7, target_rank=3, rank=2, alpha=5.0, noise=0.3, samples=53, lr=0.02, steps=30)


def bottleneck_film(**change: object) -> Film:
    run = train(Sweep((replace(LESSON, **change),)), records=17)  # type: ignore[arg-type]
    return bottleneck.film(bottleneck.bottleneck(run))


def gradient_film(**change: object) -> Film:
    run = train(Sweep((replace(ODD, **change),)), records=100)  # type: ignore[arg-type]
    return gradient_flow.film(gradient_flow.gradient_flow(run, autograd_check(run)))


def rank_film(**change: object) -> Film:
    run = train(Sweep.over(replace(ODD, **change), rank=(1, 2, 3, 7), init_seed=(0, 1)), records=2)  # type: ignore[arg-type]
    return rank_error.film(rank_error.rank_error(run), log=True)


def merge_film(**change: object) -> Film:
    e = replace(ODD, d_in=11, d_out=11, **change)  # type: ignore[arg-type]
    report = merge_report(train(Sweep((e,)), records=2), sizes=(1e-4, 1e-3, 1e-2))
    return merge_check.film(merge_check.merge_check(report, e))


def layer_film(**change: object) -> Film:
    run = train(Sweep((replace(ODD, batch=1, **change),)), records=100)  # type: ignore[arg-type]
    return layer_flow.film(layer_flow.layer_flow(run))


def rank_over_time_film(**change: object) -> Film:
    runs = (train(Sweep.over(replace(ODD, samples=n, **change), init_seed=(0, 1)), records=11) for n in (1, 3, 53))  # type: ignore[arg-type]
    return rank_over_time.film(rank_over_time.rank_over_time(runs, shown=1))


def saddles_film(**change: object) -> Film:
    starts = ("both_random_small", str(change.pop("init", "B_zero")))
    e = replace(ODD, noise=0.0, **change)  # type: ignore[arg-type]
    run = train(Sweep.over(e, init=dict.fromkeys(starts), init_seed=(0, 1)), records=21)
    return saddles.film(saddles.saddles((run,), shown=starts[1]))


def balance_film(**change: object) -> Film:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    sweeps = (Sweep.over(replace(e, lr=e.lr / p, steps=p * e.steps), init_seed=(0, 1)) for p in (1, 2))
    return balance.film(balance.balance(train(sweep, records=1000) for sweep in sweeps))


def wake_up_film(**change: object) -> Film:
    run = train(Sweep.over(replace(ODD, **change), alpha=(2.5, 5.0), init_seed=(0, 1)), records=1000)  # type: ignore[arg-type]
    return wake_up.film(wake_up.wake_up((run,), shown=5.0))


def cost_film(**_: object) -> Film:
    counted = tuple(count_layer(7, 11, rank, device="meta") for rank in (1, 2, 5))
    return rank_cost.film(rank_cost.rank_cost(counted))


def autoencoder_film(**change: object) -> Film:
    e = replace(ODD, d_in=7, d_out=7, **change)  # type: ignore[arg-type]
    run = train(Sweep.over(e, init_seed=(0, 1)), records=20, task=reconstruction_task(e, 2.0))
    return autoencoder.film(autoencoder.autoencoder(run))


def matrix_film(matrix: str = "1 2 3; 2 4 6", **_: object) -> Film:
    return shape_rank.film(shape_rank.shape_rank(parse_matrix(matrix, "M")))


def alpha_film(**change: object) -> Film:
    run = train(alpha_identity.identity_sweep(replace(ODD, **change), seeds=2), records=100)  # type: ignore[arg-type]
    return alpha_identity.film(alpha_identity.alpha_identity(run))


def first_update_film(**change: object) -> Film:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    return first_update.film(first_update.first_update(first_updates(e, ranks=(1, 2, 7), inits=first_update.STARTS), e))


def fixed_rate_film(**change: object) -> Film:
    e = replace(ODD, d_in=7, **change)  # type: ignore[arg-type]
    rules, rates = (train(make(e, seeds=2), records=9) for make in (fixed_rate.rule_sweep, fixed_rate.rate_sweep))
    return fixed_rate.film(fixed_rate.fixed_rate(rules, rates))


def init_race_film(**change: object) -> Film:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    return init_race.film(init_race.init_race(train(init_race.race_sweep(e, seeds=2), records=20), e.init))


def init_variance_film(**change: object) -> Film:
    sizes = start_sizes(replace(ODD, **change), ranks=(1, 2, 7), inits=init_variance.STARTS, sigma=0.5)  # type: ignore[arg-type]
    return init_variance.film(init_variance.init_variance(sizes, ODD.d_in))


def init_alignment_film(**change: object) -> Film:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    run = train(init_alignment.alignment_sweep(e, (1, 2, 7), seeds=2), records=2)
    return init_alignment.film(init_alignment.init_alignment(run, e.init))


def init_ab_film(**change: object) -> Film:
    sweeps = init_ab.ab_sweeps(replace(ODD, **change), (5, 7), seeds=2)  # type: ignore[arg-type]
    return init_ab.film(init_ab.init_ab(tuple(train(sweep, records=7) for sweep in sweeps)))


def map_film(**change: object) -> Film:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    x, y = phase_map.axes(e, "learning_rates", 5)
    runs = (train(phase_map.plane(e, "learning_rates", 5), records=17, factors=False),)
    picked = train(Sweep((phase_map.cell(e, "learning_rates", x, y, (2, 3)),)), records=17)
    return phase_map.film(phase_map.phase_map(runs, picked, kind="learning_rates", x=x, y=y, chosen=(2, 3)))


def adapter_file(run: Run) -> tuple[Opened, Report]:
    """A run's last factors as an adapter file, one module an adapter, opened and measured."""
    tensors = {
        f"net.{i}.q.lora_{name}.weight": pack(factor[i][-1], "F32")
        for i in range(len(run.sweep))
        for name, factor in (("A", run.A), ("B", run.B))
    }
    opened = open_adapter("run", write_safetensors(tensors), b'{"lora_alpha": 5}')
    return opened, inspect_adapter(opened)


def adapter_film(**change: object) -> Film:
    run = train(Sweep.over(replace(ODD, **change), rank=(1, 3, 5), init_seed=(0, 1)), records=2)  # type: ignore[arg-type]
    opened, report = adapter_file(run)
    noise = tuple(noise_floor(opened.weights, module) for module in report.modules)
    return adapter_report.film(adapter_report.adapter_report(report, noise), level=0.95, shown="balance")


def change_film(**change: object) -> Film:
    run = train(Sweep((replace(ODD, **change),)), records=2)  # type: ignore[arg-type]
    W, delta = run.task.base_weight, run.delta_weight()[-1]
    delta = delta if delta.any() else delta + 1e-9  # a run that learnt nothing leaves no difference to look at
    base, tuned = (
        open_weights("w", write_safetensors({"a.weight": pack(m, "F64"), "b.weight": pack(2 * m[:3], "F64")}))
        for m in (W, W + delta)
    )
    return weight_change.film(weight_change.weight_change(changes(("base", "tuned"), base, tuned)), rank=3)


def changed_alone(change: dict[str, object]) -> dict[str, object]:
    """Of a synthetic experiment's fields those that a network's experiment has too."""
    return {"steps": 20} | {name: change[name] for name in ("steps", "lr") if name in change}


def digits_film(**change: object) -> Film:
    e = DigitsExperiment(members=2, **changed_alone(change))  # type: ignore[arg-type]
    return digits_adapt.film(digits_adapt.digits_adapt(list(adapt_digits(e))[-1]))  # type: ignore[arg-type]


def minilm_film(**change: object) -> Film:
    return minilm_spectrum.film(minilm_spectrum.minilm_spectrum(minilm_evidence()))


def together_film(**change: object) -> Film:
    e = PairExperiment(members=2, rank=2, **changed_alone(change))  # type: ignore[arg-type]
    return adapters_together.film(adapters_together.adapters_together(list(adapt_pair(e))[-1]))  # type: ignore[arg-type]


def requantised_film(**change: object) -> Film:
    e = DigitsExperiment(members=2, **changed_alone(change))  # type: ignore[arg-type]
    return quantised_merge.film(quantised_merge.quantised_merge(list(merge_quantised(e, 2))[-1]))  # type: ignore[arg-type]


def variant_film(**change: object) -> Film:
    e = replace(ODD, rank=3, **change)  # type: ignore[arg-type]
    run = train(variant_race.variant_sweep(e, {name: v.beside for name, v in VARIANTS.items()}), records=9)
    titles, counts = {name: v.title for name, v in VARIANTS.items()}, dict.fromkeys(VARIANTS, (1, 2))
    record = variant_race.variant_race(run, chosen="dora", beside="galore", titles=titles, parameters=counts)
    return variant_race.film(record)


def allocation_film(**change: object) -> Film:
    e = replace(ODD, d_out=11, condition=3.0, noise=0.0, **change)  # type: ignore[arg-type]
    return rank_allocation.film(rank_allocation.rank_allocation(allocate(e, 15, models=3, records=9)))


def quantised_film(**change: object) -> Film:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    return quantised_base.film(quantised_base.quantised_base(e, shown="decaying", seeds=1))


def row_film(**change: object) -> Film:
    run = train(row_parts.row_sweep(replace(ODD, **change)), records=17)  # type: ignore[arg-type]
    return row_parts.film(row_parts.row_parts(run))


def race_film(**change: object) -> Film:
    e = replace(ODD, d_in=7, d_out=13, **change)  # type: ignore[arg-type]
    full = replace(e, init="identity", frozen="A", rank=7, alpha=1.0, scaling_rule="constant")
    racers = [replace(x, lr=lr) for x in (full, replace(e, init="B_zero")) for lr in (e.lr / 2, e.lr)]
    runs = (train(Sweep(tuple(replace(x, seed=s) for x in racers)), records=11) for s in (0, 1))
    return race.film(race.race(runs))


def conditioning_film(**change: object) -> Film:
    e = replace(ODD, noise=0.0, spectrum="geometric", **change)  # type: ignore[arg-type]
    rules = ("sgd", "adam" if INITS[e.init].moves_base else "scaled_gd")  # scaled GD is the packed stack's
    sweeps = [
        Sweep.over(replace(e, target_condition=k), optimizer=rules, lr=(e.lr / 2, e.lr), init_seed=(0, 1))
        for k in (1.0, 5.0)
    ]
    runs = (train(sweep, records=11) for sweep in sweeps)
    return conditioning.film(conditioning.conditioning(runs))


def overfit_film(**change: object) -> Film:
    change.pop("init", None)
    return overfit.film(overfit.overfit(replace(ODD, **change), seeds=3))  # type: ignore[arg-type]


def learns_forgets_film(**change: object) -> Film:
    change.pop("init", None)
    return learns_forgets.film(learns_forgets.learns_forgets(replace(ODD, **change), seeds=3))  # type: ignore[arg-type]


def energy_rule_film(**change: object) -> Film:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    sweeps = (Sweep.over(e, rank=(1, 2, 4, 7)), Sweep((replace(e, steps=0, seed=9),)))
    return energy_rule.film(energy_rule.energy_rule(train(sweep, records=2) for sweep in sweeps))


def overlap_film(**change: object) -> Film:
    run = train(Sweep.over(replace(ODD, **change), rank=(2, 5), init_seed=(0, 1)), records=7)  # type: ignore[arg-type]
    return overlap.film(overlap.overlap((run,)))


def adapter_pair_film(**change: object) -> Film:
    runs = [train(Sweep((replace(ODD, init_seed=i, **change),)), records=2) for i in (0, 1)]  # type: ignore[arg-type]
    return adapter_pair.film(adapter_pair.adapter_pair(compare(*(adapter_file(run) for run in runs))))


def asymmetry_film(**change: object) -> Film:
    return asymmetry.film(asymmetry.asymmetry(replace(ODD, **change), targets=3, factors=2))  # type: ignore[arg-type]


def capacity_film(**_: object) -> Film:
    run = list(memorise_bits(BitsExperiment(steps=7, width=13, inputs=5, samples=(3, 11))))[-1]
    return capacity.film(capacity.capacity(run, bits_evidence()))  # type: ignore[arg-type]


def large_batch_film(**change: object) -> Film:
    e = replace(ODD, d_out=13, **change)  # type: ignore[arg-type]
    sweeps = large_batch.one_pass(e, (17, 26), (2, 5), (e.lr, 2 * e.lr), seeds=2)
    return large_batch.film(large_batch.large_batch(train(sweep, records=2) for sweep in sweeps))


def width_film(**change: object) -> Film:
    e = replace(ODD, **change)  # type: ignore[arg-type]
    sweeps = width_rate.width_sweeps(e, (5, 7), (2, 3), (e.lr, 2 * e.lr), seeds=2)
    return width_rate.film(width_rate.width_rate(train(sweep, records=2) for sweep in sweeps))


FILMS: dict[str, Callable[..., Film]] = {
    "two_adapters": adapter_pair_film,
    "extract": change_film,
    "inspector": adapter_film,
    "autoencoder": autoencoder_film,
    "matrix": matrix_film,
    "truncation": lambda **_: truncation.film(truncation.truncation("power", 13, 7, 0)),
    "storage": lambda **_: storage.film(storage.storage((13, 7), "power", 0)),
    "denoise": lambda **_: denoise.film(denoise.denoise(13, 7, 3, 0.3, range(3))),
    "gauge": lambda **_: gauge.film(gauge.gauge("both", 2, 0.01, 0, (13, 7))),
    "subspace": lambda **_: low_rank_set.film(low_rank_set.low_rank_set(2, 0, (13, 7))),
    "few_numbers": lambda **_: few_numbers.film(few_numbers.few_numbers(11, 0.1, 0)),
    "bottleneck": bottleneck_film,
    "gradient_flow": gradient_film,
    "rank": rank_film,
    "merge": merge_film,
    "phase_map": map_film,
    "machine": layer_film,
    "cost": cost_film,
    "digits": digits_film,
    "minilm": minilm_film,
    "many_adapters": together_film,
    "requantised": requantised_film,
    "variants": variant_film,
    "dora": row_film,
    "quantised": quantised_film,
    "adalora": allocation_film,
    "alpha": alpha_film,
    "scaling": first_update_film,
    "init_race": init_race_film,
    "init_ab": init_ab_film,
    "init_alignment": init_alignment_film,
    "init_variance": init_variance_film,
    "scaling_training": fixed_rate_film,
    "rank_over_time": rank_over_time_film,
    "saddles": saddles_film,
    "balance": balance_film,
    "wake_up": wake_up_film,
    "race": race_film,
    "conditioning": conditioning_film,
    "overfit": overfit_film,
    "energy_rule": energy_rule_film,
    "overlap": overlap_film,
    "learns_forgets": learns_forgets_film,
    "asymmetry": asymmetry_film,
    "width": width_film,
    "large_batch": large_batch_film,
    "capacity": capacity_film,
    "intruders": lambda **_: intruders.film(intruders.intruders(13, "gaussian", 0.5, 0, seeds=3)),
}


def test_every_view_has_its_film_tried_here() -> None:
    assert {view.__name__.rpartition(".")[2] for view in VIEWS} == set(FILMS)


def whole(film: Film) -> None:
    """Does everything that moves have one entry a frame?"""
    frames = len(film.values)
    assert np.isfinite(film.values).all() and (np.diff(film.values) > 0).all()
    assert 0 <= film.start < frames
    assert film.seconds_per_frame > 0
    assert len(film.narration) == frames
    assert all(text.strip() and "nan" not in text for text in film.narration)
    assert len(film.phases) in (0, frames)
    assert all(len(told) == len(film.phases[0]) for told in film.phases), "every step has the same phases"
    assert all(text.strip() and "nan" not in text for told in film.phases for text in told)
    for panel in film.panels:
        _whole_panel(panel, frames)
    covered = [(row, p.span) for p in film.panels for row in range(p.row, p.row + getattr(p, "tall", 1))]
    for row in range(max(row for row, _ in covered) + 1):
        assert sum(span for at, span in covered if at == row) == 12, f"row {row} of the grid"
    machines = [panel for panel in film.panels if isinstance(panel, Machine)]
    assert len(machines) <= 1
    assert bool(film.phases) == bool(machines), "slow motion is the machine's, whose steps have eight phases"
    if machines:
        assert len(film.phases[0]) == 8


def _whole_panel(panel: Panel, frames: int) -> None:
    def moves_or_stands(array: np.ndarray, rank: int, what: str) -> None:
        moving = array.ndim == rank + 1 and len(array) == frames
        assert array.ndim == rank or moving, f"{panel.title}, {what}: {array.shape} in a film of {frames} frames"

    colours = [getattr(panel, "colour", "ink")]
    assert panel.title
    match panel:
        case Lines():
            assert panel.series
            for series in panel.series:
                assert series.y.shape == (frames,), f"{panel.title}, {series.name}"
                assert (series.low is None) == (series.high is None)
                if series.low is not None and series.high is not None:
                    assert series.low.shape == series.high.shape == (frames,)
                    known = np.isfinite(series.y)
                    assert (series.low <= series.y)[known].all() and (series.y <= series.high)[known].all()
            colours += [s.colour for s in panel.series] + [m.colour for m in panel.marks]
        case Curves():
            assert panel.series and panel.x_label and panel.y_label
            assert panel.x.ndim == 1 and (np.diff(panel.x) > 0).all()
            for curve in panel.series:
                moves_or_stands(curve.y, 1, curve.name)
                assert curve.y.shape[-1] == len(panel.x)
                assert (curve.low is None) == (curve.high is None)
                if curve.low is not None and curve.high is not None:
                    assert curve.low.shape == curve.high.shape == curve.y.shape
                    known = np.isfinite(curve.y)
                    assert (curve.low <= curve.y)[known].all() and (curve.y <= curve.high)[known].all()
            colours += [s.colour for s in panel.series] + [m.colour for m in panel.marks]
        case Field():
            moves_or_stands(panel.values, 2, "values")
            m, n = panel.values.shape[-2:]
            assert (len(panel.y_labels), len(panel.x_labels)) == (m, n)
            assert panel.x_title and panel.y_title
            assert panel.chosen is None or (0 <= panel.chosen[0] < m and 0 <= panel.chosen[1] < n)
            if panel.regions is not None:
                moves_or_stands(panel.regions, 2, "regions")
                assert panel.regions.shape[-2:] == (m, n)
                assert ((panel.regions >= 0) & (panel.regions < len(panel.region_names))).all()
        case HeatMap():
            moves_or_stands(panel.values, 2, "values")
            assert np.shape(panel.limit) in ((), (frames,))
            assert (np.asarray(panel.limit) >= 0).all()
        case Bars():
            assert panel.groups
            for group in panel.groups:
                moves_or_stands(group.values, 1, group.name)
                assert group.values.shape[-1] == len(panel.labels)
            colours += [g.colour for g in panel.groups]
        case Cloud():
            assert panel.dimension in (1, 2, 3)
            assert panel.limit > 0
            for points in panel.points:
                moves_or_stands(points.xyz, 2, points.name)
                assert points.xyz.shape[-1] == panel.dimension
            for span in panel.spans:
                moves_or_stands(span.basis, 2, span.name)
                assert span.basis.shape[-1] == panel.dimension
                assert span.basis.shape[-2] <= 3
            colours += [p.colour for p in panel.points] + [s.colour for s in panel.spans]
        case Machine():
            assert panel.W.ndim == 2
            (d_out, d_in), r = panel.W.shape, panel.A.shape[-2]
            assert panel.A.shape == (frames, r, d_in)
            assert panel.B.shape == (frames, d_out, r)
            assert panel.x.shape == (frames, d_in)
            assert panel.target.shape == (frames, d_out)
            for array in (panel.W, panel.A, panel.B, panel.x, panel.target):
                assert np.isfinite(array).all()
            assert len(panel.limits) == 8
            assert all(np.isfinite(limit) and limit > 0 for limit in panel.limits)
            assert len(panel.names) == 4 and all(panel.names)
            assert np.isfinite(panel.scaling)
        case Pictures():
            assert panel.images.ndim == 3 and panel.images.min() >= 0 and panel.images.max() <= 1
            assert panel.rows
            for told in panel.rows:
                assert len(told.text) == len(told.right) and len(told.text) in (1, frames), told.name
                assert {len(said) for said in (*told.text, *told.right)} == {len(panel.images)}
            colours += [told.colour for told in panel.rows]
        case Readout():
            assert panel.rows
            for row in panel.rows:
                assert len(row.text) in (1, frames), f"{panel.title}, {row.label}: {len(row.text)} texts"
                assert not any("nan" in text for text in row.text)
            colours += [r.colour for r in panel.rows]
    if isinstance(panel, Field | HeatMap | Bars | Cloud):
        assert len(panel.caption) in (0, 1, frames), f"{panel.title}: {len(panel.caption)} captions"
    assert set(colours) <= set(IDENTITY["light"])


def header_of(film: Film) -> dict[str, object]:
    def refuse(name: str) -> float:
        raise AssertionError(f"JSON.parse does not know {name}")

    data = film.to_bytes()
    return dict(json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")], parse_constant=refuse))


@pytest.mark.parametrize("init", CONTROLS["init"].options)
@pytest.mark.parametrize("name", list(FILMS))
def test_films_are_whole(name: str, init: str) -> None:
    film = FILMS[name](init=init)
    whole(film)
    assert set(header_of(film)) == {"film", "run", "axis"}
    assert film.to_bytes() == FILMS[name](init=init).to_bytes(), "same experiment, same film"


@pytest.mark.parametrize(("d", "rank"), [(2, 1), (2, 2), (3, 1), (3, 2), (3, 3)])
def test_the_bottlenecks_films_are_whole_in_every_space(d: int, rank: int) -> None:
    whole(bottleneck_film(d_in=d, d_out=d, rank=rank))


@pytest.mark.parametrize("name", list(FILMS))
def test_films_of_no_steps_are_whole(name: str) -> None:
    whole(FILMS[name](steps=0))


DIVERGING = [name for name in FILMS if name != "merge_check"]


@pytest.mark.parametrize("lr", [1.0, 30.0])
@pytest.mark.parametrize("name", DIVERGING)
def test_films_of_diverged_runs_are_whole(name: str, lr: float) -> None:
    whole(FILMS[name](optimizer="sgd", lr=lr))


@pytest.mark.parametrize("name", DIVERGING)
def test_films_of_diverged_runs_fit_into_float32(name: str) -> None:
    film = FILMS[name](optimizer="sgd", lr=30.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        data = film.to_bytes()
    body = np.frombuffer(data[4 + int.from_bytes(data[:4], "little") :], dtype="<f4")
    assert not np.isinf(body).any(), f"{np.isinf(body).sum()} of {len(body)} numbers overflowed on the way"
    header_of(film)


def test_the_machine_stands_two_rows_tall_beside_its_curves() -> None:
    film = layer_film()
    machine, *beside = film.panels
    assert isinstance(machine, Machine)
    assert (machine.row, machine.tall, machine.span) == (0, 2, 9)
    assert [(panel.row, panel.span) for panel in beside] == [(0, 3), (1, 3)]
    assert film.autoplay
    assert [name for name in FILMS if FILMS[name](steps=1).autoplay] == ["machine"]


def test_the_check_of_machines_can_fail() -> None:
    film = layer_film()
    machine, *beside = film.panels
    assert isinstance(machine, Machine)
    for broken in (
        replace(film, phases=film.phases[1:]),
        replace(film, phases=()),
        replace(film, phases=(film.phases[0][1:], *film.phases[1:])),
        replace(film, phases=tuple(told[1:] for told in film.phases)),
        *(
            replace(film, panels=(replace(machine, **change), *beside))
            for change in (
                {"tall": 1},
                {"W": np.broadcast_to(machine.W, (len(film.values), *machine.W.shape))},
                {"A": machine.A[1:]},
                {"B": machine.B[0]},
                {"x": machine.x[1:]},
                {"target": machine.x},
                {"limits": (*machine.limits[:-1], 0.0)},
                {"limits": machine.limits[1:]},
            )
        ),
    ):
        with pytest.raises(AssertionError):
            whole(broken)


def test_the_check_of_films_can_fail() -> None:
    film = bottleneck_film()
    cloud = film.panels[0]
    assert isinstance(cloud, Cloud)
    torn = replace(cloud, points=tuple(replace(p, xyz=p.xyz[:-1] if p.xyz.ndim == 3 else p.xyz) for p in cloud.points))
    for broken in (
        replace(film, narration=film.narration[1:]),
        replace(film, start=len(film.values)),
        replace(film, panels=(torn, *film.panels[1:])),
        replace(film, panels=film.panels[1:]),
    ):
        with pytest.raises(AssertionError):
            whole(broken)
