"""What a rank keeps of a fine-tuning, against spectra that are known."""

import io
import json
import zipfile
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.stored import AdapterError
from lora_viz.film.film import Film
from lora_viz.lessons.controls import SettingError, Upload
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.parts import Download, Notice
from lora_viz.lessons.real.extract import LESSON
from tests.lessons.adapters import spiked


def files(**change: torch.Tensor) -> dict[str, Upload]:
    """A base matrix 11×13 with a bias, and the two after a change."""
    W = torch.randn(11, 13, generator=torch.Generator().manual_seed(5)).double()
    delta = change.get("delta", torch.zeros(11, 13).double())
    return {
        name: Upload(name, save_torch({"a.weight": m, "b.bias": torch.full((3,), x)}))
        for name, m, x in (("base", W, 0.0), ("tuned", W + delta, 1.0))
    }


@pytest.fixture(scope="module")
def given() -> dict[str, Upload]:
    A, B = spiked(4.0, 2.0, 1.0, 1.0)
    return files(delta=B @ A)


@pytest.fixture(scope="module")
def played(given: dict[str, Upload]) -> Played[Any]:
    return LESSON.play(base_file=given["base"], tuned_file=given["tuned"], extract_rank=2)


def film(played: Played[Any]) -> Film:
    assert played.film is not None
    return played.film


def test_the_energy_that_a_rank_keeps(played: Played[Any]) -> None:
    r = played.record
    np.testing.assert_allclose(r.kept[0, :5], np.array([0, 16, 20, 21, 22]) / 22, atol=1e-12)
    assert r.flat[0, 4] == 4 / 11
    assert film(played).narration == ("a.weight: rank 2 keeps 90.9 % of the energy of its change.",)
    assert "A LoRA of rank 2 keeps 90.9 % of the energy" in played.takeaway
    assert "1 vector, a bias or a norm, changed too" in played.detail
    assert played.verdict is not None and played.verdict.evidence["kept"] == pytest.approx(20 / 22)


def test_the_still_figure_has_the_energy(played: Played[Any]) -> None:
    drawn = played.figure("dark")
    assert drawn is not None
    kept, flat = drawn.data
    for curve, values in ((kept, played.record.kept), (flat, played.record.flat)):
        np.testing.assert_array_equal(curve.x, [1])
        np.testing.assert_array_equal(curve.y, values[:, 2])


def test_the_adapter_stands_for_the_difference(played: Played[Any]) -> None:
    (file,) = (part for part in played.parts("extras") if isinstance(part, Download))
    assert (file.label, file.file) == ("Adapter of rank 2", "extracted_r2.zip")
    with zipfile.ZipFile(io.BytesIO(file.make())) as archive:  # type: ignore[arg-type]
        config = json.loads(archive.read("adapter/adapter_config.json"))
        A, B = sorted(load_torch(archive.read("adapter/adapter_model.safetensors")).items())
    assert (config["r"], config["lora_alpha"]) == (2, 2)
    np.testing.assert_allclose(np.linalg.svd((B[1] @ A[1]).numpy(), compute_uv=False)[:3], [4, 2, 0], atol=1e-5)


def test_until_both_files_are_given_ours_are_shown(given: dict[str, Upload]) -> None:
    half = LESSON.play(base_file=given["base"])
    assert [p.text for p in half.parts("beside") if isinstance(p, Notice)] == [
        "One file is there: give the other one too."
    ]
    assert half.takeaway == LESSON.play().takeaway
    assert half.record.found.names == ("digits, base", "digits, turned")


def test_two_models_and_no_difference_are_refused(given: dict[str, Upload]) -> None:
    with pytest.raises(AdapterError, match="have no tensor of one name and shape"):
        LESSON.play(base_file=given["base"], tuned_file=Upload("v", save_torch({"v.weight": torch.ones(11, 13)})))
    with pytest.raises(AdapterError, match="differ in no matrix"):
        LESSON.play(base_file=given["base"], tuned_file=files()["tuned"])
    with pytest.raises(
        SettingError, match=r"extract_rank=3 is not possible in this lesson\. Valid values: 1, 2, 4, 8, 16"
    ):
        LESSON.play(extract_rank=3)
