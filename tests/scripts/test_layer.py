"""A script of plain PyTorch does what the engine did: every variant, start, optimiser and schedule."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lora_viz.core.experiment import CHOICES, Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.export.scripts.layer import layer_script
from lora_viz.export.scripts.script import Script
from lora_viz.layer.reconstruction import reconstruction_task
from lora_viz.layer.variants import VARIANTS
from tests.scripts.running import numbers, printed, reads_well
from tests.small import SMALL

CASES: dict[str, dict[str, Any]] = {
    **{f"variant {name}": {"variant": name, "rank": 2} for name in CHOICES["variant"]},
    **{f"start {name}": {"init": name, "rank": 2} for name in CHOICES["init"]},
    "galore, wide": {"variant": "galore", "rank": 2, "d_in": 5, "d_out": 7},
    "sgd": {"optimizer": "sgd"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.3, "lr_ratio": 4.0},
    "scaled_gd": {"optimizer": "scaled_gd", "rank": 2, "lr": 0.05},
    "batches": {"batch": 4},
    "adalora, batches": {"variant": "adalora", "batch": 4, "schedule": "linear"},
    "dora, another start": {"variant": "dora", "init": "pissa"},
    "qlora, another start": {"variant": "qlora", "init": "pissa"},
    "schedule": {"schedule": "linear", "warmup": 7},
    "warm-up": {"warmup": 7},
    "frozen A": {"frozen": "A"},
    "frozen B": {"frozen": "B", "init": "A_zero"},
    "nothing trains": {"frozen": "B", "variant": "lora_xs"},
    "all weights": {
        "init": "identity",
        "frozen": "A",
        "rank": 7,
        "d_out": 11,
        "alpha": 1.0,
        "scaling_rule": "constant",
    },
    "rslora": {"scaling_rule": "rslora"},
    "diverging": {"optimizer": "sgd", "lr": 50.0},
    "galore, diverging": {"variant": "galore", "optimizer": "sgd", "lr": 50.0},
    "no steps": {"steps": 0},
    "float32": {"dtype": "float32"},
    "adalora, float32": {"dtype": "float32", "variant": "adalora"},
    "autoencoder": {"d_out": 7, "noise": 0.0},
}


def run_of(name: str) -> Run:
    e = replace(SMALL, **CASES[name])
    task = reconstruction_task(e, 1.5) if name == "autoencoder" else None
    return train(Sweep((e,)), records=40, task=task)


@pytest.fixture(scope="module")
def runs() -> dict[str, Run]:
    return {name: run_of(name) for name in CASES}


SWEEP = Sweep.over(replace(SMALL, optimizer="sgd"), rank=(1, 3), lr=(0.01, 0.02))
EXACT = Experiment(d_in=7, d_out=5, target_rank=1, rank=2, optimizer="sgd", lr=0.05, steps=400, samples=16, alpha=2.0)


def more(run: Run) -> dict[str, Script]:
    """Beside the cases: false measurements, a false rate, a run without factors, losses that are rounding."""
    script = layer_script(run)
    return {
        "false losses": Script(script.text, {**script.data, "loss": np.full_like(script.data["loss"], 7.0)}),
        "false rate": Script(script.text.replace("lr=0.02", "lr=0.01"), script.data),
        "bare": layer_script(train(SWEEP, records=20, factors=False), 2),
        "zero": layer_script(train(Sweep((EXACT,)), records=40)),
    }


@pytest.fixture(scope="module")
def told(runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    scripts = {name: layer_script(run) for name, run in runs.items()} | more(runs["schedule"])
    return printed(scripts, tmp_path_factory.mktemp("scripts"))


@pytest.mark.parametrize("name", CASES)
def test_it_prints_the_same_losses(runs: dict[str, Run], told: dict[str, str], name: str) -> None:
    run = runs[name]
    steps, here, there = numbers(told[name])
    assert steps[0] == "0"
    if "diverging" in name:
        assert int(steps[-1]) == run.diverged_at[0]
    else:
        assert int(steps[-1]) == run.experiment.steps and len(steps) == min(11, len(run.steps))
    by_step = dict(zip(run.steps.tolist(), run.loss[:, 0].tolist(), strict=True))
    np.testing.assert_allclose(there[:, 0], [by_step[int(step)] for step in steps], rtol=1e-11)
    np.testing.assert_allclose(here, there, rtol=1e-4 if run.experiment.dtype == "float32" else 1e-9)
    assert name in ("no steps", "nothing trains", "start both_zero") or here[-1, 0] != here[0, 0], "something happened"


@pytest.mark.parametrize("name", CASES)
def test_it_can_be_read(runs: dict[str, Run], name: str) -> None:
    script = layer_script(runs[name])
    reads_well(script, 65)
    assert VARIANTS[runs[name].experiment.variant].title in script.text
    assert all(f'"{key}"' in script.text for key in script.data), "nothing lies there unread"


def test_what_is_computed_here_is_not_read(runs: dict[str, Run], told: dict[str, str]) -> None:
    _, right, measured = numbers(told["schedule"])
    _, here, there = numbers(told["false losses"])
    np.testing.assert_array_equal(here, right)
    assert (there == 7.0).all()
    _, here, there = numbers(told["false rate"])
    np.testing.assert_array_equal(there, measured)
    assert np.abs(here[-1] / there[-1] - 1) > 0.1


def test_a_run_without_factors_has_its_scripts_too(told: dict[str, str]) -> None:
    whole = train(SWEEP, records=20)
    assert whole.sweep[2].rank == 3 and whole.sweep[2].lr == 0.01
    assert layer_script(whole, 2).text == more(whole)["bare"].text
    _, here, there = numbers(told["bare"])
    np.testing.assert_allclose(here, there, rtol=1e-9)
    assert there[-1, 0] == pytest.approx(whole.loss[-1, 2], rel=1e-11)


def test_losses_that_are_rounding_are_said_to_be(runs: dict[str, Run], told: dict[str, str]) -> None:
    run = train(Sweep((EXACT,)), records=40)
    assert run.loss[-1, 0] < 1e-12 * run.loss[0, 0]
    assert "is rounding, here as there" in layer_script(run).text
    _, here, _ = numbers(told["zero"])
    assert here[-1, 0] < 1e-12 * here[0, 0]
    assert "is rounding" not in layer_script(runs["sgd"]).text
