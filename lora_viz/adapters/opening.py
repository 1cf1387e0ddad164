"""What was given? A safetensors file, a torch file, or a stored PEFT folder, told by its content."""

from __future__ import annotations

from typing import NamedTuple

from lora_viz.adapters.archive import is_archive, read_members
from lora_viz.adapters.config import CONFIG_MOST, Config, parse_config
from lora_viz.adapters.safetensors_file import read_safetensors
from lora_viz.adapters.source import Source, as_source
from lora_viz.adapters.stored import AdapterError, Weights, short
from lora_viz.adapters.torch_file import is_torch_archive, read_torch
from lora_viz.i18n.language import say, to_say

__all__ = ["BYTES_MOST", "Opened", "open_adapter", "open_weights"]

BYTES_MOST = 2_000_000_000
_STARTS = {
    b"GGUF": to_say("a GGUF file"),
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
    """An adapter's tensors under the name it was given, and the configuration that came with it."""

    name: str
    weights: Weights
    config: Config | None


def open_adapter(name: str, data: bytes | memoryview | Source, config: bytes | None = None) -> Opened:
    """The tensors of an adapter file in memory, and its adapter_config.json where there is one. Raises AdapterError.

    Nothing of the file is executed or unpacked, and no tensor is read yet.
    """
    buffer = as_source(data)
    own = parse_config(config) if config is not None else None
    if len(buffer) > 8 and is_archive(buffer):
        members = read_members(buffer)
        if not is_torch_archive(members):
            folder = next((m for m in sorted(members, key=len) if m.endswith("adapter_model.safetensors")), None)
            if folder is None:
                raise AdapterError(say("{name} is a zip archive without an adapter. Valid values: safetensors files, "
                                       "files of torch.save, and a PEFT folder stored uncompressed.",
                                       name=short(name)))  # fmt: skip
            start, size = members[folder]
            at = members.get(folder.replace("adapter_model.safetensors", "adapter_config.json"))
            if own is None and at is not None:
                own = parse_config(bytes(buffer[at[0] : at[0] + min(at[1], CONFIG_MOST + 1)]))
            return Opened(name, read_safetensors(buffer.part(start, start + size)), own)
    return Opened(name, open_weights(name, buffer), own)


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
    for begins, what in _STARTS.items():
        if start.startswith(begins) and start[8:9] != b"{":
            raise AdapterError(say("{name} is {what}. Valid values: safetensors files and files of torch.save (.bin, "
                                   ".pt).", name=short(name), what=say(what)))  # fmt: skip
    return read_safetensors(buffer)
