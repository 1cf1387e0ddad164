"""How is an adapter written? As safetensors bytes, and as a PEFT folder in an archive that this app can read again."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from lora_viz.adapters.stored import FLOATS

__all__ = ["Packed", "archive", "pack", "peft_config", "peft_folder", "rounded", "write_safetensors"]

Packed = tuple[str, tuple[int, ...], bytes]  # number format, shape, the bytes
PREFIX = "base_model.model."


def pack(values: np.ndarray, dtype: str) -> Packed:
    """An array in the number format of a file; bfloat16 rounds to the nearest, ties to even."""
    return dtype, values.shape, rounded(values, dtype).tobytes()


def rounded(values: np.ndarray, dtype: str) -> np.ndarray:
    """The numbers as a file stores them, bfloat16 as its bits: what ``stored.widened`` takes."""
    with np.errstate(over="ignore"):
        if dtype != "BF16":
            return np.ascontiguousarray(values, FLOATS[dtype])
        bits = np.ascontiguousarray(values, "<f4").view("<u4")
        nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
        return np.where(np.isnan(values), 0x7FC0, nearest).astype("<u2")


def unpack(packed: Packed) -> np.ndarray:
    """The numbers that will be read again, float64."""
    dtype, shape, data = packed
    raw = np.frombuffer(data, FLOATS[dtype])
    if dtype == "BF16":
        raw = (raw.astype("<u4") << 16).view("<f4")
    return raw.astype(np.float64).reshape(shape)


def write_safetensors(tensors: Mapping[str, Packed], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file: a header of JSON, padded to 8 bytes, then the numbers in this order."""
    header: dict[str, Any] = {"__metadata__": dict(metadata or {"format": "pt"})}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *(data for _, _, data in tensors.values())])


def archive(members: Mapping[str, bytes | str]) -> bytes:
    """An uncompressed zip archive: factors hardly compress, and what is stored as it is can be read where it lies."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as found:
        for name, data in members.items():
            found.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return out.getvalue()


def peft_config(
    ranks: Mapping[str, int], *, alphas: Mapping[str, float] | None = None, given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The adapter_config.json of modules with these ranks; α is the rank, so that s = 1, unless ``alphas`` says more.

    ``given`` is the configuration it replaces: what has nothing to do with ranks and scales stays as it was.
    """
    r = max(ranks.values())
    alpha = {path: float(rank) for path, rank in ranks.items()} | dict(alphas or {})
    usual = next(alpha[path] for path, rank in ranks.items() if rank == r)
    config = {
        "peft_type": "LORA", "task_type": None, "base_model_name_or_path": None, "inference_mode": True,
        "target_modules": list(ranks), "fan_in_fan_out": False, "bias": "none", "lora_dropout": 0.0,
        "use_rslora": False, **(given or {}),
    }  # fmt: skip
    # PEFT takes the first key that ends a path: the longest first, lest a short one catch a longer one's module.
    exact = sorted(ranks, key=len, reverse=True)
    return config | {
        "r": r,
        "lora_alpha": usual,
        "rank_pattern": {path: ranks[path] for path in exact if ranks[path] != r},
        "alpha_pattern": {path: alpha[path] for path in exact if alpha[path] != usual},
    }


def peft_folder(config: Mapping[str, Any], tensors: Mapping[str, Packed], beside: Mapping[str, bytes | str]) -> bytes:
    """A folder that PeftModel.from_pretrained loads, as an archive, with what else shall lie in it."""
    return archive(
        {
            "adapter/adapter_config.json": json.dumps(config, indent=1) + "\n",
            "adapter/adapter_model.safetensors": write_safetensors(tensors),
            **beside,
        }
    )
