"""Which tensors does a file hold, and what are their numbers? Read when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.adapters.refusing import AdapterError, short
from lora_viz.adapters.source import Source
from lora_viz.i18n.language import say

__all__ = [
    "FLOATS",
    "NARROW",
    "SIZES",
    "AdapterError",
    "Stored",
    "Weights",
    "check_names",
    "check_shape",
    "short",
    "widened",
]

NAME_MOST, TENSORS_MOST = 500, 50_000

SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E4M3FNUZ": 1,
    "F8_E5M2FNUZ": 1, "F8_E8M0": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
NARROW = {"F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E4M3FNUZ": "float8_e4m3fnuz",
          "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E8M0": "float8_e8m0fnu"}  # as torch calls them  # fmt: skip
FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}  # bfloat16 is the upper half of a float32


_WHOLE = {"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1"}


class Stored(NamedTuple):
    """One tensor: its number format, its shape, its first byte, its strides in elements (None: dense)."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    strides: tuple[int, ...] | None = None

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def reach(self) -> int:
        """How many numbers lie between its first and its last, both included."""
        if self.strides is None or not self.numel:
            return self.numel
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))


class Weights(NamedTuple):
    """A file's tensors by name, and the text it carries beside them. Nothing is converted before it is read."""

    kind: str
    buffer: Source
    entries: Mapping[str, Stored]
    metadata: Mapping[str, str]

    def read(self, name: str) -> Float[np.ndarray, "..."]:
        """The numbers of one tensor, float64 where stored so, else float32; read-only. Raises AdapterError."""
        return widened(self.stored(name), self.entries[name].dtype)

    def stored(self, name: str) -> np.ndarray:
        """The same as it is stored, bfloat16 as its bits: what ``widened`` takes."""
        entry = self.entries[name]
        if entry.dtype not in FLOATS and entry.dtype not in NARROW:
            raise AdapterError(say("{name} is stored as {dtype}. Supported: {known}.", name=short(name),
                                   dtype=short(entry.dtype), known=", ".join((*FLOATS, *NARROW))))  # fmt: skip
        return self._raw(entry)

    def numbers(self, name: str) -> np.ndarray:
        """The same as ``read``, of whole numbers too: an α may be stored as one."""
        entry = self.entries[name]
        kind = _WHOLE.get(entry.dtype)
        return self.read(name) if kind is None else self._raw(entry).view(kind).astype(np.float64)

    def raw_bytes(self, name: str) -> bytes:
        """One tensor as it is stored, dense and in order, whatever its number format."""
        entry = self.entries[name]
        if entry.strides is None:
            return bytes(self.buffer[entry.start : entry.start + entry.numel * SIZES[entry.dtype]])
        return self._raw(entry).tobytes()

    def _raw(self, entry: Stored) -> np.ndarray:
        kind = np.dtype(FLOATS.get(entry.dtype, f"<u{SIZES[entry.dtype]}"))
        if not entry.numel:
            return np.zeros(entry.shape, kind)
        data = self.buffer[entry.start : entry.start + entry.reach * kind.itemsize]
        flat = np.frombuffer(data, kind)
        if entry.strides is None:
            return flat.reshape(entry.shape)
        steps = tuple(s * kind.itemsize for s in entry.strides)
        return np.lib.stride_tricks.as_strided(flat, entry.shape, steps, writeable=False)


def widened(stored: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers as they are stored, in float64 where stored so, else in float32."""
    if dtype in NARROW:
        return np.asarray(_narrow(dtype)[stored])
    if dtype == "BF16":  # one number alone stays an array
        return np.asarray(stored.astype(np.uint32) << 16).view(np.float32)
    return stored if dtype in ("F64", "F32") else stored.astype(np.float32)


@cache
def _narrow(dtype: str) -> Float[np.ndarray, "256"]:
    """What each of the 256 bytes of an 8-bit format stands for, as torch reads it."""
    import torch  # only such files need it

    return torch.arange(256, dtype=torch.uint8).view(getattr(torch, NARROW[dtype])).float().numpy()


def check_shape(name: str, shape: Sequence[int]) -> None:
    """A tensor of no numbers may claim any other size: refused is one that could not be laid out. AdapterError."""
    if math.prod(n or 1 for n in shape) >= 2**48:
        raise AdapterError(say("{name} has the shape {shape}: no file holds as much.", name=short(name),
                               shape="×".join(short(n, 20) for n in shape)))  # fmt: skip


def check_names(names: Collection[str]) -> None:
    """Names stand in sentences, tables and patterns: 50,000 of up to 500 printable letters are read. AdapterError."""
    if len(names) > TENSORS_MOST:
        raise AdapterError(
            say("The file lists {count:,} tensors: up to {most:,} are read.", count=len(names), most=TENSORS_MOST)
        )
    if (longest := max(map(len, names), default=0)) > NAME_MOST:
        raise AdapterError(
            say("A tensor's name has {longest:,} letters: up to {most} are read.", longest=longest, most=NAME_MOST)
        )
    if (odd := next((name for name in names if not name.isprintable()), None)) is not None:
        raise AdapterError(
            say("The tensor's name {name} has signs that cannot be shown: the file is damaged.", name=short(odd))
        )
