"""Follow one vector: every intermediate of a few steps, side by side, with its numbers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lora_viz.core.spectra import ranks
from lora_viz.film.notation import STYLE, matrix_html, plain
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.layer.worked import Worked, WorkedStep, work

__all__ = ["WorkedTable", "steps_html", "table", "takeaway", "worked_table"]

# Name on the screen, field of the step, colour: each factor over its gradient, then what lies between them.
_ROWS = (
    ("A", "A", "A"),
    ("∇A = s·Bᵀ G", "grad_A", "A"),
    ("B", "B", "B"),
    ("∇B = s·G Aᵀ", "grad_B", "B"),
    ("L = 1/(2n) Σ‖g‖²", "loss", ""),
    ("W x", "base", "W"),
    ("h = A x", "h", "A"),
    ("u = B h", "u", "B"),
    ("y = W x + s·u", "y", ""),
    ("g = y − t", "g", ""),
    ("ΔW = s·B A", "delta_weight", "delta"),
    ("σ(ΔW)", "sigma", "delta"),
)

# The same in the row-vector form, where B projects down and A up.
_IN_ROWS = {
    "W x": "x W",
    "h = A x": "h = x B",
    "u = B h": "u = h A",
    "y = W x + s·u": "y = x W + s·u",
    "∇A = s·Bᵀ G": "∇A = s·(x B)ᵀ G",
    "∇B = s·G Aᵀ": "∇B = s·xᵀ(G Aᵀ)",
}


class WorkedTable(NamedTuple):
    """The steps, the numerical rank of ΔW after each, and how the example is written."""

    steps: tuple[WorkedStep, ...]
    rank: tuple[int, ...]
    samples: int
    rows: bool


def worked_table(example: Worked, steps: int) -> WorkedTable:
    """Work the example through and put the ranks beside the steps."""
    told = work(example, steps)
    samples = example.X.shape[0] if example.rows else example.X.shape[1]
    rank = tuple(ranks(s.sigma, bound=len(s.sigma)).numerical for s in told)
    return WorkedTable(told, rank, samples, example.rows)


def steps_html(record: WorkedTable) -> str:
    """One column a step, one row a quantity."""
    head = "".join(f"<th>{say('step {step}', step=k)}</th>" for k in range(len(record.steps)))
    body = []
    for name, field, colour in _ROWS:
        label = _IN_ROWS.get(name, name) if record.rows else name
        cells = "".join(f"<td>{_value(getattr(step, field), colour)}</td>" for step in record.steps)
        identity = f' class="identity-{colour}"' if colour else ""
        body.append(f'<tr class="row"><th{identity}>{label}</th>{cells}</tr>')
    rank = "".join(f"<td>{r}</td>" for r in record.rank)
    body.append(f'<tr class="row"><th>{say("rank of ΔW")}</th>{rank}</tr>')
    return f'{STYLE}<table class="worked"><tbody><tr><td></td>{head}</tr>{"".join(body)}</tbody></table>'


def table(record: WorkedTable) -> dict[str, np.ndarray]:
    """Every number of every step: one a row, with its quantity and its place (from 1) in it."""
    rows = []
    for k, (step, rank) in enumerate(zip(record.steps, record.rank, strict=True)):
        quantities = {name: np.atleast_2d(value) for name, value in step._asdict().items()}
        for name, value in (quantities | {"rank": np.atleast_2d(float(rank))}).items():
            rows += [(k, name, i + 1, j + 1, float(v)) for (i, j), v in np.ndenumerate(value)]
    columns = zip(*rows, strict=True)
    return dict(zip(("step", "quantity", "row", "column", "value"), map(np.array, columns), strict=True))


def _value(value: float | np.ndarray, colour: str) -> str:
    if isinstance(value, float):
        return f"<b>{plain(value, 6)}</b>"
    if value.ndim == 1:
        return ", ".join(plain(v) for v in value)
    return matrix_html(value, colour=colour)


def takeaway(record: WorkedTable) -> str:
    """What was seen, in the steps' own numbers."""
    first, last = record.steps[0], record.steps[-1]
    said = []
    if not first.grad_A.any() and first.grad_B.any():
        said.append(say("At step 0 every entry of ∇A is 0, because B is: the first update leaves A as it was."))
    if len(record.steps) == 1:
        return " ".join([*said, say("The first step already leaves the numbers that can be written: η is too large.")])
    said.append(
        say(
            "The loss went from {first} to {last} in {steps} steps.",
            first=number(first.loss),
            last=number(last.loss),
            steps=len(record.steps) - 1,
        )
    )
    most = max(record.rank)
    directions = last.A.shape[0]
    said.append(
        say(
            "ΔW never had a higher rank than {most}: one sample, {directions} directions available.",
            most=most,
            directions=directions,
        )
        if record.samples == 1
        else say(
            "ΔW never had a higher rank than {most}: {samples} samples, {directions} directions available.",
            most=most,
            samples=record.samples,
            directions=directions,
        )
    )
    return " ".join(said)
