"""Is A stored (r, d_in) or (d_in, r)? Decided by evidence, shapes, the written rank, the tool; never in silence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from lora_viz.adapters.keys import Pair
from lora_viz.adapters.naming import FIRM
from lora_viz.adapters.stored import Weights
from lora_viz.i18n.language import say

__all__ = ["oriented"]

PLAIN = ("pair", "ada", "diag")


def oriented(
    weights: Weights, pairs: Sequence[Pair], rank_at: Callable[[str], int]
) -> tuple[tuple[Pair, ...], tuple[str, ...]]:
    """Every pair with ``turned`` as its numbers lie, and a sentence about what was not plain.

    ``rank_at`` gives the rank that a configuration writes for a module, 0 where it writes none.
    """
    decided: list[bool | None] = []
    why: Counter[str] = Counter()
    for pair in pairs:
        told = _by_itself(weights, pair, rank_at(pair.module))
        decided.append(None if told is None else told[0])
        if told is not None and told[0] and FIRM.get(pair.scheme) is not True:
            why[told[1]] += 1
    known = {turned for turned in decided if turned is not None}
    notes = [
        say("{count} of {all} modules store A as (d_in, r) and B as (r, d_out): {why}.", count=count, all=len(pairs),
            why=reason)
        for reason, count in why.items()
    ]  # fmt: skip
    open_ = sum(turned is None for turned in decided)
    rest = next(iter(known)) if len(known) == 1 else False
    if open_ and len(known) == 1:
        notes.append(say("{count} of {all} modules fit either way round: they are read as the others of the file.",
                         count=open_, all=len(pairs)))  # fmt: skip
    elif open_:
        notes.append(say("{count} of {all} modules fit either way round, and nothing in the file says which: A is "
                         "taken as (r, d_in). Give the adapter_config.json, or say how the file was written.",
                         count=open_, all=len(pairs)))  # fmt: skip
    return tuple(
        pair._replace(turned=rest if turned is None else turned) for pair, turned in zip(pairs, decided, strict=True)
    ), tuple(notes)


def _by_itself(weights: Weights, pair: Pair, rank: int) -> tuple[bool, str] | None:
    """Turned or not, and by which evidence; None: both fit and nothing says which."""
    if pair.form not in PLAIN:
        return False, ""
    a, b = weights.entries[pair.A].shape, weights.entries[pair.B].shape
    if pair.scheme == "GGUF" or len(a) != len(b) or len(a) not in (2, 3) or (len(a) == 3 and a[0] != b[0]):
        return FIRM.get(pair.scheme, False) and len(a) == len(b) == 2, ""
    a, b = a[-2:], b[-2:]
    plain, turned = a[0] == b[1], a[1] == b[0]
    if plain != turned:
        return turned, say("their shapes fit only so")
    if not plain:
        return FIRM.get(pair.scheme, False) is True, ""  # a fused layer, or factors that do not fit at all
    if a[0] == a[1]:
        firm = FIRM.get(pair.scheme)
        return None if firm is None else (firm, "")
    if rank in a:
        return a[1] == rank, say("the configuration's rank says so")
    firm = FIRM.get(pair.scheme)
    if firm is not None and a[0 if not firm else 1] < a[1 if not firm else 0]:
        return firm, ""
    return a[1] < a[0], say("else their rank would exceed the layer's size")
