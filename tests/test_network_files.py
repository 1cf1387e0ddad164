"""The digits network's adapter as PEFT loads it, against the network that was trained here."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lora_viz.export.network_files import network_home
from lora_viz.networks.adapting import adapt_digits
from lora_viz.networks.digits import RANKS, DigitsExperiment, DigitsRun, changed, digit_images, split


@pytest.fixture(scope="module")
def run() -> DigitsRun:
    found = list(adapt_digits(DigitsExperiment(members=2, steps=30, alpha=8.0)))[-1]
    assert isinstance(found, DigitsRun)
    return found


@pytest.mark.parametrize("rank", [1, 8])
def test_peft_loads_it_and_it_is_the_merged_network(run: DigitsRun, rank: int, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(network_home(run, f"r={rank}"))).extractall(tmp_path)
    told = subprocess.run(
        [sys.executable, "load_with_peft.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "arning" not in told.stderr
    assert float(told.stdout.rpartition(": ")[2]) < 1e-4


def test_the_merged_network_reads_as_many_digits_as_the_run_says(run: DigitsRun, tmp_path: Path) -> None:
    """In NumPy: what stands in the file is what was measured on the page."""
    from safetensors.numpy import load_file

    zipfile.ZipFile(io.BytesIO(network_home(run, "r=8"))).extractall(tmp_path)
    w = load_file(tmp_path / "merged.safetensors")
    images, labels = digit_images()
    _, rows = split(run.experiment.seed, 0)
    x, y = changed(images[rows], labels[rows], run.experiment.change, run.experiment.seed)
    for layer in ("fc1", "fc2"):
        x = np.maximum(x @ w[f"{layer}.weight"].T + w[f"{layer}.bias"], 0)
    right = (x @ w["head.weight"].T + w["head.bias"]).argmax(1) == y
    assert right.mean() == pytest.approx(run.new[-1, run.methods.index("r=8"), 0], abs=2 / len(y))
    base = load_file(tmp_path / "base.safetensors")
    assert not np.array_equal(base["fc1.weight"], w["fc1.weight"])
    np.testing.assert_array_equal(base["head.weight"], w["head.weight"])


def test_a_rank_that_was_not_trained_is_refused(run: DigitsRun) -> None:
    assert 3 not in RANKS
    with pytest.raises(ValueError, match=r"r=3 was not trained\. Valid values: head, r=1, r=2, r=4, r=8, r=16, full"):
        network_home(run, "r=3")
