"""Steps of gradient descent number by number, in layers small enough to work out by hand."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import language, say, to_say

__all__ = [
    "PRINTED",
    "PRINTED_COLUMNS",
    "PRINTED_STEP",
    "VECTOR",
    "VECTORS",
    "Worked",
    "WorkedError",
    "WorkedStep",
    "parse_matrix",
    "work",
]

MOST = 6
LARGEST = 1e6
_ROWS = to_say("{one} and {other}: both must have the same number of rows.")
_COLUMNS = to_say("{one} and {other}: both must have the same number of columns.")

Matrix = Float[np.ndarray, "_ _"]


class WorkedError(Refusal):
    """One sentence that names what was given and what is allowed."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Worked:
    """A layer, its samples and the step size: L = 1/(2n)Σ‖y − t‖² over n samples, plain gradient descent.

    Columns: y = W x + s·B(A x), samples are the columns of ``X`` (d_in, n) and ``T`` (d_out, n). With ``rows`` it is
    y = x(W + s·B A), samples are rows, W is (d_in, d_out), and B (d_in, r) is the factor that projects down. Raises
    WorkedError where two shapes do not fit, and says which product fails.
    """

    W: Matrix
    A: Matrix
    B: Matrix
    X: Matrix
    T: Matrix
    scaling: float
    lr: float
    rows: bool = False

    def __post_init__(self) -> None:
        # In either convention B is as tall as W and A as wide; only where the samples stand differs.
        self._fit("B", "A", self.B.shape[1], self.A.shape[0], "B·A")
        self._same("B", "W", self.B.shape[0], self.W.shape[0], _ROWS)
        self._same("A", "W", self.A.shape[1], self.W.shape[1], _COLUMNS)
        if self.rows:
            self._fit("x", "W", self.X.shape[1], self.W.shape[0], "x·W")
            self._same("t", "W", self.T.shape[1], self.W.shape[1], _COLUMNS)
            self._same("t", "x", self.T.shape[0], self.X.shape[0], _ROWS)
        else:
            self._fit("W", "x", self.W.shape[1], self.X.shape[0], "W·x")
            self._same("t", "W", self.T.shape[0], self.W.shape[0], _ROWS)
            self._same("t", "x", self.T.shape[1], self.X.shape[1], _COLUMNS)

    def _shape(self, name: str) -> str:
        matrix = getattr(self, {"x": "X", "t": "T"}.get(name, name))
        return say("{name} is {rows}×{columns}", name=name, rows=matrix.shape[0], columns=matrix.shape[1])

    def _fit(self, left: str, right: str, columns: int, rows: int, product: str) -> None:
        if columns != rows:
            raise WorkedError(
                say(
                    "{product} cannot be formed: {one} and {other}, "
                    "but {left} must have as many columns as {right} has rows.",
                    product=product,
                    one=self._shape(left),
                    other=self._shape(right),
                    left=left,
                    right=right,
                )
            )

    def _same(self, one: str, other: str, a: int, b: int, wrong: str) -> None:
        if a != b:
            raise WorkedError(say(wrong, one=self._shape(one), other=self._shape(other)))


class WorkedStep(NamedTuple):
    """All that a step computes, in its order; ``G_W`` is the gradient that full fine-tuning would use."""

    A: Matrix
    B: Matrix
    base: Matrix
    h: Matrix
    u: Matrix
    y: Matrix
    g: Matrix
    loss: float
    G_W: Matrix
    grad_B: Matrix
    grad_A: Matrix
    delta_weight: Matrix
    W_eff: Matrix
    sigma: Float[np.ndarray, "k"]


def work(example: Worked, steps: int) -> tuple[WorkedStep, ...]:
    """Every intermediate of steps 0 to ``steps``; ends early where a number is no longer finite."""
    e, A, B = example, example.A, example.B
    n = e.X.shape[0] if e.rows else e.X.shape[1]
    told = []
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(steps + 1):
            delta = e.scaling * B @ A
            if e.rows:
                base, h = e.X @ e.W, e.X @ B
                u = h @ A
            else:
                base, h = e.W @ e.X, A @ e.X
                u = B @ h
            y = base + e.scaling * u
            g = y - e.T
            G_W = (e.X.T @ g if e.rows else g @ e.X.T) / n
            grad_A, grad_B = e.scaling * B.T @ G_W, e.scaling * G_W @ A.T
            loss = 0.5 * float(np.sum(g**2)) / n
            if not all(np.isfinite(x).all() for x in (A, B, y, G_W, grad_A, grad_B, loss)):
                break
            sigma = np.linalg.svd(delta, compute_uv=False)
            told.append(WorkedStep(A, B, base, h, u, y, g, loss, G_W, grad_B, grad_A, delta, e.W + delta, sigma))
            A, B = A - e.lr * grad_A, B - e.lr * grad_B
    return tuple(told)


