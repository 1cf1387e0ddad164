"""A variant is one file, and so is a start: in a copy of the package with one more of each, both train and show."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import lora_viz
from lora_viz.core.experiment import CHOICES

VARIANT = '''
"""Both factors with a fifth of the learning rate on B: nobody's idea."""

from lora_viz.layer.parametrisation import Variant

VARIANT = Variant(
    name="slow_b",
    title="Slow B",
    rule=r"\\eta_B = \\eta_A / 5",
    authors="Nobody",
    year=2026,
    arxiv="0000.00000",
    parameters=lambda e: e.rank * (e.d_in + e.d_out),
    sets={"lr_ratio": 0.2, "init": "tenth"},
)
'''
START = '''
"""Entries of A all a tenth, B zero."""

import numpy as np

from lora_viz.layer.start import Start, zero_B

PLACE = 2
START = Start(
    short="tenths",
    label="a tenth",
    rule="A = 1/10",
    source="nobody",
    factors=lambda e, task: (np.full((e.rank, e.d_in), 0.1), zero_B(e)),
)
'''
ASKED = """
import sys
from lora_viz.core.experiment import CHOICES, Experiment, ExperimentError, Sweep
assert not {"numpy", "torch"} & set(sys.modules), "choices are known before anything is imported that trains"
e = Experiment(variant="slow_b", steps=7, rank=3, d_in=7, d_out=5, target_rank=2)
from lora_viz.engine.training import train
from lora_viz.layer.starts import STARTS
from lora_viz.layer.variants import VARIANTS
run = train(Sweep((e,)))
assert (run.sweep[0].init, run.sweep[0].lr_ratio) == ("tenth", 0.2)
assert (run.A[0][0] == 0.1).all() and run.loss[-1, 0] < run.loss[0, 0]
assert tuple(STARTS) == CHOICES["init"] and tuple(VARIANTS) == CHOICES["variant"]
try:
    Experiment(variant="slow_a")
except ExperimentError as error:
    assert "slow_b" in str(error)
print(*CHOICES["variant"])
print(*CHOICES["init"])
"""
SHOWN = """
import numpy as np
from lora_viz.lessons.walk import lesson
own = lesson("variants")
played = own.play(variant="slow_b", versus="lora", steps=50, rank=2)
record = played.record
assert record.names[-1] == "slow_b" and record.chosen == len(record.names) - 1
assert np.isnan(record.field[-1]).all() and np.isfinite(record.field[:-1]).all()
cells = played.film.panel("map")
assert cells.y_labels[0].startswith("Slow B ") and cells.chosen[0] == 0
assert np.isnan(cells.values[0]).all() and np.isfinite(cells.values[1:]).all()
assert np.isfinite(record.left[:, -1]).all() and record.rates[-1] == record.rates[0], "LoRA's rate, none being known"
assert own.on_pick(record, 0, 4) == {"variant": "slow_b", "task": "row_rescale"}
assert played.table["variant"][-1] == "slow_b" and np.isnan(played.table["map_rotation"][-1])
said = f"{played.takeaway} {played.detail} {played.verdict.text}"
assert "measured yet" in said, said
assert "nan" not in played.takeaway + played.maths
assert "Slow B" in played.maths and "Slow B" in played.figure().data[0].text
asked = played.ask()
assert asked.choices[asked.right] == "GaLore", "as without it"
print("shown")
"""


def choices(folder: Path, asked: str) -> list[list[str]]:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", asked], cwd=folder, env=environment, text=True, capture_output=True
    )
    assert told.returncode == 0, told.stderr
    return [line.split() for line in told.stdout.splitlines()]


def test_one_more_of_each(tmp_path: Path) -> None:
    package = Path(lora_viz.__file__).parent
    shutil.copytree(package, tmp_path / "lora_viz", ignore=shutil.ignore_patterns("__pycache__"))
    layer = tmp_path / "lora_viz" / "layer"
    before = [[path.stem for path in (layer / folder).glob("[!_]*.py")] for folder in ("variants", "starts")]
    (layer / "variants" / "slow_b.py").write_text(VARIANT)
    (layer / "starts" / "tenth.py").write_text(START)
    variants, starts = choices(tmp_path, ASKED)
    assert variants[-1] == "slow_b", "without a place: last"
    assert sorted(variants[:-1]) == sorted(before[0])
    # its PLACE is that of A_zero: the name decides
    assert choices(tmp_path, SHOWN) == [["shown"]]
    assert starts[:3] == ["B_zero", "A_zero", "tenth"] and sorted(starts) == sorted([*before[1], "tenth"])


def test_the_order_that_visitors_know() -> None:
    assert " ".join(CHOICES["init"]) == (
        "B_zero A_zero both_zero both_random gaussian A_zero_small both_random_small variance_1_over_r "
        "kaiming_variance orthogonal pissa milora olora lora_ga eva svd_of_answer identity"
    )
    assert " ".join(CHOICES["variant"]) == (
        "lora rslora lora_plus lora_fa dora pissa milora olora lora_ga adalora vera lora_xs qlora loftq galore"
    )
