"""Hostile addresses without end, the same at every run: all parameters × types × lengths × encodings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, quote_from_bytes

from lora_viz.lessons.controls import Control
from lora_viz.lessons.lesson import Lesson

__all__ = ["ENCODINGS", "VALUES", "controls_of", "queries"]

# What no lesson asks for, but the app reads.
BESIDE = (
    "at",
    "scene",
    "deck",
    "lang",
    "device",
    "level",
    "path",
    "controls",
    "embed",
    "embed_options",
    "",
    "__proto__",
)
VALUES: tuple[str, ...] = (
    *("", " ", "\x00", "\n", "\r\n\r\n<x>", "\u202e", "\u2028", "é", "日本", "١٢", "²", "½", "𝟙", "😀", "\ufeff1"),
    *(
        "nan",
        "inf",
        "-inf",
        "1e999",
        "1e-999",
        "-0",
        "0x1f",
        "1_0",
        "9" * 25,
        "-1",
        "0",
        "1",
        "1.5",
        "2**63",
        "1e3",
        "1j",
    ),
    *("true", "null", "None", "[]", "{}", "[[", "[1,[2]]", "{[1]}", "..", "../../etc/passwd", "/dev/zero", "C:\\con"),
    *("lambda:0", "__import__('os')", "${7*7}", "{{7*7}}", "%s%n", "![](//h.invalid)", "<b>", "';--", "javascript:0"),
    *("a,b", ",,,", "a&b=c", "=", ";", "#", "?", "+", "%", "de", "en", "cpu", "cuda", "ray", "expert", "all", "none"),
)
LENGTHS = (1, 1, 1, 2, 7, 39, 401, 4_001, 20_001)
ENCODINGS = ("percent", "plus", "raw", "latin", "utf-16", "overlong", "twice", "broken", "iis", "case")


def controls_of(lesson: Lesson[Any]) -> tuple[Control, ...]:
    """Those that a link may name, at the lesson's usual answers."""
    answers: dict[str, Any] = {}
    found = []
    for control in lesson.walk(answers):
        answers[control.id] = control.usual(lesson.default)
        found += [control] if control.in_link else []
    return tuple(found)


def encoded(text: str, how: str) -> str:
    """As a request line might have it: latin-1, as the server gets it."""
    data = text.encode("utf-8", "surrogatepass")
    match how:
        case "percent":
            return quote(data, safe="")
        case "plus":
            return quote(data, safe=" ").replace(" ", "+")
        case "raw":
            return data.decode("latin-1").replace("&", "%26")
        case "latin":
            return quote(text.encode("latin-1", "replace"), safe="")
        case "utf-16":
            return quote(text.encode("utf-16", "surrogatepass"), safe="")
        case "overlong":
            return "".join(
                f"%C0%{0x80 | ord(c) & 0x3F:02X}" if ord(c) < 64 else quote(c, errors="replace") for c in text
            )
        case "twice":
            return quote(quote_from_bytes(data, safe=""), safe="")
        case "broken":
            return quote(data, safe="")[:-1] + "%" + "zg"[len(data) % 2] + "%u0031"
        case "iis":
            return "".join(f"%u{min(ord(c), 0xFFFF):04x}" for c in text)
    return quote(data, safe="").swapcase()


def queries(lesson: Lesson[Any], seed: int = 0, longest: int = 60_000) -> Iterator[str]:
    """Query strings of this lesson: one parameter in four as it should be, the others hostile, some named twice."""
    rng = random.Random(f"{lesson.id} {seed}")
    own = controls_of(lesson)
    while True:
        parts = []
        for _ in range(rng.choice((1, 1, 2, 3, 5, 30))):
            control = rng.choice((*own, None)) if own else None
            name = control.id if control else rng.choice((*BESIDE, *VALUES))
            value = rng.choice(VALUES) * rng.choice(LENGTHS)
            if control is not None and rng.random() < 0.25:
                good = control.link(control.usual(lesson.default))
                value = good if isinstance(good, str) else rng.choice(good or ("",))
            how = rng.choice(ENCODINGS)
            parts.append(f"{encoded(name, rng.choice(('percent', how)))}={encoded(value[:20_001], how)}")
        yield rng.choice(("&", "&", "&", ";", "&&")).join(parts)[:longest]
