"""Files that change under us, the memory that all visitors' files take together, and what a cut adapter hands on."""

import gc
import io
import json
import os
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load as load_torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.held import LEAST, HeldFiles
from lora_viz.adapters.opening import open_adapter
from lora_viz.adapters.report import inspect_adapter
from lora_viz.adapters.shrink import shrink
from lora_viz.adapters.source import FromDisk, InMemory
from lora_viz.adapters.stored import AdapterError
from lora_viz.lessons.controls import Upload
from tests.lessons.adapters import adapter

ROOT = Path(__file__).parents[2]


def test_a_file_that_is_cut_while_it_is_read_is_one_sentence(tmp_path: Path) -> None:
    """The reproduction: a training run overwrites its checkpoint; a mapped file ended the process by SIGBUS."""
    (tmp_path / "a").write_bytes(adapter())
    opened = open_adapter("a", FromDisk("a", tmp_path))
    os.truncate(tmp_path / "a", len(adapter()) // 2)
    with pytest.raises(
        AdapterError, match=r"^a was changed while it was read: give it again when it is all written\.$"
    ):
        inspect_adapter(opened)


def test_a_file_that_is_written_over_while_it_is_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(adapter())
    opened = open_adapter("a", FromDisk("a", tmp_path))
    (tmp_path / "a").write_bytes(adapter(seed=1))
    os.utime(tmp_path / "a", ns=(1, 1))
    with pytest.raises(AdapterError, match="was changed while it was read"):
        inspect_adapter(opened)


def test_a_file_that_another_takes_the_place_of_is_read_on(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(adapter(3))
    opened = open_adapter("a", FromDisk("a", tmp_path))
    (tmp_path / "b").write_bytes(adapter(5))
    (tmp_path / "b").replace(tmp_path / "a")
    assert {m.rank for m in inspect_adapter(opened).modules} == {3}
    assert FromDisk("a", tmp_path).version != opened.weights.buffer.version  # type: ignore[attr-defined]


def test_no_file_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(adapter())
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        inspect_adapter(open_adapter("a", FromDisk("a", tmp_path)))
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1


def test_nothing_in_the_house_maps_a_file() -> None:
    for path in (ROOT / "lora_viz").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import mmap" not in text and "memmap" not in text and "mmap_mode" not in text, path


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_part_is_read_as_slices_are(tmp_path: Path, kind: str) -> None:
    data = bytes(range(97))
    (tmp_path / "a").write_bytes(data)
    whole = InMemory(data) if kind == "memory" else FromDisk("a", tmp_path)
    part = whole.part(11, 71).part(3, 1000)
    assert len(part) == 57 and bytes(part[:]) == data[14:71]
    for where in (slice(0, 5), slice(50, 90), slice(60, 61), slice(5, 2), slice(None, 3)):
        assert bytes(part[where]) == data[14:71][where]


def test_the_oldest_files_are_let_go_for_the_new() -> None:
    held = HeldFiles(10 * LEAST)
    files = [held.keep(i, f"visitor {i % 2}", f"{i}.bin", bytes(3 * LEAST)) for i in range(3)]
    assert held.bytes == 9 * LEAST and not any(file.gone for file in files)
    fourth = held.keep(3, "visitor 1", "3.bin", bytes(3 * LEAST))
    assert [file.gone for file in (*files, fourth)] == [True, False, False, False]
    assert held.bytes <= 10 * LEAST
    with pytest.raises(AdapterError, match=r"^0\.bin was let go: the files of all visitors together need more memory"):
        files[0][:4]
    with pytest.raises(AdapterError, match="was let go"):
        files[0].part(0, 4)[:]
    assert held.find(0) is files[0] and held.find("none") is None


def test_a_file_counts_for_as_long_as_anybody_holds_it() -> None:
    held = HeldFiles(10 * LEAST)
    shown = held.keep("a", "visitor", "a", bytes(6 * LEAST))
    held.drop("a")
    assert held.find("a") is None and held.bytes == 6 * LEAST and bytes(shown[:2]) == b"\0\0"
    held.keep("b", "other", "b", bytes(6 * LEAST))
    assert shown.gone, "what its owner took away goes first"
    del shown
    held.drop_all("other")
    gc.collect()
    assert held.bytes == 0


def test_no_file_is_larger_than_all_may_be_and_many_small_ones_count() -> None:
    held = HeldFiles(10 * LEAST)
    assert held.keep("a", "visitor", "a", bytes(11 * LEAST)).gone
    for i in range(1000):
        held.keep(i, "visitor", "empty", b"")
    assert held.bytes <= 10 * LEAST


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("adapter.safetensors", "adapter.safetensors"), ("../../etc/passwd", "passwd"), (r"C:\me\a.bin", "a.bin"),
        ("a\nb\x00c.bin", "a_b_c.bin"), ("‮gpj.exe", "_gpj.exe"), ("<img src=x>", "_img src=x_"), ("", "file"),
        ("..", "file"), ("\ud800.bin", "_.bin"), ("ä 你.bin", "ä 你.bin"), ("photos/2026/a.jpg", "a.jpg"),
    ],
)  # fmt: skip
def test_a_visitors_name_of_a_file_is_fit_to_be_shown(given: str, shown: str) -> None:
    assert Upload(given, b"").name == shown


