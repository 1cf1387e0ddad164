"""Where does a module stand in its network? A layer's label and the kind of matrix within the layer, from its path."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Place", "places"]


class Place(NamedTuple):
    """Where does a module stand in the network? A layer's label and the kind of matrix within the layer."""

    layer: str
    kind: str


def places(paths: Iterable[str]) -> tuple[Place, ...]:
    """Layer and kind of each path: what leads to its last number, and what follows."""
    cut = [_cut(path) for path in paths]
    words = {skeleton: re.split(r"[._:]+", skeleton) for skeleton, _, _ in cut}
    common = set.intersection(*map(set, words.values())) if words else set()
    return tuple(
        Place(f"{_own(words[skeleton], common)}{layer}" if len(words) > 1 else layer, kind)
        for skeleton, layer, kind in cut
    )


def _own(words: list[str], common: set[str]) -> str:
    own = next((word for word in words if word not in common and word != "#"), "")
    return f"{own[:5]} " if own else ""


def _cut(path: str) -> tuple[str, str, str]:
    body = path
    while body.endswith((".0", "_0", ".default")):  # to_out.0: the 0 numbers no layer
        body = body[: max(body.rfind("."), body.rfind("_"))]
    numbers = [*re.finditer(r"(?<=[._:])\d+(?=[._:]|$)", body)]
    if not numbers:
        return "", "", body
    last = numbers[-1].end()
    skeleton = re.sub(r"\d+", "#", body[:last])
    return (
        skeleton,
        ".".join(n.group() for n in numbers),
        body[last:].lstrip("._:") or body[: numbers[0].start()].rstrip("._:"),
    )
