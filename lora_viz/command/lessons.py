"""Lessons without a screen: which there are, and one of them played at some settings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lora_viz.command.options import language_option, print_json, told, write
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import plain

if TYPE_CHECKING:
    from lora_viz.lessons.lesson import Lesson

__all__ = ["lessons", "play"]


@click.command(epilog="Example: lora-playground lessons --json")
@click.option("--json", "as_json", is_flag=True, help="One JSON object in place of lines.")
@language_option
def lessons(as_json: bool) -> None:
    """List every lesson: its id, its title, what it can be set to."""
    from lora_viz.lessons import walk

    found = [
        {"id": each.id, "section": walk.section_of(each.id), "title": say(each.title), "claim": say(each.claim),
         "settings": list(each.link(each.settings()))}
        for each in walk.lessons()
    ]  # fmt: skip
    if as_json:
        print_json("lessons", {"lessons": found})
        return
    for one in found:
        click.echo(f"{one['id']:18} {one['title']}")


@click.command(epilog="Example: lora-playground play rank --set target_rank=4 --set noise=0 --html rank.html")
@click.argument("lesson")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A setting, as a link writes it; a file by "
              "its path. May be repeated.")  # fmt: skip
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the picture that moves into one "
              "file, which needs no server.")  # fmt: skip
@click.option(
    "--element", is_flag=True, help="Write lora-film.js beside that file: <lora-film src=…> shows it in a page."
)
@click.option("--json", "as_json", is_flag=True, help="Print settings, takeaway and numbers as one JSON object.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the numbers as CSV.")
@language_option
def play(lesson: str, given: tuple[str, ...], html: Path | None, element: bool, as_json: bool, as_csv: bool) -> None:
    """Measure LESSON at these settings and say what was seen.

    "lora-playground lessons" lists the lessons. Settings that are not given are as the lesson opens.
    """
    from lora_viz.export.columns_json import plain_columns
    from lora_viz.export.taken_along import csv_text
    from lora_viz.lessons.lab import Lab
    from lora_viz.lessons.walk import UnknownLesson
    from lora_viz.lessons.walk import lesson as found

    if as_json and as_csv:
        raise click.UsageError("--json and --csv were both given: allowed is one of them.")
    if element and html is None:
        raise click.UsageError("--element was given without --html: it is written beside that file.")
    try:
        own = found(lesson)
    except UnknownLesson as error:
        raise click.UsageError(str(error)) from None
    with told(own.id) as hear:
        played = own.read(_settings(own, given), Lab(progress=hear))
    if html is not None:
        from lora_viz.light.assets import ELEMENT
        from lora_viz.light.assets import element as script
        from lora_viz.light.one_file import one_file

        write(html, one_file(played))
        if element:
            write(html.with_name(ELEMENT), script())
    if as_csv:
        click.echo(csv_text(played.table, line_end="\n"), nl=False)
    elif as_json:
        print_json("played", {"lesson": own.id, "settings": played.link, "takeaway": plain(played.takeaway),
                              "table": plain_columns(played.table)})  # fmt: skip
    else:
        click.echo(plain(f"{say(own.title)}\n\n{played.takeaway}"))


def _settings(lesson: Lesson[Any], given: Iterable[str]) -> dict[str, Any]:
    """What was given by name: a text, several where a name is repeated, a file where the lesson asks for one."""
    from lora_viz.lessons.controls import File, Several, Upload

    asked = {control.id: control for control in lesson.walk(_usual(lesson))}
    found: dict[str, Any] = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--set {pair} is not possible: allowed is NAME=VALUE.")
        match asked.get(name):
            case File():
                if not Path(value).is_file():
                    raise click.UsageError(f"--set {pair} is not possible: there is no such file.")
                one = Upload(Path(value).name, Path(value).read_bytes(), str(Path(value).resolve()))
                found[name] = (*found.get(name, ()), one)
            case Several():
                found[name] = [*found.get(name, []), value]
            case _:
                found[name] = value
    return found


def _usual(lesson: Lesson[Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for control in lesson.walk(answers):
        answers[control.id] = control.usual(lesson.default)
    return answers
