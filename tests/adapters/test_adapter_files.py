"""Adapter files are read as others read them, and refused in one sentence where they cannot be."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load as load_numpy
from safetensors.torch import save as save_torch

from lora_viz.adapters.config import parse_config
from lora_viz.adapters.opening import open_adapter, open_weights
from lora_viz.adapters.report import inspect_adapter
from lora_viz.adapters.source import FromDisk
from lora_viz.adapters.stored import AdapterError
from lora_viz.adapters.writing import pack, unpack, write_safetensors

MNLI = Path(__file__).parents[1] / "data" / "roberta_base_lora_mnli.bin"


def factors(seed: int = 0, *, d_in: int = 13, d_out: int = 7, r: int = 3) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {
        "base_model.model.enc.layer.0.query.lora_A.weight": torch.randn(r, d_in, generator=g),
        "base_model.model.enc.layer.0.query.lora_B.weight": torch.randn(d_out, r, generator=g),
        "base_model.model.head.bias": torch.randn(5, generator=g),
    }


def torch_bytes(what: object, **options: object) -> bytes:
    out = io.BytesIO()
    torch.save(what, out, **options)  # type: ignore[arg-type]
    return out.getvalue()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_safetensors_and_torch_files_hold_the_same_numbers(dtype: torch.dtype) -> None:
    tensors = {name: value.to(dtype) for name, value in factors().items()}
    found = open_weights("a", save_torch(tensors)), open_weights("b", torch_bytes(OrderedDict(tensors)))
    for weights in found:
        assert list(weights.entries) == list(tensors) or set(weights.entries) == set(tensors)
        for name, value in tensors.items():
            np.testing.assert_array_equal(weights.read(name), value.double().numpy())
            assert weights.raw_bytes(name) == value.view(torch.uint8).numpy().tobytes()


def test_views_and_parameters_of_a_torch_file_are_read_where_they_lie() -> None:
    whole = torch.arange(60.0).view(6, 10)
    tensors = {
        "x.lora_A.weight": whole[1:3, 2:9],
        "x.lora_B.weight": torch.nn.Parameter(whole.T[:5, :2]),
        "n.weight": whole[4],
    }
    weights = open_weights("a", torch_bytes({"state_dict": tensors, "epoch": 3}))
    for name, value in tensors.items():
        np.testing.assert_array_equal(weights.read(name), value.detach().numpy())
        assert weights.raw_bytes(name) == value.detach().contiguous().numpy().tobytes()


def test_the_authors_own_adapter_is_read_as_torch_reads_it() -> None:
    weights = open_weights(MNLI.name, MNLI.read_bytes())
    oracle = torch.load(MNLI, weights_only=True, map_location="cpu")
    assert list(weights.entries) == list(oracle)
    for name, value in oracle.items():
        np.testing.assert_array_equal(weights.read(name), value.numpy())


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_what_is_written_is_what_safetensors_and_torch_read(dtype: str) -> None:
    values = np.random.default_rng(1).standard_normal((5, 7)) * 10.0 ** np.arange(-3, 4)
    data = write_safetensors({"a": pack(values, dtype), "b": pack(values[0], "F32")})
    named = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[dtype]
    expected = torch.tensor(values).float().to(named) if dtype != "F64" else torch.tensor(values)
    np.testing.assert_array_equal(open_weights("a", data).read("a"), expected.double().numpy())
    np.testing.assert_array_equal(unpack(pack(values, dtype)), expected.double().numpy())
    if dtype != "BF16":
        np.testing.assert_array_equal(load_numpy(data)["a"], expected.numpy())


def header(table: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(table).encode() if not isinstance(table, bytes) else table
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("echo this must never run",)


class Swollen:
    def __reduce__(self) -> tuple[object, tuple[int]]:
        return bytearray, (10**12,)


def with_pickle(what: object) -> bytes:
    return zipped({"a/data.pkl": pickle.dumps(what, protocol=2), "a/version": b"3"})


def nested(depth: int, value: bytes | None) -> bytes:
    """A torch file with a tuple in a tuple in a tuple …, as a key of its table or as a storage."""
    deep = b")" + b"\x85" * depth
    body = b"}" + deep + value + b"s." if value else b"(X\x07\x00\x00\x00storage" + b"K\x01" + deep + b"K\x01K\x01tQ."
    return zipped({"a/data.pkl": b"\x80\x02" + body, "a/version": b"3"})


A, B = "x.lora_A.weight", "x.lora_B.weight"


def far_and_empty() -> bytes:
    """A torch file with tensors of no numbers that lie beyond all bytes."""
    with zipfile.ZipFile(io.BytesIO(torch_bytes({A: torch.ones(0, 3), B: torch.ones(7, 0)}))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (listed,) = (name for name in members if name.endswith("data.pkl"))
    members[listed] = members[listed].replace(b"QK\x00", b"QJ\xff\xff\xff\x7f")
    return zipped(members)


GOOD = save_torch({A: torch.ones(3, 13), B: torch.ones(7, 3)})
F32 = {"dtype": "F32", "shape": [3, 13], "data_offsets": [0, 156]}
BAD = {
    "empty": (b"", "is empty: 0 bytes"),
    "four bytes": (b"abcd", "has 4 bytes"),
    "cut": (GOOD[:-10], "The file is cut off"),
    "cut in the header": (GOOD[:40], "The file is cut off"),
    "huge header": (struct.pack("<Q", 2**62) + b"{}", "would have a header of 4,611,686,018,427,387,904 bytes"),
    "renamed picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "is a PNG picture"),
    "renamed gguf": (b"GGUF" + b"\0" * 99, "The GGUF file is damaged"),
    "a web page": (b"<!doctype html><html>", "is a web page"),
    "lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid", "is a Git LFS pointer"),
    "not json": (header(b"{'a': 1}"), "is not JSON"),
    "deep json": (header(b'{"a":' + b"[" * 100_000), "is not JSON"),
    "a list": (header([1, 2]), "is not a JSON table"),
    "twice": (header(b'{"a": {}, "a": {}}'), "names something twice"),
    "metadata": (header({"__metadata__": {"a": 1}}), "is not a table of texts"),
    "no dtype": (header({A: {"shape": [1], "data_offsets": [0, 4]}}, b"1234"), "lacks a dtype"),
    "negative": (header({A: {**F32, "data_offsets": [-4, 152]}}, bytes(156)), "lacks a dtype, a shape or two"),
    "bool shape": (header({A: {**F32, "shape": [True, 39]}}, bytes(156)), "lacks a dtype, a shape or two"),
    "wrong size": (header({A: {**F32, "shape": [3, 14]}}, bytes(156)), "needs 168 bytes: the header gives it 156"),
    "vast": (header({A: {**F32, "shape": [2**40, 2**40]}}, bytes(156)), "no file holds as much"),
    "large claim": (header({A: {**F32, "shape": [2**40, 2**7]}}, bytes(156)), "needs 562,949,953,421,312 bytes"),
    "empty and vast": (
        header({A: {**F32, "shape": [0, 2**47, 2**47], "data_offsets": [0, 0]}, B: {**F32, "shape": [7, 0]}}),
        "no file holds as much",
    ),
    "no inputs": (save_torch({A: torch.ones(3, 0), B: torch.ones(7, 3)}), "in a layer that is not empty"),
    "empty and fused": (save_torch({"x.lora_A": torch.ones(6, 0), "x.lora_B": torch.ones(8, 3)}), "x has rank 3"),
    "fused of rank 2000": (save_torch({"x.lora_A": torch.ones(4000, 1), "x.lora_B": torch.ones(2, 2000)}), "rank 2000"),
    "half a sign": (header(b'{"\\ud800.lora_A.weight": {}}'), "holds half a sign"),
    "half a sign, raw": (header(b'{"\xed\xa0\x80": {}}'), "is not JSON"),
    "B of points": (save_torch({A: torch.ones(6, 5), B: torch.ones(7, 3, 2)}), "only A may be wider than one point"),
    "two lines": (header({"a\nb": F32}, bytes(156)), "has signs that cannot be shown"),
    "overlap": (header({A: F32, B: {**F32, "shape": [13, 3]}}, bytes(156)), "overlaps"),
    "integers": (save_torch({A: torch.ones(3, 13).long(), B: torch.ones(7, 3)}), "is stored as I64. Supported: F64,"),
    "unknown dtype": (header({A: {**F32, "dtype": "F4"}, B: {**F32, "data_offsets": [156, 312]}}, bytes(312)), "F4"),
    "mismatched": (save_torch({A: torch.ones(3, 13), B: torch.ones(7, 4)}), "x: A is 3×13 and B is 7×4"),
    "no partner": (save_torch({A: torch.ones(3, 13)}), "x.lora_A.weight has no partner"),
    "a vector": (save_torch({A: torch.ones(3), B: torch.ones(7, 3)}), "a LoRA factor is a matrix"),
    "rank 0": (save_torch({A: torch.ones(0, 13), B: torch.ones(7, 0)}), "x has rank 0"),
    "rank 2000": (save_torch({A: torch.ones(2000, 3), B: torch.ones(2, 2000)}), "x has rank 2000"),
    "no LoRA": (save_torch({"fc.weight": torch.ones(3, 13)}), "holds no LoRA factors: it holds fc.weight"),
    "nothing": (save_torch({}), "holds no LoRA factors"),
    "LoHa": (save_torch({"x.hada_w1_a": torch.ones(3, 3)}), "x lacks hada_w1_b"),
    "LoKr": (save_torch({"x.lokr_w1": torch.ones(3, 3)}), "x lacks lokr_w2"),
    "too large": (
        save_torch(
            {A: torch.full((3, 13), 1e300, dtype=torch.double), B: torch.full((7, 3), 1e300, dtype=torch.double)}
        ),
        "large",
    ),
    "kohya alpha": (
        save_torch(
            {"x.lora_down.weight": torch.ones(3, 13), "x.lora_up.weight": torch.ones(7, 3), "x.alpha": torch.ones(2)}
        ),
        "an α is one finite number",
    ),
    "pickle": (pickle.dumps({"a": 1}), "is a bare pickle, which can run foreign code"),
    "pickle bomb": (pickle.dumps(Bomb()), "is a bare pickle"),
    "torch bomb": (with_pickle(Bomb()), "asks for posix.system, which weights do not need"),
    "torch of 10¹² bytes": (with_pickle(Swollen()), "asks for"),
    "torch key": (nested(60_000, b"K\x01"), "its list of tensors cannot be read"),
    "torch storage key": (nested(60_000, None), "stores numbers as something else"),
    "torch pickle": (with_pickle([0] * 250_001), "is too long"),
    "long name": (save_torch({"a" * 501: torch.ones(1)}), "A tensor's name has 501 letters"),
    "torch half a sign": (torch_bytes({"ab\ud800": torch.ones(1)}), "has signs that cannot be shown"),
    "torch empty and far": (far_and_empty(), "x has rank 0"),
    "torch list": (torch_bytes([torch.ones(3, 3)]), "does not hold names with tensors"),
    "torch module": (with_pickle(OrderedDict(a=object())), "uses NEWOBJ, which"),
    "torch number": (torch_bytes({"a": 3}), "holds no named tensors"),
    "torch cut": (torch_bytes({A: torch.ones(3, 13)})[:-30], "The archive is cut off"),
    "zip": (zipped({"readme.txt": b"hello"}), "holds no adapter"),
    "zip bomb": (zipped({"a/data.pkl": bytes(10**7)}, zipfile.ZIP_DEFLATED), "would unpack to 10,000,000 bytes"),
    "gzip": (b"\x1f\x8b\x08" + bytes(99), "is gzip-compressed"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_one_sentence(name: str) -> None:
    data, words = BAD[name]
    with pytest.raises(AdapterError) as error:
        inspect_adapter(open_adapter("adapter.safetensors", data))
    said = str(error.value)
    assert words in said
    assert len(said) < 300 and said.endswith(".") and "\n" not in said


def claims_more_than_is_there() -> bytes:
    """A torch file whose pickle says that a storage has a million numbers, where three are."""
    whole = torch_bytes({A: torch.ones(3)})
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    (listed,) = (name for name in members if name.endswith("data.pkl"))
    members[listed] = members[listed].replace(b"cpuq\x06K\x03", b"cpuq\x06J\x40\x42\x0f\x00")
    return zipped(members)


def test_a_storage_may_not_be_longer_than_the_file_says() -> None:
    data = claims_more_than_is_there()
    assert b"\x40\x42\x0f\x00" in data
    with pytest.raises(AdapterError, match="says that storage 0 has 1000000 numbers"):
        open_weights("a", data)


def test_a_tensor_may_not_be_larger_than_its_storage() -> None:
    with pytest.raises(AdapterError, match="does not fit into its 3 stored numbers"):
        open_weights("a", torch_bytes({A: torch.ones(3).expand(10**6, 3)}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "is not JSON"),
        (b"[]", "is not a JSON table"),
        (b'{"peft_type": "IA3"}', "describes a IA3 adapter"),
        (b'{"lora_alpha": "16"}', "lora_alpha is 16, not a number"),
        (b'{"lora_alpha": NaN}', "lora_alpha is nan"),
        (b'{"lora_alpha": true}', "lora_alpha is True"),
        (b'{"peft_type": "LORA", "alpha_pattern": 3}', "alpha_pattern is not a table"),
        (b'{"peft_type": "LORA", "alpha_pattern": {"(?=a)b": 3}}', "is a regular expression"),
        (b'{"model_max_length": 4096}', "does not describe an adapter"),
        (b" " * 4_000_001, "has 4,000,001 bytes"),
    ],
)
def test_a_bad_configuration_is_refused_in_one_sentence(text: bytes, words: str) -> None:
    with pytest.raises(AdapterError, match=None) as error:
        parse_config(text)
    assert words in str(error.value)


def test_only_files_of_the_folder_are_read(tmp_path: Path) -> None:
    inside = tmp_path / "adapters"
    inside.mkdir()
    (inside / "a.safetensors").write_bytes(GOOD)
    (tmp_path / "secret").write_bytes(GOOD)
    (inside / "link").symlink_to(tmp_path / "secret")
    (inside / "empty").write_bytes(b"")
    assert inspect_adapter(open_adapter("a", FromDisk("a.safetensors", inside))).modules[0].rank == 3
    for path in ("../secret", str(tmp_path / "secret"), "link", "none", ".", "a\0b", "x" * 5000):
        with pytest.raises(AdapterError, match="is not a file under"):
            FromDisk(path, inside)
    with pytest.raises(AdapterError, match="is empty"):
        FromDisk("empty", inside)


def test_two_gigabytes_cost_nothing(tmp_path: Path) -> None:
    for size, words in ((2 * 10**9, "is not JSON"), (2 * 10**9 + 1, "up to 2,000,000,000 are read")):
        with (tmp_path / "sparse").open("wb") as file:
            file.truncate(size)
        with pytest.raises(AdapterError, match=words):
            open_adapter("sparse", FromDisk("sparse", tmp_path))
