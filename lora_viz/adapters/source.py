"""A file's bytes, wherever they lie: in memory, or on a disk where others may cut or change the file meanwhile.

A file on disk is read, never mapped: a read from a mapped file that somebody has cut ends the whole process.
"""

from __future__ import annotations

import os
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from lora_viz.adapters.refusing import AdapterError, short
from lora_viz.i18n.language import say

__all__ = ["FromDisk", "InMemory", "Joined", "Source", "as_source", "let_go_words"]

_moving = threading.Lock()


class Source(ABC):
    """Bytes that are read where they are asked for: ``source[a:b]``, cut at the end as slices are."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, where: slice) -> memoryview:
        """These bytes. Raises AdapterError where they cannot be read any more."""

    def part(self, start: int, stop: int) -> Source:
        """These bytes as a source of their own."""
        begin, end, _ = slice(start, stop).indices(len(self))
        return _Part(self, begin, end)


class InMemory(Source):
    """Bytes that are there, until ``let_go`` is called for the sake of others."""

    def __init__(self, data: bytes | memoryview, name: str = "") -> None:
        self._data: memoryview | None = memoryview(data)
        self._size, self._name = len(self._data), name

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, where: slice) -> memoryview:
        data = self._data
        if data is None:
            raise AdapterError(let_go_words(self._name))
        return data[where]

    @property
    def gone(self) -> bool:
        """Whether it was let go."""
        return self._data is None

    def let_go(self) -> None:
        """Forget the bytes; whoever reads on is told so."""
        self._data = None


def let_go_words(name: str) -> str:
    """What is said to the owner of a file that was let go."""
    return say("{name} was let go: the files of all visitors together need more memory than this server has for them. "
               "Give it again.", name=short(name))  # fmt: skip


class FromDisk(Source):
    """A file under ``folder``, its size as it was when it was opened. Raises AdapterError for anything else.

    A read that finds less than that, or a file that was written to since, is refused in one sentence.
    """

    def __init__(self, path: str, folder: Path) -> None:
        where = say("{path} is not a file under {folder}.", path=short(path), folder=folder)
        try:
            found = (folder / path).resolve(strict=True)
            inside = found.is_file() and found.is_relative_to(folder.resolve())
        except (OSError, ValueError, RuntimeError):
            raise AdapterError(where) from None
        if not inside:
            raise AdapterError(where)
        try:
            self._file = os.open(found, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError:
            raise AdapterError(say("{path} cannot be read.", path=short(path))) from None
        weakref.finalize(self, os.close, self._file)
        self._path = path
        self._seen = os.fstat(self._file)
        if not len(self):
            raise AdapterError(say("{path} is empty: 0 bytes.", path=short(path)))

    def __len__(self) -> int:
        return self._seen.st_size

    @property
    def version(self) -> str:
        """Another one whenever the file was written anew."""
        return f"{self._seen.st_ino} {self._seen.st_mtime_ns} {self._seen.st_size}"

    def __getitem__(self, where: slice) -> memoryview:
        start, stop, _ = where.indices(len(self))
        try:
            data = _read(self._file, start, max(0, stop - start))
            now = os.fstat(self._file)
        except OSError:
            raise AdapterError(say("{path} cannot be read.", path=short(self._path))) from None
        whole = len(data) == max(0, stop - start)
        if not whole or (now.st_mtime_ns, now.st_size) != (self._seen.st_mtime_ns, self._seen.st_size):
            raise AdapterError(say("{path} was changed while it was read: give it again when it is all written.",
                                   path=short(self._path)))  # fmt: skip
        return memoryview(data)


def _read(file: int, start: int, size: int) -> bytes:
    """So many bytes, fewer where the file ends before. One call of the system reads up to 2 GB."""
    if not hasattr(os, "pread"):  # Windows
        with _moving:
            os.lseek(file, start, os.SEEK_SET)
            return os.read(file, size)
    first = os.pread(file, size, start)
    if len(first) == size or not first:
        return first
    return first + _read(file, start + len(first), size - len(first))


class _Part(Source):
    """Some bytes of another source."""

    def __init__(self, whole: Source, start: int, stop: int) -> None:
        self._whole, self._start, self._size = whole, start, max(0, stop - start)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, where: slice) -> memoryview:
        start, stop, _ = where.indices(self._size)
        return self._whole[self._start + start : self._start + stop]


class Joined(Source):
    """Several sources one after the other, as the parts of one adapter are."""

    def __init__(self, parts: Sequence[Source]) -> None:
        self._parts = tuple(parts)
        self.starts = tuple(accumulate((len(part) for part in self._parts), initial=0))

    def __len__(self) -> int:
        return self.starts[-1]

    def __getitem__(self, where: slice) -> memoryview:
        start, stop, _ = where.indices(len(self))
        found = [
            part[max(0, start - first) : max(0, stop - first)]
            for part, first in zip(self._parts, self.starts, strict=False)
            if first < stop and start < first + len(part)
        ]
        return found[0] if len(found) == 1 else memoryview(b"".join(found))


def as_source(data: bytes | memoryview | Source) -> Source:
    """Bytes in memory as a source; a source as it is."""
    return InMemory(data) if isinstance(data, bytes | bytearray | memoryview) else data
