"""Values by a pattern of a module's path, matched as PEFT matches them, without running a stranger's expression.

PEFT takes every key of ``alpha_pattern`` and ``rank_pattern`` for a regular expression that ends a path at a dot,
``(.*\\.)?(key)$``; the first that fits counts. A backtracking machine can be kept busy for ever by one of 20 letters,
so expressions run here on a set of states, one step a letter (Thompson 1968): what they may cost is known before.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from lora_viz.adapters.refusing import AdapterError, short
from lora_viz.i18n.language import say

__all__ = ["Expression", "Patterns"]

LETTERS_MOST, STATES_MOST, EXPRESSIONS_MOST, STEPS_MOST = 500, 600, 200, 8_000_000
_PLAIN = re.compile(r"\^?(?:[\w\-]|\\?\.)+\$?")
_Test = Callable[[str], bool]
_CATEGORIES: dict[str, _Test] = {
    "CATEGORY_DIGIT": str.isdigit,
    "CATEGORY_NOT_DIGIT": lambda c: not c.isdigit(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda c: not c.isspace(),
    "CATEGORY_WORD": lambda c: c.isalnum() or c == "_",
    "CATEGORY_NOT_WORD": lambda c: not (c.isalnum() or c == "_"),
}


def _between(low: int, high: int) -> _Test:
    return lambda letter: low <= ord(letter) <= high


_PARSING = threading.Lock()  # what is warned of is the whole process's


def _parsed(text: str) -> Any:
    """The expression by the standard library's own grammar; what it warns of means today what it says."""
    with _PARSING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return re._parser.parse(text)  # type: ignore[attr-defined]


