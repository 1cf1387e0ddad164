"""The scripts of networks, of budgets of ranks, of starts and of exact fits print what was measured."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from lora_viz.core.experiment import Experiment
from lora_viz.engine.allocation import allocate
from lora_viz.export.network_files import network_home
from lora_viz.export.scripts.allocation import allocation_script
from lora_viz.export.scripts.bits import bits_script
from lora_viz.export.scripts.digits import digits_script, pair_script, requantised_script
from lora_viz.export.scripts.script import Script, Scripts, filled
from lora_viz.export.scripts.starts import first_update_script, start_sizes_script
from lora_viz.layer.first_step import first_updates
from lora_viz.layer.start_sizes import start_sizes
from lora_viz.lessons.rank import intruders, overfit
from lora_viz.lessons.training import learns_forgets
from lora_viz.lessons.variants import asymmetry
from lora_viz.lessons.variants import quantised_start as quantised_base
from lora_viz.networks.adapter_pair import adapt_pair
from lora_viz.networks.adapting import adapt_digits
from lora_viz.networks.bits import BitsExperiment
from lora_viz.networks.digits import DigitsExperiment, PairExperiment
from lora_viz.networks.memorise import memorise_bits
from lora_viz.networks.requantise import merge_quantised
from tests.scripts.running import numbers, printed, reads_well, unpacked

DIGITS = DigitsExperiment(members=2, steps=30, alpha=8.0)
PAIR = PairExperiment(members=2, steps=30, rank=2)
BITS = BitsExperiment(width=16, inputs=8, steps=60, samples=(8, 16, 64))
LAYERS = Experiment(d_in=13, d_out=11, spectrum="flat", alpha=10.0, lr=0.03, steps=90, target_rank=1, samples=32)
STARTS = Experiment(d_in=16, d_out=11, condition=5.0, samples=40, noise=0.1, lr=0.003)
FITS = Experiment(d_in=12, d_out=10, noise=0.4, samples=40, spectrum="power", target_rank=2)


def last(work: Iterator[Any]) -> Any:
    return list(work)[-1]


def of_updates() -> Iterator[tuple[str, Script]]:
    for optimizer in ("sgd", "adam"):
        e = replace(STARTS, optimizer=optimizer)
        found = first_updates(e, ranks=(1, 3, 8), inits=("B_zero", "gaussian"), seeds=2)
        yield f"first update, {optimizer}", first_update_script(found, e, "gaussian", "rslora")


def of_fits() -> Iterator[tuple[str, Script]]:
    offered = overfit.scripts(overfit.overfit(FITS, 4), FITS)
    yield "overfit", offered.make(4, 8)
    yield "overfit, many", offered.make(2, 64)
    yield "learns", learns_forgets.scripts(learns_forgets.learns_forgets(FITS, 5), FITS).make()
    yield "asymmetry", asymmetry.scripts(asymmetry.asymmetry(FITS, 3, 2), FITS).make(100.0)
    for kind in quantised_base.KINDS:
        record = quantised_base.quantised_base(FITS, shown=kind, seeds=2)
        yield f"four bits, {kind}", quantised_base.scripts(record, FITS).make(8)
        yield f"spike, {kind}", intruders.scripts(intruders.intruders(20, kind, 0.5, 3, 4), 3).make()


@pytest.fixture(scope="module")
def scripts() -> dict[str, Script]:
    digits, pair, bits = last(adapt_digits(DIGITS)), last(adapt_pair(PAIR)), last(memorise_bits(BITS))
    sizes = start_sizes(STARTS, ranks=(1, 4, 11), inits=("B_zero", "gaussian"), sigma=0.2, seeds=2)
    return {
        **{f"digits, {method}": digits_script(digits, method) for method in ("head", "r=4", "full")},
        "pair": pair_script(PAIR, pair),
        "requantised": requantised_script(DIGITS, last(merge_quantised(DIGITS, 3))),
        **{f"bits {n}": bits_script(bits, n) for n in BITS.samples},
        "budget": allocation_script(allocate(LAYERS, 15, models=2), LAYERS, 15, 1),
        "sizes": start_sizes_script(sizes, STARTS, "gaussian"),
        **dict(of_updates()),
        **dict(of_fits()),
    }


@pytest.fixture(scope="module")
def told(scripts: dict[str, Script], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return printed(scripts, tmp_path_factory.mktemp("others"))


def pairs(told: dict[str, str], kind: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    found = [text for name, text in told.items() if name.startswith(kind)]
    assert found
    for text in found:
        _, here, there = numbers(text)
        yield here, there


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    [
        ("digits", 2 / 500),  # an image or two of 500: float32
        ("pair", 3 / 500),
        ("requantised", 2 / 500),
        ("bits", 0.0),
        ("budget", 1e-5),
        ("sizes", 1e-7),
        ("first update", 1e-8),
        ("overfit", 1e-7),
        ("learns", 1e-7),
        ("asymmetry", 1e-7),
        ("four bits", 1e-7),
        ("spike", 1e-7),
    ],
)
def test_it_prints_the_same_numbers(told: dict[str, str], kind: str, tolerance: float) -> None:
    for here, there in pairs(told, kind):
        np.testing.assert_allclose(here, there, rtol=tolerance, atol=tolerance)
        assert np.ptp(there) > 0 or len(there) == 1


def test_the_numbers_are_those_of_the_page(scripts: dict[str, Script], told: dict[str, str]) -> None:
    run = last(adapt_digits(DIGITS))
    steps, _, there = numbers(told["digits, r=4"])
    assert steps == [str(k) for k in run.steps]
    m = run.methods.index("r=4")
    np.testing.assert_allclose(there, np.stack([run.new[:, m, 0], run.old[:, m, 0]], axis=1), atol=1e-4)
    found = allocate(LAYERS, 15, models=2)
    names, _, there = numbers(told["budget"])
    np.testing.assert_allclose(there[-1], found.left[1, -1], rtol=1e-5)
    assert names[-1] == str(found.steps[-1])


def test_they_can_be_read(scripts: dict[str, Script]) -> None:
    for script in scripts.values():
        reads_well(script, 65)


def test_the_digits_go_home_whole() -> None:
    run = last(adapt_digits(DIGITS))
    assert run.ways[:2] == ("r=1", "r=2") and sorted(run.ways) == sorted(run.methods)
    whole, head = unpacked(network_home(run, "r=2")), unpacked(network_home(run, "head"))
    assert set(head) == {"base.safetensors", "train.py", "data.npz"} == set(head) & set(whole)
    assert {"adapter/adapter_config.json", "merged.safetensors", "load_with_peft.py"} < set(whole)
    assert head["train.py"].decode() == digits_script(run, "head").text
    assert whole["data.npz"] == digits_script(run, "r=2").npz()


def test_a_template_is_filled_line_by_line() -> None:
    assert filled("a «x»\n  «y»\n«z»\nb", x="1", y="two\n  lines", z="") == "a 1\n  two\n    lines\nb\n"
    made = Scripts(partial(filled, "«n»"), {"n": ("1",)})  # type: ignore[arg-type]
    assert made.archive is None
