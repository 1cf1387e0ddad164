"""What does a GGUF adapter hold? Its header and list of tensors, every claim held against the file's size.

The package gguf reads such files from a mapped file only, which ends the process when somebody cuts the file; its
writer is what the tests hold this against. Quantised tensors are named, not read.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

from lora_viz.adapters.source import Source
from lora_viz.adapters.stored import SIZES, AdapterError, Stored, Weights, check_names, check_shape, short
from lora_viz.i18n.language import say, to_say

__all__ = ["read_gguf"]

HEADER_MOST, FIELDS_MOST = 16_000_000, 100_000
_VALUES = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TYPES = {0: "F32", 1: "F16", 28: "F64", 30: "BF16"}
_QUANTISED = {2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K",
              14: "Q6_K"}  # fmt: skip
_DAMAGED = to_say("The GGUF file is damaged: its list of tensors cannot be read.")


class _Reader:
    """Bytes one after the other; what is not there is one sentence."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def one(self, form: str) -> Any:
        try:
            (value,) = struct.unpack_from(form, self.data, self.at)
        except struct.error:
            raise AdapterError(say(_DAMAGED)) from None
        self.at += struct.calcsize(form)
        return value

    def text(self) -> str:
        length = self.one("<Q")
        if length > len(self.data) - self.at:
            raise AdapterError(say(_DAMAGED))
        raw = self.data[self.at : self.at + length]
        self.at += length
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise AdapterError(say(_DAMAGED)) from None

    def value(self, kind: int) -> Any:
        """A field's value; a list is stepped over."""
        if kind in _VALUES:
            return self.one(_VALUES[kind])
        if kind == 8:
            return self.text()
        if kind != 9:
            raise AdapterError(say(_DAMAGED))
        inner, count = self.one("<I"), self.one("<Q")
        if inner == 8:
            if count > len(self.data) // 8:
                raise AdapterError(say(_DAMAGED))
            for _ in range(count):
                self.text()
        elif inner in _VALUES and count <= len(self.data):
            self.at += count * struct.calcsize(_VALUES[inner])
        else:
            raise AdapterError(say(_DAMAGED))
        return None


def read_gguf(buffer: Source) -> Weights:
    """The tensors of a GGUF file of type adapter; shapes are turned to numpy's order. Raises AdapterError."""
    head = _Reader(bytes(buffer[: min(len(buffer), HEADER_MOST)]))
    head.at = 4
    version, tensors, fields = head.one("<I"), head.one("<Q"), head.one("<Q")
    if version not in (2, 3) or fields > FIELDS_MOST or tensors > FIELDS_MOST:
        raise AdapterError(say(_DAMAGED))
    said: dict[str, Any] = {}
    for _ in range(fields):
        name = head.text()
        said[name] = head.value(head.one("<I"))
    if said.get("general.type") != "adapter" or said.get("adapter.type") != "lora":
        raise AdapterError(say("This GGUF file is of type {type}. Supported: those of type adapter that hold a LoRA.",
                               type=short(said.get("general.type", say("nothing")), 30)))  # fmt: skip
    listed = []
    for _ in range(tensors):
        name, dims = head.text(), head.one("<I")
        if dims > 8:
            raise AdapterError(say(_DAMAGED))
        shape = tuple(head.one("<Q") for _ in range(dims))[::-1]
        listed.append((name, shape, head.one("<I"), head.one("<Q")))
    align = said.get("general.alignment", 32)
    if type(align) is not int or not 0 < align <= 4096:
        raise AdapterError(say(_DAMAGED))
    start = head.at + -head.at % align
    entries: dict[str, Stored] = {}
    ends: list[tuple[int, int]] = []
    for name, shape, kind, offset in listed:
        if any(n >= 2**48 for n in shape) or name in entries:
            raise AdapterError(say(_DAMAGED))
        check_shape(name, shape)
        dtype = _TYPES.get(kind, _QUANTISED.get(kind, f"GGML {kind}"))
        entry = Stored(dtype, shape, start + offset)
        size = entry.numel * SIZES[dtype] if dtype in SIZES else 0
        if entry.start + size > len(buffer):
            raise AdapterError(say("The file is cut off: {name} should end at byte {byte}, the file ends at {end:,}.",
                                   name=short(name), byte=f"{entry.start + size:,}", end=len(buffer)))  # fmt: skip
        entries[name] = entry
        ends.append((entry.start, entry.start + size))
    check_names(entries)
    ends.sort()
    if any(after < end for (_, end), (after, _) in pairwise(ends)):
        raise AdapterError(say(_DAMAGED))
    return Weights("gguf", buffer, entries, {k: str(v) for k, v in said.items() if isinstance(v, str | int | float)})
