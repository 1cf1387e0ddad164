"""Bad inputs without end, the same at every run: whole ones damaged, and JSON of wrong values under right names.

20,000 inputs a parser are tried, or as many as ``make fuzz`` says. ``tests/test_fuzz.py`` runs each ``fuzz_*.py``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

from tests.fuzz.amount import amount

T = TypeVar("T", str, bytes)
USUAL = 20_000
NASTY: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 1e308, -0.0, 10**18, 2**63, -(2**63), 10**400, float("nan"), float("inf"), "",
    "a", "\x00", "\ud800", "\u202e", "🙂", "a\nb", "x" * 300, "0", "1e9", "../..", [], {}, [[]], [0], [1, 2], {"": 0},
)  # fmt: skip


def damaged(whole: Sequence[bytes], words: Sequence[bytes] = (), seed: int = 0) -> Iterator[bytes]:
    """The given inputs with one to four wounds each: bytes changed, cut, moved, sizes and ``words`` put in."""
    rng = random.Random(seed)
    while True:
        data = bytearray(rng.choice(whole))
        for _ in range(rng.randrange(1, 5)):
            _wound(rng, data, words)
        yield bytes(data)


def damaged_text(whole: Sequence[str], words: Sequence[str] = (), seed: int = 0) -> Iterator[str]:
    """The same of texts: what is no UTF-8 any more comes as lone surrogates, as it does from JSON."""
    kept, put_in = [text.encode() for text in whole], [word.encode() for word in words]
    return (data.decode("utf-8", "surrogateescape") for data in damaged(kept, put_in, seed))


def _wound(rng: random.Random, data: bytearray, words: Sequence[bytes]) -> None:
    if not data:
        return
    at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(400, len(data)))
    kind = rng.randrange(10 if words else 8)
    if kind == 0:
        data[at] = rng.randrange(256)
    elif kind == 1:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        del data[at : at + rng.randrange(1, 40)]
    elif kind == 4:
        data[at:at] = rng.randbytes(rng.randrange(1, 12))
    elif kind == 5:
        data[at : at + 8] = rng.getrandbits(rng.choice((8, 16, 32, 63, 64))).to_bytes(8, "little")
    elif kind == 6:
        data[at : at + 4] = b"\xff" * 4
    elif kind == 7:
        other = rng.randrange(len(data))
        data[at : at + rng.randrange(30)] = data[other : other + rng.randrange(30)]
    else:
        data[at : at + (kind == 9) * rng.randrange(9)] = rng.choice(words)


def tables(fields: dict[str, Sequence[Any]], seed: int = 0) -> Iterator[bytes]:
    """JSON tables that have some of these fields, each with one of its own values or with a nasty one.

    Once in eight the text itself is damaged too.
    """
    rng = random.Random(seed)
    while True:
        table: dict[str, Any] = {}
        worst = rng.random() * 0.6
        for name, values in fields.items():
            if rng.random() < 0.9:
                table[name] = _value(rng, 0) if rng.random() < worst or not values else rng.choice(values)
        text = bytearray(json.dumps(table, ensure_ascii=rng.random() < 0.7).encode("utf-8", "surrogatepass"))
        if rng.random() < 0.125:
            _wound(rng, text, (b'{"":', b"[" * 50, b"9" * 5000, b"1e999", b"NaN", b'"\\ud800"'))
        yield bytes(text)


def _value(rng: random.Random, depth: int) -> Any:
    if depth > 3 or rng.random() < 0.7:
        return rng.choice(NASTY)
    if rng.random() < 0.5:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(rng.choice(NASTY)) if i else "a": _value(rng, depth + 1) for i in range(rng.randrange(3))}


def each_ends_well(
    parse: Callable[[T], Any], inputs: Iterable[T], error: type[Exception], *, count: int | None = None
) -> tuple[int, int]:
    """Give ``parse`` so many inputs: each is read, or refused with ``error`` and one short sentence; how many of each.

    Anything else that is raised fails the test with the input that did it.
    """
    read = refused = 0
    for given in islice(inputs, amount(USUAL) if count is None else count):
        try:
            parse(given)
            read += 1
        except error as refusal:
            said = str(refusal)
            assert 10 < len(said) < 500 and "\n" not in said and said.isprintable(), (given[:300], said)
            refused += 1
        except Exception as raised:
            raise AssertionError(f"{type(raised).__name__} for {given!r:.4000}") from raised
    return read, refused
