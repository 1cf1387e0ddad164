"""What the inspector says is what the file holds, NaN and nothing included; a bad file is refused in a sentence."""

import io
import json
import threading
import zipfile
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load as load_torch
from safetensors.torch import save

from lora_viz.adapters.shrink import Shrunk, shrink
from lora_viz.adapters.stored import AdapterError
from lora_viz.core.results import Results
from lora_viz.film.panels import Bars, Field
from lora_viz.lessons.controls import SettingError, Upload
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Played
from lora_viz.lessons.parts import Download, Notice, Prose
from lora_viz.lessons.real.inspector import LESSON
from tests.lessons.adapters import adapter, file_of, spiked


@cache
def played(**change: Any) -> Played[Any]:
    broken = spiked(1.0, 1.0, 1.0, 1.0)
    broken[0][0, 0] = torch.nan
    idle = spiked(1.0, 1.0, 1.0, 1.0)
    modules = {
        "net.0.q": spiked(4.0, 2.0, 1.0, 1.0),
        "net.0.v": spiked(1.0, 1.0, 1.0, 1.0, seed=1),
        "net.1.q": (idle[0], 0 * idle[1]),
        "net.1.v": broken,
    }
    return LESSON.play(adapter_file=file_of(modules), **change)


def panel(shown: Played[Any], id: str) -> Any:
    assert shown.film is not None
    return shown.film.panel(id)


def texts(parts: tuple[Any, ...], kind: type) -> list[str]:
    return [part.text for part in parts if isinstance(part, kind)]


def test_the_record_is_the_files() -> None:
    r = played().record
    assert (r.map.rows, r.map.columns) == (("q", "v"), ("0", "1"))
    np.testing.assert_allclose(r.sigma[0], [4, 2, 1, 1], rtol=1e-12)
    np.testing.assert_allclose(r.energy[0], np.array([0, 16, 20, 21, 22]) / 22, rtol=1e-12)
    assert r.needs[0].tolist() == [2, 3, 4] and r.needs[1].tolist() == [4, 4, 4]
    assert np.isnan(r.energy[2:]).all() and (r.sigma[2] == 0).all() and np.isnan(r.sigma[3]).all()
    assert r.not_finite.tolist() == [0, 0, 0, 1]


def test_the_map_shows_what_was_asked_and_hatches_what_is_not_known() -> None:
    needed = panel(played(), "map")
    assert isinstance(needed, Field)
    np.testing.assert_array_equal(needed.values, [[2, 0], [4, np.nan]])
    balance = panel(played(map="balance"), "map")
    np.testing.assert_allclose(balance.values, [[22**0.5 / 2, np.nan], [1, np.nan]], rtol=1e-12)
    assert needed.regions is not None
    assert [tuple(int(x[0]) for x in np.nonzero(region)) for region in needed.regions] == [
        (0, 0),
        (1, 0),
        (0, 1),
        (1, 1),
    ]


def test_what_is_said_of_each_module() -> None:
    film = played().film
    assert film is not None
    assert film.narration[0] == "net.0.q: 2 of 4 directions: 91 % of the energy; the next one adds 4.55 %."
    assert "ΔW = 0" in film.narration[2] and "entries that are not finite: 1" in film.narration[3]
    said = played().takeaway
    assert said.startswith("Of rank 4, the 2 modules use 2 to 4 directions for 90 % of the energy")
    assert "With ΔW = 0: 1 module." in played().detail and "not finite: 1 module." in played().detail
    columns = played().table
    assert len({len(column) for column in columns.values()}) == 1
    json.dumps({name: column.tolist() for name, column in columns.items()})


def test_rounding_is_drawn_only_where_it_was_measured() -> None:
    shown = played()
    r = shown.record
    unknown = replace(shown, record=r._replace(noise=np.full(4, np.nan)))
    bars = panel(unknown, "singular_values")
    assert isinstance(bars, Bars) and [g.id for g in bars.groups] == ["learnt"]
    bars = panel(replace(shown, record=r._replace(noise=np.array([1e-3, np.nan, 2e-3, np.nan]))), "singular_values")
    assert bars.part("rounding").values[:, 0].tolist() == [1e-3, 0, 2e-3, 0]
    assert (r.noise[:2] > 0).all() and (r.noise[:2] < 1e-6 * r.sigma[:2, 0]).all(), "float64 rounds far below σ₁"


