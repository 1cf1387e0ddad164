"""A map of modules: a row a kind, a column a layer, one cell a module, and never many more cells than modules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from lora_viz.adapters.places import Place

__all__ = ["ModuleMap", "module_map"]

EMPTY = 8  # cells a module up to which kinds and layers make the map
CELLS_FREE, KINDS_MOST = 2000, 64
WIDE = 64  # modules a row of the folded map


class ModuleMap(NamedTuple):
    """Where each of M modules stands, and what rows and columns are called.

    ``folded``: kinds and layers would have made far more cells than there are modules, so these stand one after
    another, ``WIDE`` in a row or more, each row named by the first in it.
    """

    row: Int[np.ndarray, "M"]
    column: Int[np.ndarray, "M"]
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    folded: bool

    @property
    def cells(self) -> int:
        return len(self.rows) * len(self.columns)


def module_map(places: Sequence[Place]) -> ModuleMap:
    """Lay modules out. Two of one kind and layer stand in columns beside each other, the second named "3 (2)"."""
    kinds = {kind: i for i, kind in enumerate(dict.fromkeys(place.kind for place in places))}
    times = Counter[Place]()
    named = []
    for place in places:
        times[place] += 1
        named.append((place.layer, times[place]))
    order = {layer: i for i, layer in enumerate(dict.fromkeys(layer for layer, _ in named))}
    columns = {key: i for i, key in enumerate(sorted(set(named), key=lambda key: (order[key[0]], key[1])))}
    if len(kinds) > KINDS_MOST or len(kinds) * len(columns) > EMPTY * len(places) + CELLS_FREE:
        return _folded(places)
    return ModuleMap(
        row=np.array([kinds[place.kind] for place in places]),
        column=np.array([columns[key] for key in named]),
        rows=tuple(kinds),
        columns=tuple(layer if time == 1 else f"{layer} ({time})" for layer, time in columns),
        folded=False,
    )


def _folded(places: Sequence[Place]) -> ModuleMap:
    wide = max(WIDE, -(-len(places) // WIDE))
    at = np.arange(len(places))
    firsts = tuple(f"{place.layer} {place.kind}".strip() for place in places[::wide])
    return ModuleMap(row=at // wide, column=at % wide, rows=firsts,
                     columns=tuple(f"+{i}" for i in range(min(wide, len(places)))), folded=True)  # fmt: skip
