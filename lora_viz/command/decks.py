"""A deck as one file, on the command line."""

from __future__ import annotations

from pathlib import Path

import click

from lora_viz.command.options import language_option, write

__all__ = ["deck"]


@click.command(epilog="Example: lora-playground deck five_minutes -o talk.html --language de")
@click.argument("name", metavar="DECK")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file that is "
              "written.")  # fmt: skip
@language_option
def deck(name: str, out: Path) -> None:
    """Play every scene of DECK and write it as one HTML file, which needs no server.

    DECK is one that comes with the playground (five_minutes, mathematics, tour, wrong) or the path of a TOML file.
    """
    from lora_viz.lessons.deck_file import deck_html
    from lora_viz.lessons.decks import read_bytes, shipped_decks

    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise click.UsageError(f"{name} is no file.")
        found = read_bytes(name, Path(name).read_bytes())
    elif name in shipped_decks():
        found = shipped_decks()[name]
    else:
        raise click.UsageError(f"{name} is not a deck: there are {', '.join(shipped_decks())}, or the path of a .toml.")
    write(out, deck_html(found))