@pytest.mark.parametrize("keep", [90, 99])
def test_the_still_figure_has_the_ranks(keep: int) -> None:
    shown = played(keep=keep)
    drawn = shown.figure("dark")
    assert drawn is not None
    given, *needed, effective = drawn.data
    r = shown.record
    for curve, values in zip((given, *needed, effective), (r.rank, *r.needs.T, r.effective), strict=True):
        np.testing.assert_array_equal(curve.x, [1, 2, 3, 4])
        np.testing.assert_array_equal(curve.y, values)
    (chosen,) = (curve.name for curve in needed if curve.line.dash == "solid")
    assert (given.name, chosen, effective.name) == ("rank given r", f"for {keep} %", "effective rank")


def test_our_own_adapter_is_measured() -> None:
    said = LESSON.play().takeaway
    assert "Of rank 8, the 36 modules use 1 to 5 directions for 90 % of the energy" in said
    assert LESSON.play(keep=99).takeaway != said
    assert LESSON.play(adapter="MiniLM-seed-1").takeaway != said
    (about,) = texts(LESSON.play().parts("beside"), Prose)
    assert about.startswith("MiniLM-seed-0: trained by this project.")
    with pytest.raises(
        SettingError, match=r"adapter=\.\./secret is not possible in this lesson. Valid values: MiniLM-seed-0,"
    ):
        LESSON.play(adapter="../secret")


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("bad.safetensors", adapter()[:-20], "The file is cut off"),
        ("empty.bin", b"", "empty.bin is empty: 0 bytes."),
        ("model.pkl", b"\x80\x04\x95" + bytes(40), "model.pkl is a bare pickle"),
    ],
)
def test_a_bad_file_is_refused_in_a_sentence(name: str, data: bytes, sentence: str) -> None:
    with pytest.raises(AdapterError) as error:
        LESSON.play(adapter_file=Upload(name, data))
    assert str(error.value).startswith(sentence)


def test_the_scale_comes_from_the_configuration_or_the_visitor() -> None:
    weights = Upload("a.safetensors", adapter())
    config = Upload("adapter_config.json", b'{"peft_type": "LORA", "lora_alpha": 6, "r": 3}')
    unknown = LESSON.play(adapter_file=weights)
    assert "Of rank 3, the 2 modules" in unknown.takeaway and "does not give its scale s" in unknown.detail
    for scaled in (LESSON.play(adapter_file=(config, weights)), LESSON.play(adapter_file=weights, alpha_given=6.0)):
        assert "does not give its scale" not in scaled.detail
        np.testing.assert_allclose(scaled.record.sigma, 2 * unknown.record.sigma)


def test_which_of_several_files_is_shown_is_said() -> None:
    one, other = Upload("a.safetensors", adapter()), Upload("b.safetensors", adapter(5))
    config = Upload("adapter_config.json", b'{"lora_alpha": 6}')
    alone = LESSON.play(adapter_file=config)
    (said,) = texts(alone.parts("beside"), Notice)
    assert said.startswith("adapter_config.json has no weights") and "36 modules" in alone.takeaway
    both = LESSON.play(adapter_file=(one, other))
    assert texts(both.parts("beside"), Notice) == ["2 weight files were given. Showing b.safetensors instead."]
    assert "Of rank 5, the 2 modules" in both.takeaway
    assert texts(both.parts("beside"), Prose) == ["Adapter: your own file. Take it away to choose one of ours."]


