"""A watched training, shown."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path

import click

from lora_viz.command.options import existing, language_option, print_json, write

__all__ = ["show"]


@click.command(epilog="Example: lora-playground show run.lora --html run.html")
@click.argument("file", type=existing())
@click.option("--module", help="Whose singular values are drawn. [default: the one that moved most]")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the file, and open no browser.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of a picture.")
@language_option
def show(file: Path, module: str | None, html: Path | None, as_json: bool) -> None:
    """Play the training in FILE, which lora_viz.watch or WatchCallback wrote, in the browser."""
    from lora_viz.export.columns_json import plain_columns
    from lora_viz.film.player import COLOURS, words
    from lora_viz.film.standalone import Leaf, standalone_html
    from lora_viz.i18n.outside import plain
    from lora_viz.watched.film import film, takeaway
    from lora_viz.watched.record import read

    record = read(file.name, file.read_bytes())
    told = plain(takeaway(record))
    if as_json:
        arrays = ("step", "grad_A", "grad_B", "delta", "loss_step", "loss")
        print_json("watched", {"file": file.name, "modules": list(record.modules), "overhead": record.overhead,
                               "takeaway": told,
                               **plain_columns({name: getattr(record, name) for name in arrays})})  # fmt: skip
        return
    shown = film(record, module).to_bytes(colours=COLOURS, words=words(), shares=False)
    page = standalone_html(file.name, [Leaf(file.name, "", shown, told)])
    click.echo(told)
    if html is not None:
        write(html, page)
        return
    with tempfile.NamedTemporaryFile("w", suffix=".html", delete=False, encoding="utf-8") as out:
        out.write(page)
    webbrowser.open(Path(out.name).as_uri())
