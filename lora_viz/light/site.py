"""All lessons as files: pages that open from a disk, from any web space and from a subfolder of it.

Every answer of a lesson's first control has a page of its own. A page is made anew only where the program or its
settings have changed: ``made.json`` says from what each was made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from lora_viz.core.refusals import Refusal
from lora_viz.core.whole_file import write_whole
from lora_viz.i18n.language import language, languages, say, speak
from lora_viz.lessons.controls import written
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson, Played
from lora_viz.lessons.walk import lesson, lessons
from lora_viz.light.assets import ELEMENT, assets, element
from lora_viz.light.contents import contents
from lora_viz.light.form import first_options
from lora_viz.light.page import packed, page
from lora_viz.light.place import Place

__all__ = ["Made", "write_site"]

_PACKAGE = Path(__file__).parents[1]
_FILMS, _ASSETS, _LIST = "films", "assets", "made.json"


class Made(NamedTuple):
    """How many pages were written, how many were there already, and the bytes of the whole site."""

    written: int
    kept: int
    size: int


def write_site(
    out: Path, only: Iterable[str] = (), progress: Callable[[float, str], None] = lambda share, said: None
) -> Made:
    """Write all lessons, or ``only`` these, in every language. Raises Refusal: the folder holds something else."""
    chosen = tuple(lesson(name) for name in only) or lessons()
    names = frozenset(each.id for each in chosen)
    if out.exists() and any(out.iterdir()) and not (out / _LIST).exists():
        raise Refusal(say("{folder} holds something else. Valid: a new folder, or one that a site was written to.",
                          folder=out))  # fmt: skip
    for folder in (out, out / _FILMS, out / _ASSETS):
        folder.mkdir(parents=True, exist_ok=True)
    for name, (_, data) in assets().items():
        write_whole(out / _ASSETS / name, data)
    write_whole(out / ELEMENT, element())
    before = json.loads((out / _LIST).read_text(encoding="utf-8")) if (out / _LIST).exists() else {}
    source, made, kept = _source(), 0, 0
    after: dict[str, dict[str, str]] = {}
    every = [(own, option) for own in chosen for option in _answers(own)]
    for i, (own, option) in enumerate(every):
        progress(i / len(every), own.id)
        key = sha256(f"{source} {own.id} {option} {sorted(names)}".encode()).hexdigest()
        files = [_file(own.id, option, code) for code in languages()]
        if all(before.get(file, {}).get("key") == key and (out / file).exists() for file in files):
            after |= {file: before[file] for file in files}
            kept += len(files)
            continue
        for code, file in zip(languages(), files, strict=True):
            with speak(code):
                film = _write(out, file, own, option, names)
            after[file] = {"key": key, "film": film}
            made += 1
    for code in languages():
        with speak(code):
            (out / _index(code)).parent.mkdir(exist_ok=True)
            write_whole(out / _index(code), contents(_place(_index(code), "", {}, names), names))
    _sweep(out, set(after), {own["film"] for own in after.values()}, set(before))
    write_whole(out / _LIST, json.dumps(after, indent=0, sort_keys=True) + "\n")
    progress(1.0, "")
    return Made(made, kept, sum(file.stat().st_size for file in out.rglob("*") if file.is_file()))


def _answers(own: Lesson[Any]) -> tuple[dict[str, Any], ...]:
    """What its pages are set to: as it opens, and every other answer of its first control, in a link's words."""
    found = first_options(own)
    if found is None:
        return ({},)
    control, options = found
    usual = control.usual(own.default)
    return ({}, *({control.id: written(option)} for option in options if option != usual))


def _write(out: Path, file: str, own: Lesson[Any], option: Mapping[str, Any], names: frozenset[str]) -> str:
    """Write one page, and its film's numbers where nobody has; answers with the numbers' file."""
    notices = []
    try:
        played: Played[Any] = own.read(dict(option), Lab())
    except Refusal as error:  # an answer that does not go with the rest as it opens
        notices.append(str(error))
        played = own.read({}, Lab())
    film, numbers = packed(played), ""
    if film is not None:
        numbers = f"{sha256(film.numbers.encode()).hexdigest()[:16]}.js"
        target = out / _FILMS / numbers
        if not target.exists():
            write_whole(target, f'globalThis.loraNumbers = "{film.numbers}";\n')
    up = "../" * file.count("/")
    where = _place(file, own.id, option, names)
    said = page(played, where, notices=notices, film=film, numbers=f"{up}{_FILMS}/{numbers}" if numbers else "")
    (out / file).parent.mkdir(exist_ok=True)
    write_whole(out / file, said)
    return numbers


def _place(file: str, name: str, option: Mapping[str, Any], names: frozenset[str]) -> Place:
    """Where this file stands: all addresses are relative, so it is read from anywhere."""
    up = "../" * file.count("/")

    def address(to: str, settings: Mapping[str, Any]) -> str:
        if to not in names:
            return _index(language()).rpartition("/")[2]
        given = {key: str(value) for key, value in settings.items()}
        fitting = next((own for own in _answers(lesson(to)) if own and own.items() <= given.items()), {})
        return _file(to, fitting, language()).rpartition("/")[2]

    others = {
        code: up + (_file(name, option, code) if name else _index(code)) for code in languages()
    }  # fmt: skip
    return Place(address, f"{up}{_ASSETS}/", lambda to, settings: "", "index.html", others, form=False)


def _file(name: str, option: Mapping[str, Any], code: str) -> str:
    ending = "".join(f"--{key}-{re.sub(r'[^A-Za-z0-9.]+', '_', str(value))}" for key, value in option.items())
    return f"{'' if code == 'en' else f'{code}/'}{name}{ending}.html"


def _index(code: str) -> str:
    return "index.html" if code == "en" else f"{code}/index.html"


def _source() -> str:
    """A digest of the program: what it is made of, without what Python leaves beside it."""
    found = sha256()
    for path in sorted(_PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            found.update(path.relative_to(_PACKAGE).as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def _sweep(out: Path, pages: set[str], films: set[str], before: set[str]) -> None:
    """Take away what an earlier site had and this one has not."""
    for file in before - pages:
        (out / file).unlink(missing_ok=True)
    for film in (out / _FILMS).iterdir():
        if film.name not in films:
            film.unlink()
    for asset in (out / _ASSETS).iterdir():
        if asset.name not in assets():
            asset.unlink()
