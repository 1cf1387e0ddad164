"""Which words has the playground? Gathers them all, and brings every catalogue up to them.

`python docs/make_catalogue.py` keeps each translation that still has its English, adds what is new with nothing
beside it, and drops what nobody says any more. A new language begins as `python docs/make_catalogue.py fr`.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tomllib
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from lora_viz.film.player import said_in_html, said_in_script  # noqa: E402
from lora_viz.i18n.language import CATALOGUES  # noqa: E402

SAYING = ("say", "to_say")


def in_python(path: Path) -> list[tuple[str, int]]:
    """The texts that this module says: first arguments of the two functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING and node.args:
            found += [(text, node.lineno) for text in _texts(node.args[0])]
    return found


def _texts(node: ast.expr) -> list[str]:
    """The text itself, or both of ``a if this else b``; a variable holds what was marked where it was written."""
    if isinstance(node, ast.IfExp):
        return _texts(node.body) + _texts(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def in_javascript(path: Path) -> list[tuple[str, int]]:
    """The texts that the player says."""
    return [(text, 1) for text in said_in_script(path.read_text(encoding="utf-8"))]


def in_html(path: Path) -> list[tuple[str, int]]:
    """The words that stand in the player's bar."""
    return [(text, 1) for text in said_in_html(path.read_text(encoding="utf-8"))]


def in_deck(path: Path) -> list[tuple[str, int]]:
    """The texts of a deck that comes with the playground."""
    deck = tomllib.loads(path.read_text(encoding="utf-8"))
    scenes = deck["scene"]
    texts = [deck["title"], deck["about"]]
    texts += [scene[key] for scene in scenes for key in ("caption", "notes") if scene.get(key)]
    texts += [scene["question"]["text"] for scene in scenes if "question" in scene]
    return [(text, 1) for text in texts]


def gathered() -> dict[str, list[tuple[str, int]]]:
    """Every text that is said, with the places that say it."""
    found: dict[str, list[tuple[str, int]]] = {}
    for pattern, read in (
        ("lora_viz/**/*.py", in_python),
        ("pages/*.py", in_python),
        ("lora_viz/film/player/*.js", in_javascript),
        ("lora_viz/finding/*.js", in_javascript),
        ("lora_viz/rooms/*.js", in_javascript),
        ("lora_viz/film/player/*.html", in_html),
        ("lora_viz/content/decks/*.toml", in_deck),
    ):
        for path in sorted(ROOT.glob(pattern)):
            for text, line in read(path):
                found.setdefault(text, []).append((str(path.relative_to(ROOT)), line))
    return found


def write(path: Path, told: dict[str, str]) -> tuple[int, int]:
    """Write the catalogue of all that is said; answer with how many texts it has and how many wait for a translator."""
    new = Catalog(
        locale=path.stem, project="LoRA Playground", version="", fuzzy=False, header_comment="# LoRA Playground"
    )
    for text, places in gathered().items():
        new.add(text, told.get(text, ""), locations=[(place, 0) for place in dict.fromkeys(at for at, _ in places)])
    out = io.BytesIO()
    write_po(out, new, width=100, include_lineno=False)
    # Only what tells something: no names, no dates that change with every run.
    header = re.compile(rb'^"(?:Report-Msgid|POT-Cr|PO-Rev|Last-Tr|Language-Team|Project-Id|Generated).*\n', re.M)
    path.write_bytes(header.sub(b"", out.getvalue()))
    return len(new), sum(1 for m in new if m.id and not m.string)


def update(path: Path) -> tuple[int, int]:
    """Bring one catalogue up to what is said."""
    old: dict[str, str] = {}
    if path.exists():
        with path.open("rb") as file:
            old = {str(m.id): str(m.string) for m in read_po(file) if m.id}
    return write(path, old)


if __name__ == "__main__":
    CATALOGUES.mkdir(exist_ok=True)
    codes = sys.argv[1:] or [path.stem for path in CATALOGUES.glob("*.po")]
    for code in codes:
        total, waiting = update(CATALOGUES / f"{code}.po")
        print(f"{code}: {total} texts, {waiting} without a translation")  # noqa: T201
