"""Who says whether a statement is true: predicates of the run, written without looking at the words."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from lora_viz.lessons.lesson import Played

__all__ = ["Predicates", "claim_of", "predicates_of", "says_of"]

Claim = Callable[[Played[Any]], "bool | None"]
Says = Callable[[Played[Any]], Iterator[str]]
F = TypeVar("F", bound=Callable[..., Any])

_CLAIMS: dict[str, Claim] = {}
_SAYS: dict[str, list[Says]] = {}


class Predicates(NamedTuple):
    """Of one lesson: whether its claim holds in a run (None: nobody has written that), and what else is checked."""

    claim: Claim | None
    says: tuple[Says, ...]


def claim_of(lesson: str) -> Callable[[F], F]:
    """The function says whether this lesson's claim holds in the run; None where the run cannot tell."""

    def keep(function: F) -> F:
        assert lesson not in _CLAIMS, f"the claim of {lesson} has a predicate"
        _CLAIMS[lesson] = function
        return function

    return keep


def says_of(lesson: str) -> Callable[[F], F]:
    """The function yields, one sentence each, what is false in the texts of this lesson's run."""

    def keep(function: F) -> F:
        _SAYS.setdefault(lesson, []).append(function)
        return function

    return keep


@cache
def _found() -> tuple[ModuleType, ...]:
    package = importlib.import_module("tests.examination.predicates")
    names = (found.name for found in pkgutil.iter_modules(package.__path__) if found.name != "registry")
    return tuple(importlib.import_module(f"tests.examination.predicates.{name}") for name in names)


def predicates_of(lesson: str) -> Predicates:
    """All that is checked of this lesson."""
    _found()
    return Predicates(_CLAIMS.get(lesson), tuple(_SAYS.get(lesson, ())))