class Expression:
    """A regular expression as states and steps. Raises AdapterError for what needs memory of its own (backreferences,
    lookahead) or is too long.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._tests: list[_Test | None] = []  # of each state's one letter; None: a fork without a letter
        self._next: list[list[int]] = []
        if len(text) > LETTERS_MOST:
            raise self._refused()
        try:
            parsed = _parsed(text)
            items = list(parsed)
            if parsed.state.flags & ~re.UNICODE:
                raise self._refused()
            self._whole = bool(items) and str(items[0][0]) == "AT" and str(items[0][1]).startswith("AT_BEGINNING")
            self._start, ends = self._sequence(items[1:] if self._whole else items)
        except (re.error, RecursionError, OverflowError):
            raise self._refused() from None
        self._end = self._state(None)
        self._join(ends, self._end)
        self._first = self._closed({self._start})
        self._known: dict[tuple[frozenset[int], str], frozenset[int]] = {}

    def ends(self, path: str, spend: Callable[[], None] = lambda: None) -> bool:
        """Does it match the whole path, or what follows one of its dots? ``spend`` is called for every new step."""
        now = self._first
        for at, letter in enumerate(path):
            then = self._known.get((now, letter))
            if then is None:
                spend()
                hit: set[int] = set()
                for s in now:
                    test = self._tests[s]
                    if test is not None and test(letter):
                        hit |= {*self._next[s]}
                then = self._known[now, letter] = self._closed(hit)
            now = then
            if letter == "." and at + 1 < len(path) and not self._whole:
                now = now | self._first
        return self._end in now

    def _refused(self) -> AdapterError:
        return AdapterError(say("The pattern {key} is a regular expression that is not read: too long, damaged, or "
                                "with a look ahead or a reference back.", key=short(self._text)))  # fmt: skip

    def _closed(self, states: set[int]) -> frozenset[int]:
        found, todo = set(states), list(states)
        while todo:
            s = todo.pop()
            if self._tests[s] is None:
                new = [n for n in self._next[s] if n not in found]
                found |= {*new}
                todo += new
        return frozenset(found)

    def _state(self, test: _Test | None) -> int:
        if len(self._tests) >= STATES_MOST:
            raise self._refused()
        self._tests.append(test)
        self._next.append([])
        return len(self._tests) - 1

    def _join(self, ends: list[int], to: int) -> None:
        for end in ends:
            self._next[end].append(to)

    def _sequence(self, items: list[Any]) -> tuple[int, list[int]]:
        start = self._state(None)
        ends = [start]
        for item in items:
            first, after = self._item(*item)
            self._join(ends, first)
            ends = after
        return start, ends

    def _item(self, kind: Any, value: Any) -> tuple[int, list[int]]:
        match str(kind):
            case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
                state = self._state(self._test(str(kind), value))
                return state, [state]
            case "SUBPATTERN" if not value[1] and not value[2]:
                return self._sequence(list(value[3]))
            case "BRANCH":
                fork = self._state(None)
                ends: list[int] = []
                for branch in value[1]:
                    first, after = self._sequence(list(branch))
                    self._join([fork], first)
                    ends += after
                return fork, ends
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._repeat(*value)
            case "AT" if str(value) in ("AT_END", "AT_END_STRING"):
                state = self._state(None)  # a key ends the path by rule
                return state, [state]
        raise self._refused()

    def _repeat(self, low: int, high: int, inner: Any) -> tuple[int, list[int]]:
        start = self._state(None)
        ends = [start]
        for _ in range(int(low)):
            first, after = self._sequence(list(inner))
            self._join(ends, first)
            ends = after
        if str(high) == "MAXREPEAT":
            loop = self._state(None)
            self._join(ends, loop)
            first, after = self._sequence(list(inner))
            self._join([loop], first)
            self._join(after, loop)
            return start, [loop]
        out = list(ends)
        for _ in range(int(high) - int(low)):
            first, after = self._sequence(list(inner))
            self._join(ends, first)
            ends = after
            out += after
        return start, out

    def _test(self, kind: str, value: Any) -> _Test:
        if kind == "ANY":
            return lambda c: c != "\n"
        if kind in ("LITERAL", "NOT_LITERAL"):
            letter, wanted = chr(value), kind == "LITERAL"
            return lambda c: (c == letter) == wanted
        turned = False
        tests: list[_Test] = []
        for name, given in value:
            match str(name):
                case "NEGATE":
                    turned = True
                case "LITERAL":
                    tests.append(_between(given, given))
                case "RANGE":
                    tests.append(_between(*given))
                case "CATEGORY" if str(given) in _CATEGORIES:
                    tests.append(_CATEGORIES[str(given)])
                case _:
                    raise self._refused()
        return lambda c: any(test(c) for test in tests) != turned


class Patterns:
    """Values by pattern. Plain names are looked up, not tried one by one: a path has few endings, a file may have
    thousands of them; other keys are expressions, of which there may be few. Raises AdapterError.
    """

    def __init__(self, given: Mapping[str, float]) -> None:
        self._whole: dict[str, tuple[int, float]] = {}
        self._endings: dict[str, tuple[int, float]] = {}
        self._expressions: list[tuple[int, float, Expression]] = []
        self._steps = 0
        for place, (key, value) in enumerate(given.items()):
            if not _PLAIN.fullmatch(key):
                if len(self._expressions) == EXPRESSIONS_MOST:
                    raise AdapterError(say("There are more than {most} patterns that are regular expressions: so many "
                                           "are read.", most=EXPRESSIONS_MOST))  # fmt: skip
                self._expressions.append((place, value, Expression(key)))
                continue
            plain = key.removeprefix("^").removesuffix("$").replace("\\.", ".")
            (self._whole if key.startswith("^") else self._endings).setdefault(plain, (place, value))
        self._dots = {key.count(".") for key in self._endings}

    def value(self, path: str, otherwise: float) -> float:
        """That of the first key which names this path. Raises AdapterError where that takes too many steps."""
        found = [self._whole[path]] if path in self._whole else []
        at, dots = len(path), -1
        while at >= 0 and self._endings:
            at, dots = path.rfind(".", 0, at), dots + 1
            if dots in self._dots and (hit := self._endings.get(path[at + 1 :])):
                found.append(hit)
        for place, value, expression in self._expressions:
            if found and min(found)[0] < place:
                break
            self._spend(1 + len(path))
            if expression.ends(path, self._spend):
                found.append((place, value))
                break
        return min(found)[1] if found else otherwise

    def _spend(self, steps: int = 20) -> None:
        self._steps += steps
        if self._steps > STEPS_MOST:
            raise AdapterError(say("The patterns of the configuration take too long for so many modules: give plain "
                                   "names of modules."))  # fmt: skip
