"""What a room thought, against what was measured: shares of choices, quantiles of numbers and of curves, who was near.

Near means within a tenth of the axis of the measured panel, in the axis's own scale; a curve is near where its median
distance is. Nothing here knows whose an answer is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.rooms.question import Answer, Question
from lora_viz.rooms.room import Room

__all__ = ["NEAR", "Scored", "Thought", "scores", "thought"]

NEAR = 0.1  # of the axis
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_DRAWN = 300  # curves, each a line


class Thought(NamedTuple):
    """What the room thinks of one question.

    ``answered`` counts those who said something, ``unsure`` those who did not know. ``counts`` are of each choice.
    ``quantiles`` are of numbers (5,) or of curves (5, n), at 5, 25, 50, 75 and 95 %; ``answers`` the numbers or curves
    themselves, sorted, not more than can be drawn. ``near`` is how many were near what was measured.
    """

    answered: int
    unsure: int
    counts: tuple[int, ...]
    quantiles: tuple[Any, ...]
    answers: tuple[Any, ...]
    near: int

    @property
    def share(self) -> float:
        """Of those who said something, the share that was near; 0 where nobody did."""
        return self.near / self.answered if self.answered else 0.0

    def before(self) -> dict[str, Any]:
        """For the first step of the reveal: all but who was near."""
        return {name: value for name, value in self._asdict().items() if name != "near"}


def thought(question: Question, answers: Sequence[Answer]) -> Thought:
    """What these answers come to."""
    given = [answer for answer in answers if answer is not None]
    unsure = len(answers) - len(given)
    if question.kind == "choice":
        counts = np.bincount(np.array(given, dtype=int), minlength=question.choices)
        right = int(counts[question.truth]) if isinstance(question.truth, int) else 0
        return Thought(len(given), unsure, tuple(map(int, counts)), (), (), right)
    if question.kind == "number":
        values = np.sort(np.array(given, dtype=float))
        off = np.abs(_on_axis(question, values) - _on_axis(question, np.array([_number(question.truth)])))
        found = _quantiles(question, values[:, None])[:, 0] if len(values) else np.array([])
        return Thought(
            len(given), unsure, (), _plain(found), _plain(_some(values)), int((off <= NEAR * (1 + 1e-12)).sum())
        )
    return _curves(question, given, unsure)


def _curves(question: Question, given: Sequence[Any], unsure: int) -> Thought:
    shape = (len(given), len(question.places))
    curves = np.array([[np.nan if y is None else y for y in curve] for curve in given], dtype=float).reshape(shape)
    measured = question.truth if isinstance(question.truth, tuple | list) else ()
    truth = np.array([np.nan if y is None else y for y in measured], dtype=float)
    off = np.abs(_on_axis(question, curves) - _on_axis(question, truth))
    near = sum(bool(np.median(row[np.isfinite(row)]) <= NEAR) for row in off if np.isfinite(row).any())
    found = _quantiles(question, curves) if len(curves) else np.empty((0, 0))
    return Thought(len(given), unsure, (), _plain(found), _plain(_some(curves)), near)


def _number(truth: Answer) -> float:
    return float(truth) if isinstance(truth, int | float) else math.nan


def _on_axis(question: Question, values: Float[np.ndarray, "*s"]) -> Float[np.ndarray, "*s"]:
    """Where the values stand on the axis: 0 at its lower end, 1 at its upper; NaN where a log axis has no place."""
    low, high = question.low, question.high
    if question.scale == "linear":
        return (values - low) / ((high - low) or 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        placed = np.log(np.where(values > 0, values, np.nan) / low)
    return placed / (math.log(high / low) or 1.0)


def _quantiles(question: Question, values: Float[np.ndarray, "k n"]) -> Float[np.ndarray, "5 n"]:
    """Of each column, of what is there; between two answers a log axis goes by factors, if all are positive."""
    log = question.scale == "log" and bool((values[np.isfinite(values)] > 0).all())
    found = np.full((len(QUANTILES), values.shape[1]), np.nan)
    for j, column in enumerate(values.T):
        known = column[np.isfinite(column)]
        if len(known):
            found[:, j] = np.exp(np.quantile(np.log(known), QUANTILES)) if log else np.quantile(known, QUANTILES)
    return found


def _some(values: np.ndarray) -> np.ndarray:
    """Not more than can be drawn, spread over all."""
    if len(values) <= MOST_DRAWN:
        return values
    return values[np.linspace(0, len(values) - 1, MOST_DRAWN).round().astype(int)]


def _plain(values: np.ndarray) -> tuple[Any, ...]:
    """As JSON can hold it: what is no number is None."""
    if values.ndim > 1:
        return tuple(map(_plain, values))
    return tuple(float(v) if math.isfinite(v) else None for v in values)


class Scored(NamedTuple):
    """One question that was revealed, and how near the room was."""

    scene: str
    text: str
    measured: str
    thought: Thought


def scores(room: Room, answers: Iterable[Sequence[Answer]], code: str) -> tuple[Scored, ...]:
    """The rounds that were revealed to the end, in their order; ``answers`` are those of every round."""
    return tuple(
        Scored(one.scene, one.question.worded(code).text, one.question.measured, thought(one.question, given))
        for one, given in zip(room.rounds, answers, strict=True)
        if one.state == "measured"
    )
