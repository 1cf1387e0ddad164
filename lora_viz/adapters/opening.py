"""What was given? A safetensors, torch or GGUF file, told by its content, or a folder of files, told by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lora_viz.adapters.archive import Members, Packed, is_archive, read_members, unpacked
from lora_viz.adapters.config import CONFIG_MOST, Config, config_of
from lora_viz.adapters.folder import choose
from lora_viz.adapters.gguf_file import read_gguf
from lora_viz.adapters.safetensors_file import read_safetensors
from lora_viz.adapters.source import Joined, Source, as_source
from lora_viz.adapters.stored import AdapterError, Stored, Weights, short
from lora_viz.adapters.torch_file import is_torch_archive, read_torch
from lora_viz.i18n.language import say, to_say

__all__ = ["BYTES_MOST", "CONFIG_NAME", "Given", "Opened", "open_adapter", "open_folder", "open_weights"]

CONFIG_NAME = "adapter_config.json"
BYTES_MOST = 2_000_000_000
_STARTS = {
    b"\x1f\x8b": to_say("gzip-compressed"),
    b"\x89PNG": to_say("a PNG picture"),
    b"\xff\xd8\xff": to_say("a JPEG picture"),
    b"%PDF": to_say("a PDF document"),
    b"\x89HDF": to_say("an HDF5 file"),
    b"\x93NUMPY": to_say("a NumPy array"),
    b"7z\xbc\xaf": to_say("a 7z archive"),
    b"Rar!": to_say("a RAR archive"),
    b"<": to_say("a web page"),
    b"version https://git-lfs": to_say("a Git LFS pointer, not the file it points to"),
}


class Opened(NamedTuple):
    """An adapter's tensors under the name it was given, the configuration that came with it, and what was left alone.

    ``notes`` are sentences about what was chosen among several files.
    """

    name: str
    weights: Weights
    config: Config | None
    left: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Given(NamedTuple):
    """One of several files: its name, with folders where they are known, and its bytes."""

    name: str
    data: Source


def open_adapter(name: str, data: bytes | memoryview | Source, config: bytes | None = None) -> Opened:
    """The tensors of an adapter file in memory, and its adapter_config.json where there is one. Raises AdapterError.

    A zip archive is taken as the folder it was made of. Nothing of a file is executed, and no tensor is read yet.
    A JSON that describes no adapter is left alone.
    """
    buffer = as_source(data)
    own = config_of(config) if config is not None else None
    left = (CONFIG_NAME,) if config is not None and own is None else ()
    if len(buffer) > 8 and is_archive(buffer):
        packed: Packed = {}
        members = read_members(buffer, packed)
        if not is_torch_archive(members):
            found = _folder(name, buffer, members, packed)
            return found._replace(config=own or found.config, left=found.left + left)
    return Opened(name, open_weights(name, buffer), own, left)


def open_folder(name: str, given: Sequence[Given], *, newest: bool = False) -> Opened:
    """The adapter among the files of a folder, chosen by their names (``folder.choose``). Raises AdapterError.

    ``newest``: they were given one after the other, and the last adapter is meant.
    """
    configs: dict[int, Config | None] = {}

    def described(at: int) -> Config | None:
        if at not in configs:
            text = bytes(given[at].data[: CONFIG_MOST + 1])
            named = given[at].name.endswith(CONFIG_NAME)
            try:
                configs[at] = config_of(text)
            except AdapterError:
                if named:
                    raise
                configs[at] = None
        return configs[at]

    chosen = choose([file.name for file in given], lambda at: described(at) is not None, newest=newest)
    if not chosen.weights:
        raise AdapterError(say("{name} holds no adapter. Valid are safetensors files, files of torch.save, GGUF "
                               "adapters, and a folder or a zip archive with one of them.",
                               name=short(name)))  # fmt: skip
    config = None if chosen.config is None else described(chosen.config)
    left = tuple(given[at].name for at in chosen.left)
    if chosen.config is not None and config is None:
        left += (given[chosen.config].name,)
    notes: tuple[str, ...] = ()
    if chosen.several:
        notes = (say("Several files could be the adapter: this is {name}.", name=short(given[chosen.weights[0]].name)),)
    parts = [open_weights(given[at].name, given[at].data) for at in chosen.weights]
    return Opened(name, parts[0] if len(parts) == 1 else _joined(parts), config, left, notes)


def _folder(name: str, buffer: Source, members: Members, packed: Packed) -> Opened:
    """The adapter in an archive of a folder."""
    names = [n for n in (*members, *packed) if not n.startswith("__MACOSX/")]
    chosen = choose(names)  # what is not chosen is not unpacked
    wanted = {names[at] for at in chosen.weights} | {n for n in names if n.endswith(".json")}

    def data(member: str) -> Source:
        if member in members:
            start, size = members[member]
            return buffer.part(start, start + size)
        return as_source(unpacked(buffer, member, packed[member]) if member in wanted else b"")

    return open_folder(name, [Given(member, data(member)) for member in names])


def _joined(parts: Sequence[Weights]) -> Weights:
    """The parts of one adapter as one. Raises AdapterError where two name one tensor."""
    buffer = Joined([part.buffer for part in parts])
    entries: dict[str, Stored] = {}
    for part, start in zip(parts, buffer.starts, strict=False):
        for name, entry in part.entries.items():
            if name in entries:
                raise AdapterError(say("Two parts hold {name}: each tensor is in one.", name=short(name)))
            entries[name] = entry._replace(start=entry.start + start)
    return Weights(parts[0].kind, buffer, entries, {k: v for part in parts for k, v in part.metadata.items()})


def open_weights(name: str, data: bytes | memoryview | Source) -> Weights:
    """The tensors of a safetensors file or a file of torch.save. Raises AdapterError."""
    buffer = as_source(data)
    if not len(buffer):
        raise AdapterError(say("{name} is empty: 0 bytes.", name=short(name)))
    if len(buffer) > BYTES_MOST:
        raise AdapterError(say("{name} has {size:,} bytes: up to {most:,} are read.", name=short(name),
                               size=len(buffer), most=BYTES_MOST))  # fmt: skip
    start = bytes(buffer[:24])
    if len(buffer) > 8 and is_archive(buffer):
        members = read_members(buffer)
        if not is_torch_archive(members):
            raise AdapterError(
                say("{name} is a zip archive: unpack it and give the weights file itself.", name=short(name))
            )
        return read_torch(buffer, members)
    if start[:1] == b"\x80" and start[1:2] in b"\x02\x03\x04\x05" and start[8:9] != b"{":
        raise AdapterError(say("{name} is a bare pickle, which can run foreign code and is not opened: save it as "
                               "safetensors.", name=short(name)))  # fmt: skip
    if start.startswith(b"GGUF"):
        return read_gguf(buffer)
    for begins, what in _STARTS.items():
        if start.startswith(begins) and start[8:9] != b"{":
            raise AdapterError(say("{name} is {what}. Valid values: safetensors files and files of torch.save (.bin, "
                                   ".pt).", name=short(name), what=say(what)))  # fmt: skip
    return read_safetensors(buffer)
