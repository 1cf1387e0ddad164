"""What is taken home does what the run did: in PEFT, merged, and as a script."""

import csv
import io
import re
import runpy
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from lora_viz.adapters.opening import open_adapter
from lora_viz.adapters.report import inspect_adapter
from lora_viz.core.experiment import CHOICES, Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.export.adapter_folder import history_csv, packed_adapter, plain_lora
from lora_viz.export.scripts.layer import layer_script


def run_of(e: Experiment, **change: Any) -> Run:
    return train(Sweep((replace(e, **change),)), records=40)


def unpacked(data: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    return folder


def linear(e: Experiment, weight: np.ndarray) -> torch.nn.Sequential:
    layer = torch.nn.Linear(e.d_in, e.d_out, bias=False, dtype=getattr(torch, e.dtype))
    layer.weight.data = torch.tensor(weight, dtype=layer.weight.dtype)
    return torch.nn.Sequential(OrderedDict(layer=layer))


def same_in_peft(run: Run, folder: Path, adapter: int = 0) -> PeftModel:
    e = run.sweep[adapter]
    unpacked(packed_adapter(run, adapter), folder)
    model = PeftModel.from_pretrained(linear(e, run.task.base_weight), str(folder / "adapter")).eval()
    x = torch.tensor(run.task.inputs, dtype=getattr(torch, e.dtype))
    W = run.task.base_weight + run.delta_weight(adapter)[run.last(adapter)]
    expected = run.task.inputs @ W.T
    tolerance = {"float64": 1e-12, "float32": 2e-5}[e.dtype] * np.abs(expected).max()
    np.testing.assert_allclose(model(x).detach().numpy(), expected, rtol=0, atol=tolerance)
    merged = load_file(folder / "merged.safetensors")["layer.weight"].numpy()
    np.testing.assert_allclose(merged, W, rtol=0, atol=tolerance)
    return model


@pytest.mark.parametrize("rule", CHOICES["scaling_rule"])
@pytest.mark.parametrize("dtype", CHOICES["dtype"])
def test_peft_gives_the_same_outputs(small: Experiment, tmp_path: Path, rule: str, dtype: str) -> None:
    run = run_of(small, scaling_rule=rule, dtype=dtype)
    model = same_in_peft(run, tmp_path)
    layer = model.base_model.model.layer
    assert layer.scaling["default"] == pytest.approx(run.experiment.scaling)
    assert layer.r["default"] == small.rank
    assert layer.use_rslora["default"] == (rule == "rslora")


@pytest.mark.parametrize("init", CHOICES["init"])
def test_every_start_can_be_taken_home(small: Experiment, tmp_path: Path, init: str) -> None:
    run = run_of(small, init=init, rank=2)
    same_in_peft(run, tmp_path)
    moved = float(np.abs(run.delta_weight()[0] - run.experiment.scaling * run.B[0][0] @ run.A[0][0]).max()) > 1e-9
    assert plain_lora(run).update.rank == (4 if moved else 2)
    assert plain_lora(run).update.scaling == pytest.approx(run.experiment.scaling)


def moved_base(run: Run) -> Run:
    """The same run as one that started from W − s·B₀A₀, told through its ΔW alone."""

    class Moved(Run):
        def delta_weight(self, adapter: int = 0) -> np.ndarray:
            s = self.sweep[adapter].scaling
            return s * (self.B[adapter] @ self.A[adapter] - self.B[adapter][0] @ self.A[adapter][0])

    return Moved(**{name: getattr(run, name) for name in Run.__dataclass_fields__})


@pytest.mark.parametrize("rule", CHOICES["scaling_rule"])
def test_a_moved_base_goes_home_as_the_difference_of_rank_2r(small: Experiment, tmp_path: Path, rule: str) -> None:
    run = moved_base(run_of(small, init="both_random", rank=2, scaling_rule=rule))
    found = plain_lora(run)
    assert (found.update.rank, found.update.scaling) == (4, pytest.approx(run.experiment.scaling))
    times = {"lora": 2, "rslora": 2**0.5, "constant": 4}[rule]  # a constant s = α is α·r/r in the file
    assert found.alpha == pytest.approx(times * run.experiment.alpha)
    same_in_peft(run, tmp_path)


def test_any_other_update_goes_home_by_its_svd(small: Experiment, tmp_path: Path) -> None:
    run = run_of(small)
    full = np.random.default_rng(0).standard_normal((small.d_out, small.d_in))

    class Other(Run):
        def delta_weight(self, adapter: int = 0) -> np.ndarray:
            return np.broadcast_to(full, (len(self.steps), *full.shape)) * self.steps[:, None, None]

    other = Other(**{name: getattr(run, name) for name in Run.__dataclass_fields__})
    assert plain_lora(other).update.rank == min(small.d_in, small.d_out)
    same_in_peft(other, tmp_path)


@pytest.mark.parametrize("variant", CHOICES["variant"])
def test_every_variant_can_be_taken_home_as_a_plain_lora(small: Experiment, tmp_path: Path, variant: str) -> None:
    run = run_of(small, variant=variant, rank=2)
    same_in_peft(run, tmp_path)
    script = layer_script(run)
    assert (tmp_path / "train.py").read_text() == script.text
    assert (tmp_path / "data.npz").read_bytes() == script.npz()


def test_one_of_a_sweep_and_one_that_diverged(small: Experiment, tmp_path: Path) -> None:
    run = train(Sweep.over(replace(small, optimizer="sgd"), rank=(1, 3), lr=(0.01, 50.0)), records=20)
    assert (run.diverged_at >= 0).sum() == 2
    for adapter, e in enumerate(run.sweep.experiments):
        model = same_in_peft(run, tmp_path / str(adapter), adapter)
        assert model.base_model.model.layer.r["default"] == e.rank


def test_the_loading_script_runs(
    small: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    unpacked(packed_adapter(run_of(small)), tmp_path)
    monkeypatch.chdir(tmp_path)
    runpy.run_path("load_with_peft.py")
    assert float(capsys.readouterr().out.rsplit(":", 1)[1]) < 1e-12


def test_what_went_home_can_be_inspected(small: Experiment) -> None:
    run = run_of(small)
    (module,) = inspect_adapter(open_adapter("take_home.zip", packed_adapter(run))).modules
    expected = np.linalg.svd(run.delta_weight()[-1], compute_uv=False)[: small.rank]
    np.testing.assert_allclose(module.sigma, expected, rtol=1e-9)
    assert module.scaling == run.experiment.scaling


def test_the_history_is_the_runs(small: Experiment) -> None:
    run = run_of(small)
    rows = list(csv.DictReader(io.StringIO(history_csv(run))))
    assert [int(row["step"]) for row in rows] == run.steps.tolist()
    for name, values in (
        ("loss", run.loss[:, 0]),
        ("norm_delta_weight", np.linalg.norm(run.delta_weight(), axis=(1, 2))),
    ):
        np.testing.assert_array_equal([float(row[name]) for row in rows], values)
    assert re.fullmatch(r"[a-zA-Z_,]+", history_csv(run).splitlines()[0])
