"""A variant is one file, and so is a start: in a copy of the package with one more of each, both train."""

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


def choices(folder: Path, asked: str) -> list[list[str]]:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", asked], cwd=folder, env=environment, text=True, capture_output=True
    )
    assert told.returncode == 0, told.stderr
    return [line.split() for line in told.stdout.splitlines()]


def test_one_more_of_each(tmp_path: Path) -> None:
    package = Path(lora_viz.__file__).parent
    shutil.copytree(package, tmp_path / "lora_viz", ignore=shutil.ignore_patterns("__pycache__", "player"))
    layer = tmp_path / "lora_viz" / "layer"
    before = [[path.stem for path in (layer / folder).glob("[!_]*.py")] for folder in ("variants", "starts")]
    (layer / "variants" / "slow_b.py").write_text(VARIANT)
    (layer / "starts" / "tenth.py").write_text(START)
    variants, starts = choices(tmp_path, ASKED)
    assert variants[-1] == "slow_b", "without a place: last"
    assert sorted(variants[:-1]) == sorted(before[0])
    # its PLACE is that of A_zero: the name decides
    assert starts[:3] == ["B_zero", "A_zero", "tenth"] and sorted(starts) == sorted([*before[1], "tenth"])


def test_the_order_that_visitors_know() -> None:
    assert " ".join(CHOICES["init"]) == (
        "B_zero A_zero both_zero both_random gaussian A_zero_small both_random_small variance_1_over_r "
        "kaiming_variance orthogonal pissa milora olora lora_ga eva svd_of_answer identity"
    )
    assert " ".join(CHOICES["variant"]) == (
        "lora rslora lora_plus lora_fa dora pissa milora olora lora_ga adalora vera lora_xs qlora loftq galore"
    )
