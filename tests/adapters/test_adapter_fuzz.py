"""Damaged files: each gives a report or one sentence, and none asks for memory that it does not have."""

import contextlib
import io
import tracemalloc
import zipfile
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.opening import open_adapter
from lora_viz.adapters.report import Report, inspect_adapter
from lora_viz.adapters.stored import AdapterError
from lora_viz.adapters.writing import archive

FILES = 800  # tests/fuzz tries more, for the kind of the error; here its sentences are read


def seeds() -> list[bytes]:
    g = torch.Generator().manual_seed(0)
    A, B = torch.randn(3, 13, generator=g), torch.randn(7, 3, generator=g)
    peft = {f"base_model.model.l.{i}.q.lora_{x}.weight": t.bfloat16() for i in (0, 1) for x, t in (("A", A), ("B", B))}
    kohya = {"m.lora_down.weight": A.half(), "m.lora_up.weight": B.half(), "m.alpha": torch.tensor(2.0)}
    out = io.BytesIO()
    torch.save({"l.0.q.lora_A": A, "l.0.q.lora_B": B, "head.weight": torch.ones(2, 2)}, out)
    config = b'{"peft_type": "LORA", "r": 3, "lora_alpha": 6, "alpha_pattern": {"l.0.q": 3}}'
    folder = archive({"a/adapter_config.json": config, "a/adapter_model.safetensors": save_torch(peft)})
    return [save_torch(peft), save_torch(kohya), out.getvalue(), folder]


def damaged(rng: np.random.Generator, whole: bytes) -> bytes:
    data = bytearray(whole)
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(data))) if rng.random() < 0.5 else int(rng.integers(min(400, len(data))))
        match rng.integers(8):
            case 0:
                data[at] = rng.integers(256)
            case 1:
                data[at] ^= 1 << rng.integers(8)
            case 2:
                del data[at:]
            case 3:
                del data[at : at + int(rng.integers(1, 40))]
            case 4:
                data[at:at] = rng.bytes(int(rng.integers(1, 40)))
            case 5:
                data[at : at + 8] = int(rng.integers(2**63)).to_bytes(8, "little")
            case 6:
                data[at : at + 4] = b"\xff" * 4
            case 7:
                other = int(rng.integers(len(data)))
                data[at : at + 30] = data[other : other + 30]
        if not data:
            break
    return bytes(data)


def files() -> Iterator[bytes]:
    rng = np.random.default_rng(0)
    whole = seeds()
    for i in range(FILES):
        yield damaged(rng, whole[i % len(whole)])


@pytest.mark.parametrize("seed", range(4))
def test_the_undamaged_files_are_read(seed: int) -> None:
    assert inspect_adapter(open_adapter("a", seeds()[seed])).modules


def test_every_damaged_file_gives_a_report_or_one_sentence() -> None:
    refused, read, sentences = 0, 0, set()
    for data in files():
        try:
            found = inspect_adapter(open_adapter("a", data))
        except AdapterError as error:
            said = str(error)
            assert 10 < len(said) < 400 and said.endswith(".") and "\n" not in said, said
            sentences.add(said[:30])
            refused += 1
        else:
            assert isinstance(found, Report) and found.modules
            read += 1
    assert refused + read == FILES
    assert refused > FILES / 4 and read > FILES / 20 and len(sentences) > 15, (refused, read, len(sentences))


def test_no_damaged_file_asks_for_memory() -> None:
    tracemalloc.start()
    for data, _ in zip(files(), range(200), strict=False):
        with contextlib.suppress(AdapterError):
            inspect_adapter(open_adapter("a", data))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20e6, f"{most:,} bytes for files of {max(map(len, seeds())):,}"


def test_a_damaged_torch_file_is_never_handed_to_a_pickle_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import pickle

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a visitor's file was unpickled")

    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load"), (np, "load")):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(zipfile.ZipFile, "read", refuse)
    assert inspect_adapter(open_adapter("a", seeds()[2])).kind == "torch"
