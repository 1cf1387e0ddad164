"""Every reader of files ends every input in a value or in its one kind of error."""

import io
import json
import random
import struct
from itertools import count

import torch
from safetensors.torch import save as save_torch

from lora_viz.adapters.archive import read_members
from lora_viz.adapters.config import parse_config
from lora_viz.adapters.opening import Given, open_adapter, open_folder
from lora_viz.adapters.report import inspect_adapter
from lora_viz.adapters.source import InMemory
from lora_viz.adapters.stored import AdapterError
from lora_viz.adapters.writing import archive
from lora_viz.costs.budget import budget
from lora_viz.costs.model_config import ConfigError
from lora_viz.costs.model_config import parse_config as parse_model
from tests.adapters.kinds import KINDS
from tests.fuzz.amount import amount
from tests.fuzz.inputs import NASTY, USUAL, damaged, each_ends_well, tables


def test_adapter_config() -> None:
    fields = {
        "peft_type": ("LORA", "LOHA", "ADALORA", "IA3"), "r": (4,), "lora_alpha": (8, 8.5), "use_rslora": (True, False),
        "use_dora": (False,), "alpha_pattern": ({"q": 3, "^a.b$": 4.0}, {"(a+)+": 1}, {"a" * 600: 1},
                                                {r"l\.[0-3]\.(q|v)": 2}),
        "lora_parameters": (None, {"rank": 4, "scale": 2.0}), "target_parameters": (["m.experts.w"], None),
        "rank_pattern": ({"q": 3},), "init_lora_weights": (True, "pissa", "gaussian"), "target_modules": (["q"], "q"),
    }  # fmt: skip

    def read(text: bytes) -> None:
        config = parse_config(text)
        for path in ("q", "model.layers.0.q", "a.b", ""):
            scaling, words = config.scaling(path, 4)
            assert isinstance(scaling, float) and words.isprintable()

    read_well, refused = each_ends_well(read, tables(fields), AdapterError)
    assert min(read_well, refused) > amount(USUAL) // 40


def test_model_config() -> None:
    sizes = (1, 2, 64, 10_000_000)
    fields = {
        "model_type": ("llama", "gemma2", "qwen3", "gpt2", "bert", "roberta", "vit", "mixtral"), "hidden_size": sizes,
        "num_hidden_layers": sizes, "num_attention_heads": (1, 2, 4), "num_key_value_heads": (1, 2),
        "head_dim": (2, 64), "intermediate_size": sizes, "vocab_size": sizes, "n_embd": sizes, "n_layer": sizes,
        "n_positions": sizes, "n_inner": (None, 8), "tie_word_embeddings": (True, False), "attention_bias": (True,),
        "num_experts": (None, 0), "patch_size": (16,), "image_size": (224, 1), "num_channels": (3,), "id2label": ({},),
        "_name_or_path": ("org/name", "![](//host)"), "text_config": (None,), "type_vocab_size": (2,),
    }  # fmt: skip

    def read(text: bytes) -> None:
        shape = parse_model(text.decode("utf-8", "surrogateescape"))
        budget(shape, shape.names[:2], 8)
        assert shape.title.isprintable()

    read_well, refused = each_ends_well(read, tables(fields), ConfigError)
    assert min(read_well, refused) > amount(USUAL) // 40


def safetensors() -> list[bytes]:
    g = torch.Generator().manual_seed(0)
    A, B = torch.randn(3, 13, generator=g), torch.randn(7, 3, generator=g)
    peft = {f"base_model.model.l.{i}.q.lora_{x}.weight": t.bfloat16() for i in (0, 1) for x, t in (("A", A), ("B", B))}
    kohya = {"m.lora_down.weight": A.half(), "m.lora_up.weight": B.half(), "m.alpha": torch.tensor(2.0)}
    return [
        save_torch(peft),
        save_torch(kohya),
        save_torch({"q.lora_A": A, "q.lora_B": B, "head.weight": torch.ones(2, 2)}),
    ]


def torch_file() -> bytes:
    out = io.BytesIO()
    whole = torch.arange(60.0).view(6, 10)
    torch.save({"l.0.q.lora_A": whole[:3], "l.0.q.lora_B": whole.T[:7, :3], "head.weight": torch.ones(2, 2)}, out)
    return out.getvalue()