def parse_matrix(text: str, name: str) -> Matrix:
    """The matrix that is written here: rows of CSV (lines or semicolons) or a Python or NumPy literal, never evaluated.

    At most 6×6 finite numbers of size at most 1e6. Raises WorkedError.
    """
    shown = text.strip()
    if len(shown) > 2000:
        raise WorkedError(say("{name} has {count} characters: at most 2000 are read.", name=name, count=len(shown)))
    if not shown:
        raise WorkedError(say("{name} is empty: write rows of numbers, such as 1 0 -1; 0.5 1 0.", name=name))
    inner = re.fullmatch(r"(?:[\w.]*\b(?:array|tensor|matrix)\s*\()?\s*(\[.*\])\s*(?:,[^\[\]]*)?\)?", shown, re.S)
    if inner is None and (comma := _decimal_comma(shown)):
        raise WorkedError(
            say(
                "{name} holds {text}, in which the comma may be a decimal comma: write 0.5 with a point, and separate "
                "numbers by spaces.",
                name=name,
                text=comma[:20],
            )
        )
    rows = (
        _literal(inner.group(1), name) if inner else [re.split(r"[,\s]+", line.strip(" ,")) for line in _lines(shown)]
    )
    if len({len(row) for row in rows}) != 1:
        raise WorkedError(
            say(
                "{name} has rows of {lengths} numbers: all must be as long.",
                name=name,
                lengths=", ".join(str(len(row)) for row in rows[: MOST + 1]),
            )
        )
    if len(rows) > MOST or not 1 <= len(rows[0]) <= MOST:
        raise WorkedError(
            say(
                "{name} is {rows}×{columns}: at most {most}×{most} can be worked through.",
                name=name,
                rows=len(rows),
                columns=len(rows[0]),
                most=MOST,
            )
        )
    return np.array([[_number(cell, name) for cell in row] for row in rows])


def _decimal_comma(text: str) -> str:
    """What may be a number with a decimal comma: in German, and where spaces separate already; else empty."""
    for line in _lines(text):
        found = re.search(r"[-+\d.]*\d,\d+", line)
        if found and (language() == "de" or re.search(r"[^\s,]\s+[^\s,]", line.strip(" ,"))):
            return found.group()
    return ""


def _lines(text: str) -> list[str]:
    return [line for line in re.split(r"[;\n]", text) if line.strip(" ,")]


def _literal(text: str, name: str) -> list[list[object]]:
    try:
        value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # TypeError: a list as a key
        raise WorkedError(
            say("{name} is not a list of numbers: {text}… cannot be read.", name=name, text=text[:30])
        ) from None
    rows = [list(row) if isinstance(row, list | tuple) else row for row in value]
    if rows and not any(isinstance(row, list) for row in rows):
        rows = [[cell] for cell in rows]  # a flat list is a column
    if not rows or not all(isinstance(row, list) for row in rows):
        raise WorkedError(
            say("{name} is not a matrix: a list of rows is expected, such as [[1, 0], [0, 1]].", name=name)
        )
    return rows


def _number(cell: object, name: str) -> float:
    try:
        value = float(cell) if isinstance(cell, str | int | float) and not isinstance(cell, bool) else float("nan")
    except (ValueError, OverflowError):
        value = float("nan")
    if not abs(value) <= LARGEST:
        raise WorkedError(
            say(
                "{name} holds {cell}. Valid values are numbers from −1000000 to 1000000.",
                name=name,
                cell=repr(str(cell)[:20]),
            )
        )
    return value


def _columns(*values: float) -> Matrix:
    return np.array(values, dtype=float)[:, None]


# One vector through a layer of 4×3, r = 2, α = 4: not square, so that no transpose hides, and α, α/r and 1 all differ.
VECTOR = Worked(
    W=np.array([[1, 0, -1], [0.5, 1, 0], [0, -1, 2], [1, 0.5, 0.5]]),
    A=np.array([[0.1, -0.2, 0.3], [0.4, 0.1, -0.1]]),
    B=np.zeros((4, 2)),
    X=_columns(1, 2, -1),
    T=_columns(1.5, 3.5, -4.25, 2.25),
    scaling=2.0,
    lr=0.1,
)
# The same layer with a second sample: the update can now have rank 2.
VECTORS = Worked(
    W=VECTOR.W,
    A=VECTOR.A,
    B=VECTOR.B,
    X=np.array([[1, 0], [2, 1], [-1, 1]], dtype=float),
    T=np.array([[1.5, -0.5], [3.5, 0.5], [-4.25, 0], [2.25, 0.75]]),
    scaling=2.0,
    lr=0.1,
)
# A document's example as it is printed, in its own convention y = x·W_eff ...
PRINTED = Worked(
    W=np.array([[1, 0, -1, 2], [0, 1, 1, -1], [2, -2, 0, 0], [1, 1, 1, 1]], dtype=float),
    A=np.array([[0.1, 0.2, 0.3, 0.4], [-0.1, -0.2, 0.0, 0.1]]),
    B=np.array([[1, 0], [0, 1], [0.5, -0.5], [-1, 1]]),
    X=np.array([[1.0, 0, 0, 0]]),
    T=np.ones((1, 4)),
    scaling=1.0,
    lr=0.1,
    rows=True,
)
# ... and with the very same matrices read as y = W_eff·x, which is another layer ...
PRINTED_COLUMNS = replace(PRINTED, X=PRINTED.X.T, T=PRINTED.T.T, rows=False)
# ... and what it prints as the result of one step: material for finding mistakes, never a source of numbers.
PRINTED_STEP: dict[str, Matrix] = {
    "∇A": np.array([[0.1, 0.2, -1.7, 1.4], [0, 0, 0, 0]]),
    "∇B": np.array([[0.01, -0.01], [0.02, -0.02], [-0.17, 0.17], [0.14, -0.14]]),
    "A new": np.array([[0.09, 0.18, 0.47, 0.26], [-0.10, -0.20, 0.00, 0.10]]),
    "B new": np.array([[0.999, 0.001], [-0.002, 1.002], [0.52, -0.52], [-1.01, 1.01]]),
    "W_eff new": np.array(
        [[1.09, 0.18, -0.53, 2.26], [-0.10, 0.80, 1.00, -0.90], [2.10, -1.80, 0.24, 0.08], [0.81, 0.62, 0.52, 0.84]]
    ),
}
