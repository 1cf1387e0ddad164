"""Which tensors does a file hold, and what are their numbers? Bytes in memory or mapped from disk, read when asked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say

__all__ = ["FLOATS", "SIZES", "AdapterError", "Stored", "Weights", "check_names", "short"]

NAME_MOST, TENSORS_MOST = 500, 50_000

SIZES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
FLOATS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}  # bfloat16 is the upper half of a float32


class AdapterError(Refusal):
    """One sentence that names what was given and what is allowed."""


class Stored(NamedTuple):
    """One tensor: its number format, its shape, its first byte, its strides in elements (None: dense)."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    strides: tuple[int, ...] | None = None

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


class Weights(NamedTuple):
    """A file's tensors by name, and the text it carries beside them. Nothing is converted before it is read."""

    kind: str
    buffer: memoryview
    entries: Mapping[str, Stored]
    metadata: Mapping[str, str]

    def read(self, name: str) -> Float[np.ndarray, "..."]:
        """The numbers of one tensor, float64 where stored so, else float32; read-only. Raises AdapterError."""
        entry = self.entries[name]
        if entry.dtype not in FLOATS:
            raise AdapterError(say("{name} is stored as {dtype}: read are F64, F32, F16 and BF16, nothing else.",
                                   name=short(name), dtype=short(entry.dtype)))  # fmt: skip
        raw = self._raw(entry)
        if entry.dtype == "BF16":
            return (raw.astype(np.uint32) << 16).view(np.float32)
        return raw if entry.dtype in ("F64", "F32") else raw.astype(np.float32)

    def raw_bytes(self, name: str) -> bytes:
        """One tensor as it is stored, dense and in order, whatever its number format."""
        entry = self.entries[name]
        if entry.strides is None:
            return bytes(self.buffer[entry.start : entry.start + entry.numel * SIZES[entry.dtype]])
        return self._raw(entry).tobytes()

    def _raw(self, entry: Stored) -> np.ndarray:
        kind = np.dtype(FLOATS.get(entry.dtype, f"<u{SIZES[entry.dtype]}"))
        if entry.strides is None or entry.numel == 0:
            return np.frombuffer(self.buffer, kind, entry.numel, entry.start).reshape(entry.shape)
        reach = 1 + sum((n - 1) * s for n, s in zip(entry.shape, entry.strides, strict=True))
        flat = np.frombuffer(self.buffer, kind, reach, entry.start)
        steps = tuple(s * kind.itemsize for s in entry.strides)
        return np.lib.stride_tricks.as_strided(flat, entry.shape, steps, writeable=False)


def check_names(names: Collection[str]) -> None:
    """Names stand in sentences, tables and patterns: 50,000 of up to 500 letters are read. Raises AdapterError."""
    if len(names) > TENSORS_MOST:
        raise AdapterError(
            say("The file lists {count:,} tensors: up to {most:,} are read.", count=len(names), most=TENSORS_MOST)
        )
    if (longest := max(map(len, names), default=0)) > NAME_MOST:
        raise AdapterError(
            say("A tensor's name has {longest:,} letters: up to {most} are read.", longest=longest, most=NAME_MOST)
        )


def short(text: object, most: int = 60) -> str:
    """A name from a file, fit to stand in a sentence: printable, and no longer than it needs to be."""
    seen = "".join(c if c.isprintable() else "?" for c in str(text)[: most + 1])
    return seen if len(seen) <= most else seen[: most - 1] + "…"
