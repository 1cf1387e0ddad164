"""What several commands share: the language of what is said, JSON to the output, progress on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lora_viz.core.progress import Progress
from lora_viz.core.refusals import Refusal
from lora_viz.core.whole_file import write_whole
from lora_viz.i18n.language import languages, say, speak

__all__ = ["FORMAT", "existing", "language_option", "print_json", "told", "write"]

FORMAT = 1  # of what is printed as JSON; grows when a key changes its meaning or goes


def existing() -> click.Path:
    """A file that is there and can be read."""
    return click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


def language_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--language de``: sentences are in it; names of columns and keys are not."""

    def spoken(context: click.Context, _: click.Parameter, code: str) -> str:
        context.with_resource(speak(code))
        return code

    return click.option(
        "--language", type=click.Choice(tuple(languages())), default="en", show_default=True, callback=spoken,
        expose_value=False, is_eager=True, help="What is said is said in it.",
    )(function)  # fmt: skip


def print_json(kind: str, found: dict[str, Any]) -> None:
    """One object on one line of the output, beginning with what it is and in which format."""
    click.echo(json.dumps({"kind": kind, "format": FORMAT, **found}, ensure_ascii=False, allow_nan=False))


def write(path: Path, data: bytes | str) -> None:
    """Write a file and say so, beside the output. Raises Refusal: there is no such folder, or no room."""
    if not path.parent.is_dir():
        raise Refusal(say("{folder} is not a folder: make it first.", folder=path.parent))
    write_whole(path, data)
    click.echo(f"{path}: {path.stat().st_size / 1e6:.2f} MB", err=True)


@contextmanager
def told(label: str) -> Iterator[Callable[[Progress], None]]:
    """Hears how far it is and draws a bar, on a terminal; in a pipe nothing."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=1000, label=label, file=sys.stderr) as bar:

        def hear(progress: Progress) -> None:
            bar.update(max(0, round(1000 * progress.share) - bar.pos))

        yield hear
        bar.update(1000 - bar.pos)
