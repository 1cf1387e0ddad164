"""What is derived from the film's dataclasses for the player: the protocol that it checks, the types that it knows.

``python -m lora_viz.film.written`` writes both files; a test compares them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lora_viz.film.film import protocol
from lora_viz.film.protocol import Protocol

__all__ = ["files"]

_TOLD = "// Written by `python -m lora_viz.film.written` from the dataclasses of film.py and panels.py: do not edit.\n"
_PLAIN = {
    **{"string": "string", "number": "number", "integer": "number", "boolean": "boolean", "null": "null"},
    **{"id": "string", "colour": "string"},
}


def files() -> dict[str, str]:
    """Name → text of what is derived."""
    return {"protocol.js": _script(protocol()), "film.d.ts": _types(protocol())}


def _script(told: Protocol) -> str:
    def one_line(value: Any) -> str:
        text = json.dumps(value)
        return text if len(text) < 100 else text.replace(", ", ",\n        ")

    types = "".join(
        f"    {name}: {{\n" + "".join(f"      {key}: {one_line(node)},\n" for key, node in held.items()) + "    },\n"
        for name, held in told["types"].items()
    )
    first = "".join(f"  {key}: {one_line(told[key])},\n" for key in ("version", "film", "colours"))
    return f"{_TOLD}\nexport const PROTOCOL = {{\n{first}  types: {{\n{types}  }},\n}};\n"


def _types(told: Protocol) -> str:
    held = "".join(
        f"export interface {name} {{\n"
        + "".join(f"  {key}: {_type(node)};\n" for key, node in fields.items())
        + "}\n\n"
        for name, fields in told["types"].items()
    )
    panels = " | ".join(told["types"]["Film"]["panels"]["list"]["kinds"].values())
    return f'{_TOLD}\nimport type {{ Tensor }} from "./tensor.js";\n\n{held}export type Panel = {panels};\n'


def _type(node: Any) -> str:
    match node:
        case str():
            return _PLAIN[node]
        case {"one_of": allowed}:
            return " | ".join(json.dumps(each) for each in allowed)
        case {"size": _}:
            return "number"
        case {"array": _}:
            return "Tensor"
        case {"list": inner, "length": [count]} if count.isdigit() and int(count) < 5:
            return f"[{', '.join([_type(inner)] * int(count))}]"
        case {"list": inner}:
            return f"{_type(inner)}[]"
        case {"either": nodes}:
            return " | ".join(map(_type, nodes))
        case {"kinds": _}:
            return "Panel"
        case {"record": name}:
            return str(name)
    raise AssertionError(node)


if __name__ == "__main__":
    for name, text in files().items():
        (Path(__file__).parent / "player" / name).write_text(text, encoding="utf-8")
