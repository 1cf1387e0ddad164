"""Writing a file whole or not at all: a full disk leaves no half of one, and keeps what stood there before."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say

__all__ = ["write_whole"]


def write_whole(path: Path, data: bytes | str) -> None:
    """Write the file, a text as UTF-8. Raises Refusal: the disk is full, or nothing may be written there."""
    content = data.encode() if isinstance(data, str) else data
    target = path.resolve()
    beside = target.with_name(f".{target.name}.part")
    try:
        if target.exists() and not target.is_file():  # a pipe, a terminal
            target.write_bytes(content)
            return
        try:
            beside.write_bytes(content)
            beside.replace(target)
        except OSError:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise
    except BrokenPipeError:  # whoever read has read enough
        raise
    except OSError as error:
        raise Refusal(
            say(
                "{path} was not written: {why}. What stood there before stays. Make room or name another folder, then "
                "give the same command again.",
                path=path,
                why=error.strerror or os.strerror(error.errno or 0),
            )
        ) from error
