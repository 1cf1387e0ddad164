"""One lesson at one setting, examined: every text searched, the verdict and the words held against the predicates."""

from __future__ import annotations

import json
import traceback
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import language
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson, Played
from lora_viz.lessons.parts import Code, Part
from lora_viz.lessons.settings import Settings
from tests.examination.predicates.registry import predicates_of
from tests.examination.texts import Watched, faults, too_long

__all__ = ["Finding", "examine"]

SILENT = ("id", "bar_ids", "kind", "colour", "scale", "x_scale", "dash", "axis", "array", "lift", "family", "font")


class Finding(NamedTuple):
    """What came out at one setting: whether the claim holds there (None: it cannot be told, "": no verdict), faults."""

    lesson: str
    at: str
    holds: bool | str | None
    why: str
    faults: tuple[str, ...]


def examine(lesson: Lesson[Any], settings: Settings, lab: Lab, *, lengths: bool = True, asked: bool = True) -> Finding:
    """Play it and look at everything that it says. A refusal in one sentence is a good answer, an error is a fault."""
    at = _at(lesson, settings)
    try:
        with warnings.catch_warnings(), Watched() as watched:
            warnings.simplefilter("ignore")
            try:
                played = lesson.played(settings, lab)
                found = list(_of(played, lengths=lengths, asked=asked))
            except Refusal as said:
                found = list(faults(str(said)))
                if not str(said).endswith("."):
                    found.append(f"a refusal that is no sentence: {said}")
                return Finding(lesson.id, at, "refused", str(said), tuple(found))
        found += [f"rounded to nothing: {one}" for one in dict.fromkeys(watched.vanished)]
        verdict = played.verdict
    except Exception as error:  # an error page is what is looked for
        where = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} ({where.filename.rpartition('/')[2]}:{where.lineno})"
        return Finding(lesson.id, at, "", "", (f"error page: {told}",))
    return Finding(
        lesson.id, at, "" if verdict is None else verdict.holds, verdict.text if verdict else "", tuple(found)
    )


def _at(lesson: Lesson[Any], settings: Settings) -> str:
    """The setting as a link, what is as the lesson opens left out."""
    usual = lesson.link(lesson.settings())
    own = {name: value for name, value in lesson.link(settings).items() if usual.get(name) != value}
    return lesson.id + ("?" if own else "") + "&".join(f"{name}={str(value)[:40]}" for name, value in own.items())


def _of(played: Played[Any], *, lengths: bool, asked: bool) -> Iterator[str]:
    for statement in played.statements(asked=asked):
        for fault in faults(statement.text):
            yield f"{statement.kind}: {fault}"
        if lengths and (long := too_long(statement.kind, statement.text)):
            yield f"{statement.id}: {long}: “{statement.text[:80]}…”"
        if statement.kind == "question" and statement.condition:
            choices = statement.condition.split("; ")
            if len(set(choices)) < max(2, len(choices)):
                yield f"question: choices that are equal, or one alone: {statement.condition}"
    if played.verdict is not None:
        yield from (f"verdict: {fault}" for fault in faults(played.verdict.text))
    for text in _drawn(played):
        yield from (f"picture: {fault}" for fault in faults(text))
    for which in ("body", "extras", "beside"):
        for text in _parts(played.parts(which)):
            yield from (f"{which}: {fault}" for fault in faults(text))
    own = predicates_of(played.lesson.id)
    if own.claim is not None and played.verdict is not None:
        true = own.claim(played)
        if true != played.verdict.holds:
            yield f"verdict says {played.verdict.holds}, the run {true}: “{played.verdict.text}”"
    if language() != "de":  # they look for English words
        for says in own.says:
            yield from says(played)


def _drawn(played: Played[Any]) -> Iterator[str]:
    """Every text in the film."""
    if played.film is None:
        return
    data = played.film.to_bytes()
    yield from _strings(json.loads(data[4 : 4 + int.from_bytes(data[:4], "little")])["film"])


def _strings(value: Any, key: str = "", within: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        within = value.get("kind") or within
        for name, item in value.items():
            written = name in ("text", "tokens") and "passages" in within  # by a model: its words are not ours
            if name not in SILENT and name != "narration" and not written:
                yield from _strings(item, name, within)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, key, within)
    elif isinstance(value, str):
        yield value


def _parts(parts: tuple[Part, ...]) -> Iterator[str]:
    """Every sentence in these parts."""
    for part in parts:
        if isinstance(part, Code):  # Python's words are not ours
            continue
        for value in part:
            if isinstance(value, str) and " " in value:
                yield value
            elif isinstance(value, tuple):
                yield from (text for one in value if isinstance(one, tuple) for text in _parts((one,)))
