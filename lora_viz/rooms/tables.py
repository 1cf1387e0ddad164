"""A room's answers to take along: a table of one row an answer, without whose it is. Open questions are left out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from lora_viz.export.taken_along import cell
from lora_viz.rooms.question import Answer
from lora_viz.rooms.room import Room, Round

__all__ = ["as_csv", "as_json"]


def as_json(room: Room, answers: Sequence[Sequence[Answer]]) -> str:
    """Every question with its measured answer and the room's answers, sorted."""
    told = [
        {
            "scene": one.scene,
            "kind": one.question.kind,
            "question": one.question.words[0][1].text,
            "choices": one.question.words[0][1].choices,
            "places": one.question.places,
            "measured": one.question.truth,
            "answers": given,
        }
        for one, given in _shown(room, answers)
    ]
    return json.dumps(told, ensure_ascii=False, indent=1)


def as_csv(room: Room, answers: Sequence[Sequence[Answer]]) -> str:
    """One row an answer: scene, question, kind, answer; a curve has a column a point."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\r\n")
    points = max((len(one.question.places) for one, _ in _shown(room, answers)), default=0)
    table.writerow(["scene", "question", "kind", "answer", *(f"point_{i + 1}" for i in range(points))])
    for one, given in _shown(room, answers):
        wording = one.question.words[0][1]
        for value in given:
            table.writerow([cell(part) for part in (one.scene, wording.text, one.question.kind, *_written(one, value))])
    return out.getvalue()


def _shown(room: Room, answers: Sequence[Sequence[Answer]]) -> list[tuple[Round, Sequence[Answer]]]:
    """Nobody sees answers before the reveal, by this way neither."""
    pairs = zip(room.rounds, answers, strict=True)
    return [(one, given) for one, given in pairs if one.state in ("closed", "measured")]


def _written(one: Round, value: Answer) -> list[Any]:
    if value is None:
        return ["?"]
    if one.question.kind == "choice" and isinstance(value, int):
        return [one.question.words[0][1].choices[value]]
    if isinstance(value, tuple):
        return ["", *("" if y is None else y for y in value)]
    return [value]
