"""The film's protocol: what its header holds, described once by its dataclasses, and checked on both sides.

A description has a node for each field:

- ``"string"``, ``"number"`` (finite), ``"integer"``, ``"boolean"``, ``"null"``, ``"id"``, ``"colour"``
- ``{"size": "d"}``: a whole number that says a size
- ``{"one_of": […]}``: one of these texts
- ``{"array": ["k", "T k"]}``: an array of one of these shapes
- ``{"list": node, "length": ["1", "T"]}``: a list of such values, of one of these lengths where they are given
- ``{"record": "Series"}``, ``{"kinds": {"lines": "Lines"}}``: one of ``types``, the latter named by its ``kind``
- ``{"either": [node, …]}``: one of these

``T``, the number of frames, is one size throughout the film; other letters are one throughout a panel, ``_`` is any.
``python -m lora_viz.film.written`` writes the description where the browser's reader finds it.
"""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, Literal

import numpy as np

from lora_viz.film.style import IDENTITY

__all__ = ["VERSION", "FilmError", "Protocol", "check", "describe"]

VERSION = 1  # what the reader must know: raised where an older player would misread a film

Protocol = dict[str, Any]
Node = Any

ID = re.compile(r"[a-z][a-z0-9_]*")
_PLAIN = {str: "string", float: "number", int: "integer", bool: "boolean", types.NoneType: "null"}
_COLOURS = tuple(IDENTITY["light"])
_IN_WORDS = {"id": "id in snake_case", "number": "finite number", "colour": f"colour: {', '.join(_COLOURS)}"}


class FilmError(ValueError):
    """What is wrong with a film, in one sentence that names the panel."""


def describe(film: type) -> Protocol:
    """The protocol of this dataclass and of all that it holds, ready for JSON."""
    held: dict[str, dict[str, Node]] = {}
    root = _node(film, held)
    return {"version": VERSION, "film": root, "colours": list(_COLOURS), "types": held}


def _node(hint: Any, held: dict[str, dict[str, Node]]) -> Node:
    origin, given = typing.get_origin(hint), typing.get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if is_dataclass(hint):
        return {"record": _record(typing.cast(type, hint), held)}
    if hasattr(hint, "dim_str"):
        return {"array": [hint.dim_str]}
    if origin is Literal:
        return {"one_of": list(given)}
    if origin is Annotated:
        inner, told = _node(given[0], held), given[1]
        return told if inner == "string" else {"size": told} if inner == "integer" else inner | {"length": _split(told)}
    if origin is tuple:
        inner = _node(given[0], held)
        return {"list": inner} if given[-1] is Ellipsis else {"list": inner, "length": [str(len(given))]}
    assert origin in (typing.Union, types.UnionType), f"the protocol has no word for {hint}"
    if all(map(is_dataclass, given)):
        names = [_record(each, held) for each in given]
        return {"kinds": {held[name]["kind"]["one_of"][0]: name for name in names}}
    nodes = [_node(each, held) for each in given]
    arrays = [shape for node in nodes if isinstance(node, dict) for shape in node.get("array", ())]
    others = [node for node in nodes if not (isinstance(node, dict) and "array" in node)]
    nodes = ([{"array": arrays}] if arrays else []) + others
    return nodes[0] if len(nodes) == 1 else {"either": nodes}


def _record(cls: type, held: dict[str, dict[str, Node]]) -> str:
    if cls.__name__ not in held:
        held[cls.__name__] = {}
        hints = typing.get_type_hints(cls, include_extras=True)
        held[cls.__name__] = {field.name: _node(hints[field.name], held) for field in fields(cls)}
    return cls.__name__


def _split(lengths: str) -> list[str]:
    return lengths.split(" | ")


def check(film: Any, protocol: Protocol) -> None:
    """Raise FilmError where the film is not what the protocol says; the sentence names the panel and the field."""
    sizes = {"T": len(film.values)}
    for fault in _faults(film, protocol["film"], sizes, "", protocol):
        raise FilmError(f"the film cannot be shown: {fault}")


def _faults(value: Any, node: Node, sizes: dict[str, int], where: str, protocol: Protocol) -> Iterator[str]:
    """What is wrong with this value, first things first."""
    if isinstance(node, str):
        if not _is(value, node):
            yield f"{where} is {value!r}, no {_IN_WORDS.get(node, node)}"
        return
    match node:
        case {"size": name}:
            if not _fits((value,), (name,), sizes):
                yield f"{where} is {value}, but {name} is {sizes[name]}"
        case {"one_of": allowed}:
            if value not in allowed:
                yield f"{where} is {value!r}, none of {', '.join(allowed)}"
        case {"array": shapes}:
            if not isinstance(value, np.ndarray) or not any(_fits(value.shape, s.split(), sizes) for s in shapes):
                yield f"{where} has the shape {np.shape(value)}, not ({') or ('.join(shapes)}) with {_told(sizes)}"
        case {"list": inner}:
            lengths = node.get("length", ["_"])
            if not isinstance(value, tuple):
                yield f"{where} is {value!r}, no tuple"
                return
            if not any(_fits((len(value),), (each,), sizes) for each in lengths):
                yield f"{where} has the length {len(value)}, not {' or '.join(lengths)} with {_told(sizes)}"
                return
            for i, item in enumerate(value):
                yield from _faults(item, inner, sizes, f"{where}[{i}]", protocol)
        case {"either": nodes}:
            found = [list(_faults(value, each, sizes, where, protocol)) for each in nodes]
            if all(found):
                yield found[0][0]
        case {"kinds": kinds}:
            where = f"panel {value.id!r}"
            yield from _in_record(value, kinds[value.kind], dict(sizes), where, protocol)
        case {"record": name}:
            yield from _in_record(value, name, sizes, where, protocol)


def _in_record(value: Any, name: str, sizes: dict[str, int], where: str, protocol: Protocol) -> Iterator[str]:
    for field, node in protocol["types"][name].items():
        yield from _faults(getattr(value, field), node, sizes, f"{where}.{field}".lstrip("."), protocol)


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "id":
            return isinstance(value, str) and ID.fullmatch(value) is not None
        case "colour":
            return value in _COLOURS
    return isinstance(value, {"string": str, "boolean": bool, "null": types.NoneType}[kind])


def _fits(given: tuple[int, ...], wanted: typing.Sequence[str], sizes: dict[str, int]) -> bool:
    """Whether these are the sizes; those that have no number yet get it here."""
    if len(given) != len(wanted):
        return False
    known = [int(name) if name.isdigit() else sizes.get(name, size) for name, size in zip(wanted, given, strict=True)]
    if any(a != b for a, b in zip(given, known, strict=True)):
        return False
    sizes |= {name: size for name, size in zip(wanted, given, strict=True) if name != "_" and not name.isdigit()}
    return True


def _told(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name} = {size}" for name, size in sizes.items())