def folder() -> bytes:
    config = b'{"peft_type": "LORA", "r": 3, "lora_alpha": 6, "alpha_pattern": {"l.0.q": 3}}'
    return archive({"a/adapter_config.json": config, "a/adapter_model.safetensors": safetensors()[0]})


def inspected(data: bytes) -> None:
    inspect_adapter(open_adapter("a", data))


def test_damaged_safetensors() -> None:
    words = (
        b'"shape":[0,',
        b"281474976710655",
        b'"BF16"',
        b'"F64"',
        b"[0,0]",
        b"\\ud800",
        b"lora_",
        b".alpha",
        b'{"":',
    )
    read, refused = each_ends_well(inspected, damaged(safetensors(), words), AdapterError)
    assert min(read, refused) > amount(USUAL) // 40


def test_headers_of_wrong_values() -> None:
    entry = {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}
    entries = (
        entry, {**entry, "shape": [0, 2**47, 2**47], "data_offsets": [0, 0]}, {**entry, "shape": [2**47, 0]},
        {**entry, "shape": [2, 3], "data_offsets": [24, 48]}, {"dtype": "I64", "shape": [], "data_offsets": [0, 8]},
        {**entry, "dtype": "F16", "shape": [3, 2, 1, 2]}, {**entry, "shape": [0, 3], "data_offsets": [24, 24]},
    )  # fmt: skip
    names = ("q.lora_A.weight", "q.lora_B.weight", "q.alpha", "v.lora_A", "v.lora_B", "head", "\ud800", "a\nb")
    fields = {name: entries for name in names} | {"__metadata__": ({"format": "pt"},)}

    def read(header: bytes) -> None:
        inspected(struct.pack("<Q", len(header)) + header + bytes(range(48)))

    _, refused = each_ends_well(read, tables(fields), AdapterError)
    assert refused > amount(USUAL) // 2


def test_damaged_torch_files() -> None:
    words = (
        b"(lp0\n",
        b"\x8a\x08" + b"\xff" * 8,
        b"\x94",
        b"h\x00",
        b"X\x03\x00\x00\x00\xed\xa0\x80",
        b"Q",
        b"R",
        b"\x85",
    )
    read, refused = each_ends_well(inspected, damaged([torch_file()], words), AdapterError)
    assert min(read, refused) > amount(USUAL) // 40


def test_damaged_archives() -> None:
    words = (b"PK\x05\x06", b"PK\x06\x06", b"PK\x01\x02", b"\xff\xff\xff\xff", b"\x01\x00\x18\x00")

    def read(data: bytes) -> None:
        read_members(InMemory(data))
        inspected(data)

    read_well, refused = each_ends_well(read, damaged([folder()], words), AdapterError)
    assert min(read_well, refused) > amount(USUAL) // 40


def test_damaged_files_of_every_kind() -> None:
    """``make fuzz`` tries tens of thousands of each."""
    given = [(kind.data, kind.config) for kind in KINDS.values()]
    words = (b"lora_", b"hada_", b"lokr_w1", b".alpha", b"\xff" * 8, b'"shape":[0,', b"adapter", b"lora_E", b"[3,1,1]")
    streams = [damaged([data], words, seed=i) for i, (data, _) in enumerate(given)]
    turns = (i % len(given) for i in count())

    def read(at: int) -> None:
        inspect_adapter(open_adapter("a", next(streams[at]), given[at][1]))

    read_well, refused = each_ends_well(read, turns, AdapterError, count=amount(4_000))
    assert min(read_well, refused) > amount(4_000) // 10


def test_damaged_folders() -> None:
    names = ("adapter_config.json", "adapter_model.safetensors", "a/adapter_model-00001-of-00002.safetensors", "b.bin",
             "README.md", "checkpoint-10/adapters.safetensors", "lora_config.json", "training_args.bin")  # fmt: skip
    contents = (safetensors()[0], b"{}", b'{"peft_type": "LORA", "lora_alpha": 6}', torch_file(), b"", b"GGUF", b"[")
    rng = random.Random(5)

    def folder(_: int) -> None:
        files = [Given(rng.choice(names), InMemory(rng.choice(contents))) for _ in range(rng.randrange(7))]
        inspect_adapter(open_folder("folder", files))

    read, refused = each_ends_well(folder, count(), AdapterError, count=amount(2_000))
    assert min(read, refused) > 50


def test_nasty_values_are_nasty() -> None:
    assert "\ud800" in NASTY and json.dumps(10**400)
