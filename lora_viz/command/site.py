"""All lessons as files, on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from lora_viz.command.options import told
from lora_viz.core.progress import Progress

__all__ = ["site"]


@click.command(epilog="Example: lora-playground site --only rank --only merge -o site")
@click.option("-o", "--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="The folder that is "
              "written; what is there and still right is kept.")  # fmt: skip
@click.option("--only", multiple=True, metavar="LESSON", help="This lesson alone. May be repeated.")
def site(out: Path, only: tuple[str, ...]) -> None:
    """Write all lessons as plain pages, in every language, with every answer of each lesson's first control.

    They open from a disk and from any web space, and need no server.
    """
    from lora_viz.lessons.walk import UnknownLesson
    from lora_viz.light.site import write_site

    try:
        with told("site") as hear:
            made = write_site(out, only, lambda share, said: hear(Progress(share, said)))
    except UnknownLesson as error:
        raise click.UsageError(str(error)) from None
    click.echo(f"{made.written} pages written, {made.kept} kept, {made.size / 1e6:.1f} MB: {out}")