def test_the_bases_weights_add_what_the_file_cannot_say_and_a_bad_base_takes_nothing_away() -> None:
    own = file_of({"net.0.q": spiked(4.0, 2.0, 1.0, 1.0)})
    alone = {f.id for f in LESSON.play(adapter_file=own).record.diagnosis.findings}
    shape = LESSON.play(adapter_file=own).record.shape[0]
    W = torch.randn(*map(int, shape), generator=torch.Generator().manual_seed(1))
    there, elsewhere = (Upload("model.safetensors", save({f"{name}.weight": W})) for name in ("net.0.q", "net.7.q"))
    assert (
        "beside_base"
        in {f.id for f in LESSON.play(adapter_file=own, base_file=there).record.diagnosis.findings} - alone
    )
    lost = LESSON.play(adapter_file=own, base_file=elsewhere)
    assert texts(lost.parts("first"), Notice)[0].startswith("Keys that match nothing in the base model")
    refused = LESSON.play(adapter_file=own, base_file=Upload("model.safetensors", b"no weights at all, only words"))
    assert texts(refused.parts("first"), Notice)[0].startswith("The base model was left out: ")
    assert {f.id for f in refused.record.diagnosis.findings} == alone


def test_two_files_of_one_name_are_two() -> None:
    said = [LESSON.play(adapter_file=Upload("a.safetensors", adapter(rank))).takeaway for rank in (3, 5)]
    assert "rank 3" in said[0] and "rank 5" in said[1]


def test_no_cache_keeps_what_is_in_a_file_or_measures_it_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    results, file = Results(), Upload("a.safetensors", adapter())
    seen: list[str] = []
    monkeypatch.setattr(Lab, "report", lambda self, share, said="", preview=None: seen.append(said))
    for change in ({}, {"keep": 99}, {"map": "norm"}):
        LESSON.played(LESSON.settings(adapter_file=file, **change), Lab(results))
    assert seen.count("Reading a.safetensors") == 2, "two modules, read once"
    kept: list[Any] = list(results._kept)
    while kept:
        item = kept.pop()
        assert not (isinstance(item, Upload) and len(item.data)), "a key that would keep the file"
        if isinstance(item, tuple):
            kept += item
        elif hasattr(item, "options"):
            kept += item.options
    assert results.bytes < 100_000


def test_a_cut_is_made_in_the_queue_and_a_large_one_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reproduction cut 5,000 modules at every rerun, in the visitor's own thread, outside the queue."""
    threads = list[threading.Thread]()

    def seen(*given: Any, **named: Any) -> Shrunk:
        threads.append(threading.current_thread())
        return shrink(*given, **named)

    monkeypatch.setattr("lora_viz.lessons.real.inspector.shrink", seen)
    lab, settings = Lab(Results()), LESSON.settings(adapter_file=Upload("a.safetensors", adapter()))
    for _ in range(2):
        LESSON.played(settings, lab).parts("extras")
    assert len(threads) == 1, "kept for the next rerun"
    monkeypatch.setattr("lora_viz.lessons.real.inspector.CUT_MOST", 10)
    settings = LESSON.settings(adapter_file=Upload("b.safetensors", adapter(seed=1)))
    (file,) = (part for part in LESSON.played(settings, lab).parts("extras") if isinstance(part, Download))
    assert len(threads) == 1
    file.make()
    assert len(threads) == 2 and threading.current_thread() not in threads


def test_a_cut_adapter_is_offered() -> None:
    shown = LESSON.play(adapter_file=Upload("mine.safetensors", adapter()))
    (file,) = (part for part in shown.parts("extras") if isinstance(part, Download))
    assert file.label == "Adapter for 90 % of the energy" and file.file == "adapter_90.zip"
    with zipfile.ZipFile(io.BytesIO(file.make())) as archive:  # type: ignore[arg-type]
        assert archive.testzip() is None
        config = json.loads(archive.read("adapter/adapter_config.json"))
        tensors = load_torch(archive.read("adapter/adapter_model.safetensors"))
    ranks = {path: config["rank_pattern"].get(path, config["r"]) for path in config["target_modules"]}
    assert ranks == dict(zip(shown.record.paths, shown.record.needs[:, 0], strict=True))
    assert {name: t.shape[0] for name, t in tensors.items() if "lora_A" in name} == {
        f"base_model.model.{path}.lora_A.weight": r for path, r in ranks.items()
    }
