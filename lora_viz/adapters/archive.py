"""Where do the members of a zip archive lie? Uncompressed ones are read where they lie, as torch.save writes them.

Of a folder packed by somebody a chosen member is unpacked, to at most a few times its packed size: a small archive
cannot become a large one.
"""

from __future__ import annotations

import struct
import zlib
from itertools import pairwise

from lora_viz.adapters.source import Source
from lora_viz.adapters.stored import AdapterError, short
from lora_viz.i18n.language import say

__all__ = ["Members", "Packed", "is_archive", "read_members", "unpacked"]

Members = dict[str, tuple[int, int]]  # where each begins, and its size
Packed = dict[str, tuple[int, int, int]]  # where each begins, its packed size, its size
WIDER, WIDER_FREE = 8, 1_000_000  # how many times its packed size a member may have, beyond so many bytes
MEMBERS_MOST, DIRECTORY_MOST = 50_000, 8_000_000
_END, _END64, _ENTRY, _LOCAL = b"PK\x05\x06", b"PK\x06\x06", b"PK\x01\x02", b"PK\x03\x04"


def is_archive(buffer: Source) -> bool:
    """Does it begin as a zip archive does?"""
    return bytes(buffer[:4]) in (_LOCAL, _END)


def read_members(buffer: Source, packed: Packed | None = None) -> Members:
    """Where each member's bytes lie, by name. Raises AdapterError for one that is cut, encrypted or crooked.

    Deflated ones are put into ``packed``; without it they are refused too.
    """
    try:
        count, size, offset = _directory(buffer)
        if count > MEMBERS_MOST or size > DIRECTORY_MOST:
            raise AdapterError(
                say("The archive lists {count:,} members: up to {most:,} are read.", count=count, most=MEMBERS_MOST)
            )
        if offset + size > len(buffer):
            raise AdapterError(say("The archive is cut off: its directory is not all there."))
        return _members(buffer, count, bytes(buffer[offset : offset + size]), packed)
    except (struct.error, UnicodeDecodeError):
        raise AdapterError(say("The archive is damaged: its directory cannot be read.")) from None


def _directory(buffer: Source) -> tuple[int, int, int]:
    tail_start = max(0, len(buffer) - 22 - 65_535)
    tail = bytes(buffer[tail_start:])
    at = tail.rfind(_END)
    if at < 0:
        raise AdapterError(say("The archive is cut off: a zip archive or torch file ends with its directory."))
    count, size, offset = struct.unpack_from("<HII", tail, at + 10)
    if 0xFFFF in (count,) or 0xFFFFFFFF in (size, offset):
        if at < 20:
            raise AdapterError(say("The archive is damaged: its directory cannot be read."))
        (at64,) = struct.unpack_from("<Q", tail, at - 12)
        if bytes(buffer[at64 : at64 + 4]) != _END64:
            raise AdapterError(say("The archive is damaged: its directory cannot be read."))
        count, size, offset = struct.unpack("<QQQ", buffer[at64 + 32 : at64 + 56])
    return count, size, offset


def _members(buffer: Source, count: int, listed: bytes, deflated: Packed | None) -> Members:
    found: Members = {}
    takes: Members = {}
    at = 0
    for _ in range(count):
        if at + 46 > len(listed) or listed[at : at + 4] != _ENTRY:
            raise AdapterError(say("The archive is damaged: its directory cannot be read."))
        flags, method = struct.unpack_from("<HH", listed, at + 8)
        packed, size, name_length, extra_length, comment_length = struct.unpack_from("<IIHHH", listed, at + 20)
        (local,) = struct.unpack_from("<I", listed, at + 42)
        name = listed[at + 46 : at + 46 + name_length].decode()
        extra = listed[at + 46 + name_length : at + 46 + name_length + extra_length]
        size, packed, local = _wide(extra, size, packed, local)
        at += 46 + name_length + extra_length + comment_length
        if name.endswith("/"):
            continue
        small = method == 8 and deflated is not None
        if flags & 1 or (method and not small) or (not method and packed != size):
            raise AdapterError(say("The archive's member {name} is compressed or encrypted: unpack the archive and "
                                   "give the adapter file itself.", name=short(name)))  # fmt: skip
        here = bytes(buffer[local : local + 30])
        if here[:4] != _LOCAL or len(here) < 30:
            raise AdapterError(
                say("The archive is damaged: its member {name} is not where it should be.", name=short(name))
            )
        local_name, local_extra = struct.unpack_from("<HH", here, 26)
        start = local + 30 + local_name + local_extra
        if start + packed > len(buffer):
            raise AdapterError(say("The archive is cut off: its member {name} is not all there.", name=short(name)))
        if name in takes:
            raise AdapterError(say("The archive names {name} twice.", name=short(name)))
        takes[name] = start, packed
        if small and deflated is not None:
            deflated[name] = start, packed, size
        else:
            found[name] = start, size
    taken = sorted((start, size, name) for name, (start, size) in takes.items())
    for (start, size, one), (after, _, other) in pairwise(taken):
        if after < start + size:
            raise AdapterError(
                say("The archive's members {one} and {other} overlap.", one=short(one), other=short(other))
            )
    return found


def unpacked(buffer: Source, name: str, member: tuple[int, int, int]) -> bytes:
    """A deflated member's bytes. Raises AdapterError where they are not what the archive says, or far too many."""
    start, packed, size = member
    if size > WIDER * packed + WIDER_FREE:
        raise AdapterError(say("The archive's member {name} would unpack to {size:,} bytes from {packed:,}: unpack it "
                               "yourself and give the file.", name=short(name), size=size, packed=packed))  # fmt: skip
    try:
        found = zlib.decompressobj(-15).decompress(bytes(buffer[start : start + packed]), size + 1)
    except zlib.error:
        found = b""
    if len(found) != size:
        raise AdapterError(say("The archive is damaged: its member {name} cannot be unpacked.", name=short(name)))
    return found


def _wide(extra: bytes, size: int, packed: int, local: int) -> tuple[int, int, int]:
    """Sizes of a member as zip64 writes them: those that do not fit stand in an extra field, in this order."""
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, at)
        if tag == 1:
            values = iter(struct.unpack_from(f"<{length // 8}Q", extra, at + 4))
            size, packed, local = (
                next(values, value) if value == 0xFFFFFFFF else value for value in (size, packed, local)
            )
        at += 4 + length
    return size, packed, local
