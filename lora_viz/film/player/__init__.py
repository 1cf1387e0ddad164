"""The browser's player: its modules as one script each, its pages and styles, its colours, the words that it says.

The modules are plain ES modules, so that a checker and a test can load them one by one; the browser gets them as one
script, each in a scope of its own, in the order of their imports.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from lora_viz.film.style import DIVERGING, IDENTITY, SEQUENTIAL
from lora_viz.i18n.language import language, say

__all__ = [
    "COLOURS",
    "CSS",
    "ELEMENT_SCRIPT",
    "HTML",
    "LEAVES_CSS",
    "LEAVES_SCRIPT",
    "PLAIN_SCRIPT",
    "SCRIPT",
    "SPEAKER_CSS",
    "SPEAKER_HTML",
    "SPEAKER_SCRIPT",
    "WORDS",
    "bundle",
    "said_in_html",
    "said_in_script",
    "words",
]

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'^import (\w+)?(?:, )?(?:\{([^}]*)\})? from "\./([\w.]+)";\n', re.M)
_TYPES = re.compile(r"^ */\*\*(?:(?!\*/).)*\*/\n", re.M | re.S)  # what only the checker reads
_EXPORT = re.compile(r"^export (default )?((?:async )?(?:function|const|class) (\w+))", re.M)


def _read(name: str, folder: Path = _HERE) -> str:
    return (folder / name).read_text(encoding="utf-8")


def bundle(entry: str, folder: Path = _HERE) -> str:
    """One script of this module and of all that it imports; what it exports by default, the script does, too.

    All of them stand in ``folder``.
    """
    parts: dict[str, str] = {}

    def variable(name: str) -> str:
        return "its_" + re.sub(r"\W", "_", name)

    def add(name: str) -> None:
        if name in parts:
            return
        text = _read(name, folder)
        if name.endswith(".css"):
            parts[name] = f"const {variable(name)} = {{ default: {json.dumps(text)} }};"
            return
        given = []
        for whole, names, file in _IMPORT.findall(text):
            add(file)
            given.append(f"const {{ {f'default: {whole}, ' if whole else ''}{names} }} = {variable(file)};")
        exported = [f"default: {name}" if default else name for default, _, name in _EXPORT.findall(text)]
        body = _TYPES.sub("", _EXPORT.sub(r"\2", _IMPORT.sub("", text)))
        lines = [f"const {variable(name)} = (() => {{", *given, body, f"return {{ {', '.join(exported)} }};", "})();"]
        parts[name] = "\n".join(lines)

    add(entry)
    shown = f"export default {variable(entry)}.default;" if "export default " in _read(entry, folder) else ""
    return "\n".join([*parts.values(), shown])


def said_in_script(script: str) -> tuple[str, ...]:
    """The texts that this JavaScript says: whole ones, in double quotes, a long one in pieces with + between them."""
    found = re.findall(r'\bsay\(\s*("(?:[^"\\]|\\.)+"(?:\s*\+\s*"(?:[^"\\]|\\.)+")*)', script)
    return tuple("".join(map(json.loads, re.findall(r'"(?:[^"\\]|\\.)+"', text))) for text in found)


def said_in_html(html: str) -> tuple[str, ...]:
    """The words that stand in this HTML: its texts, titles and names for the ear."""
    found = re.findall(r'\b(?:title|aria-label)="([^"]+)"|>\s*([^<>]*[A-Za-z][^<>]*?)\s*<', html)
    return tuple(attribute or text for attribute, text in found)


HTML, CSS, SCRIPT = _read("player.html"), _read("player.css"), bundle("player.js")
LEAVES_CSS, LEAVES_SCRIPT = _read("leaves.css"), bundle("leaves.js")  # for a file of its own, with the player in it
PLAIN_SCRIPT = f"(() => {{\n{bundle('plain.js')}\n}})();\n"  # no module: a browser loads none from a disk
ELEMENT_SCRIPT = _read("lora_film.js")  # for pages of others: <lora-film src="…">
# The presenter's toolbar is on pages without a picture too, so it is a component of its own.
SPEAKER_HTML, SPEAKER_CSS, SPEAKER_SCRIPT = _read("speaker.html"), _read("speaker.css"), bundle("speaker.js")
COLOURS: dict[str, Any] = {"identity": IDENTITY, "diverging": DIVERGING, "sequential": SEQUENTIAL}
WORDS = tuple(dict.fromkeys(said_in_html(HTML) + said_in_script(LEAVES_SCRIPT + SPEAKER_SCRIPT)))


def words() -> dict[str, str]:
    """What the player says, in the visitor's language, by its English; nothing where that is English itself."""
    return {} if language() == "en" else {text: say(text) for text in WORDS}
