"""What does a safetensors file hold? Its header is read with every claim checked; the numbers stay where they lie."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from lora_viz.adapters.source import Source
from lora_viz.adapters.stored import SIZES, AdapterError, Stored, Weights, check_names, check_shape, short
from lora_viz.i18n.language import say

__all__ = ["HEADER_MOST", "parse_json", "read_safetensors"]

_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
HEADER_MOST = 8_000_000  # a large adapter with its training log has 1 MB


def read_safetensors(buffer: Source) -> Weights:
    """The tensors of a safetensors file: 8 bytes of header length, the header as JSON, then the numbers.

    Raises AdapterError where the header is cut, too long, not JSON, or claims bytes that are not there or not its own.
    """
    if len(buffer) < 8:
        raise AdapterError(say("The file has {size} bytes: a safetensors file has at least 8.", size=len(buffer)))
    length = int.from_bytes(buffer[:8], "little")
    if length > HEADER_MOST:
        raise AdapterError(say("This is not a safetensors file: it would have a header of {length:,} bytes: up to "
                               "{most:,} are read.", length=length, most=HEADER_MOST))  # fmt: skip
    if 8 + length > len(buffer):
        raise AdapterError(say("The file is cut off: its header has {length:,} bytes, the whole file {size:,}.",
                               length=length, size=len(buffer)))  # fmt: skip
    header = parse_json(bytes(buffer[8 : 8 + length]), say("The file's header"))
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise AdapterError(say("The file's __metadata__ is not a table of texts."))
    check_names(header)
    entries = {name: _entry(name, given, 8 + length, len(buffer)) for name, given in header.items()}
    _apart(entries)
    return Weights("safetensors", buffer, entries, metadata)


def _entry(name: str, given: Any, base: int, end: int) -> Stored:
    if not isinstance(given, dict):
        raise AdapterError(say("The header's entry {name} is not a table.", name=short(name)))
    dtype: Any = given.get("dtype")
    shape: Any = given.get("shape")
    offsets: Any = given.get("data_offsets")
    if not isinstance(dtype, str) or not _whole(shape) or not _whole(offsets) or len(offsets) != 2:
        raise AdapterError(
            say("The header's entry {name} lacks a dtype, a shape or two data_offsets.", name=short(name))
        )
    if len(shape) > 8:
        raise AdapterError(say("{name} has {count} dimensions: up to 8 are read.", name=short(name), count=len(shape)))
    check_shape(name, shape)
    start, stop = offsets
    if not start <= stop <= end - base:
        raise AdapterError(say("The file is cut off: {name} should end at byte {byte}, the file ends at {end:,}.",
                               name=short(name), byte=_size(base + stop), end=end))  # fmt: skip
    if dtype not in SIZES:
        return Stored(short(dtype, 12), (stop - start,), base + start)
    if math.prod(shape) * SIZES[dtype] != stop - start:
        raise AdapterError(say("{name} with shape {shape} in {dtype} needs {needed} bytes: the header gives it "
                               "{given:,}.", name=short(name), shape=short(shape), dtype=dtype,
                               needed=_size(math.prod(shape) * SIZES[dtype]), given=stop - start))  # fmt: skip
    return Stored(dtype, tuple(shape), base + start)


def _whole(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and 0 <= n < 2**48 for n in value)


def _size(count: int) -> str:
    return f"{count:,}" if count < 1e15 else say("more than 10¹⁵")


def _apart(entries: dict[str, Stored]) -> None:
    """Bytes that served two tensors would let a small file ask for the work of a large one."""
    end, before = 0, ""
    for name, entry in sorted(entries.items(), key=lambda item: item[1].start):
        if entry.start < end:
            raise AdapterError(say("{name} overlaps {other}: every tensor has bytes of its own.", name=short(name),
                                   other=short(before)))  # fmt: skip
        end, before = entry.start + entry.numel * SIZES.get(entry.dtype, 1), name


def parse_json(text: bytes, what: str) -> dict[str, Any]:
    """A JSON table in which no name comes twice. Raises AdapterError in the words of ``what``."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        table = dict(pairs)
        if len(table) != len(pairs):
            raise AdapterError(say("{what} names something twice.", what=what))
        return table

    try:
        found = json.loads(text.decode("utf-8-sig"), object_pairs_hook=once)
        if _HALF.search(text):
            json.dumps(found, ensure_ascii=False).encode()
    except AdapterError:
        raise
    except UnicodeEncodeError:
        raise AdapterError(say("{what} holds half a sign (a lone surrogate): it is damaged.", what=what)) from None
    except (ValueError, RecursionError):
        raise AdapterError(say("{what} is not JSON: the file is damaged, or of another kind.", what=what)) from None
    if not isinstance(found, dict):
        raise AdapterError(say("{what} is not a JSON table.", what=what))
    return found