def test_a_long_name_keeps_its_ending() -> None:
    name = Upload("x" * 5000 + ".safetensors", b"").name
    assert len(name) <= 80 and name.endswith("….safetensors")


def test_a_cut_adapter_hands_on_what_this_app_can_vouch_for() -> None:
    g = torch.Generator().manual_seed(0)
    tensors = {
        f"base_model.model.l.{i}.q.lora_{x}.weight": torch.randn(shape, generator=g)
        for i in range(2)
        for x, shape in (("A", (3, 13)), ("B", (7, 3)))
    }
    config = {
        "peft_type": "LORA", "lora_alpha": 6, "r": 3, "base_model_name_or_path": "/home/somebody/secret/model",
        "auto_mapping": {"base_model_class": "Evil", "parent_library": "os"}, "target_modules": "(a+)+$",
        "task_type": "CAUSAL_LM", "lora_dropout": 0.1, "modules_to_save": ["head"], "layers_pattern": "(a+)+",
        "exclude_modules": "(.*)*", "corda_config": {"x": 1}, "use_dora": "yes", "bias": "none",
        "rank_pattern": {"x": 1}, "revision": "../..", "notes": "![](//host/x)", "init_lora_weights": "gaussian",
        "megatron_core": "os.system",
    }  # fmt: skip
    opened = open_adapter("a", save_torch(tensors), json.dumps(config).encode())
    data = shrink(opened, inspect_adapter(opened), 0.9).data
    found = json.loads(zipfile.ZipFile(io.BytesIO(data)).read("adapter/adapter_config.json"))
    assert found.pop("lora_alpha") == found.pop("r") <= 3
    assert found == {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": None, "inference_mode": True,
        "target_modules": ["l.0.q", "l.1.q"], "fan_in_fan_out": False, "bias": "none", "lora_dropout": 0.1,
        "use_rslora": False, "modules_to_save": ["head"], "rank_pattern": found["rank_pattern"],
        "alpha_pattern": found["alpha_pattern"],
    }  # fmt: skip


def test_a_cut_kohya_file_hands_on_no_prompts_folders_or_scales() -> None:
    g = torch.Generator().manual_seed(0)
    tensors = {
        "m.lora_down.weight": torch.randn(3, 13, generator=g),
        "m.lora_up.weight": torch.randn(7, 3, generator=g),
    }
    metadata = {
        "format": "pt", "ss_dataset_dirs": '{"/home/me/photos": 1}', "ss_network_dim": "3", "ss_network_alpha": "1",
        "ss_network_module": "networks.lora", "ss_tag_frequency": "{}", "ss_base_model_version": "sdxl_base_v1-0",
        "modelspec.architecture": "<script>",
    }  # fmt: skip
    opened = open_adapter("a", save_torch(tensors, metadata))
    data = shrink(opened, inspect_adapter(opened), 0.9).data
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    assert header["__metadata__"] == {
        "format": "pt", "ss_network_module": "networks.lora", "ss_base_model_version": "sdxl_base_v1-0",
    }  # fmt: skip
    assert set(load_torch(data)) == set(tensors)
