"""Follow one vector: every intermediate of three steps, side by side, with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from lora_viz.core.spectra import ranks
from lora_viz.film.film import Film
from lora_viz.film.notation import STYLE, matrix_html, plain
from lora_viz.film.panels import Lines, Machine, Series
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.worked import PRINTED, PRINTED_COLUMNS, VECTOR, VECTORS, Worked, WorkedStep, parse_matrix, work
from lora_viz.lessons.controls import Choice, Control, Number, Text
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Folded, Html, Moving, Numbers, Part, Prose
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.start.machine import LayerFlow, narrated, phases
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "WorkedTable", "moving", "steps_html", "table", "takeaway", "worked_table"]

STEPS = 3
EXAMPLES = {"one_sample": VECTOR, "two_samples": VECTORS, "printed_rows": PRINTED, "printed_columns": PRINTED_COLUMNS}
FIELDS = {"W": "W", "A": "A", "B": "B", "x": "X", "t": "T"}  # what the visitor calls a matrix, and its field

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
    """The example, its steps, the numerical rank of ΔW after each, and how the example is written."""

    example: Worked
    steps: tuple[WorkedStep, ...]
    rank: tuple[int, ...]
    samples: int
    rows: bool


def worked_table(example: Worked, steps: int) -> WorkedTable:
    """Work the example through and put the ranks beside the steps."""
    told = work(example, steps)
    samples = example.X.shape[0] if example.rows else example.X.shape[1]
    rank = tuple(ranks(s.sigma, bound=len(s.sigma)).numerical for s in told)
    return WorkedTable(example, told, rank, samples, example.rows)


def moving(record: WorkedTable) -> Film | None:
    """The layer with every number in it, in slow motion one multiplication after the other.

    None where it cannot be followed: of several samples no single one explains the step, and the row-vector form
    calls the factors the other way round.
    """
    if record.samples > 1 or record.rows or len(record.steps) < 2:
        return None
    flow = _followed(record)
    coloured = (
        *(flow.W, flow.A, flow.B, flow.scaling * flow.B @ flow.A, flow.grad_A, flow.grad_B),
        *(np.hstack([flow.x, flow.h]), np.hstack([flow.y, flow.target])),
    )
    return Film(
        axis=to_say("step"), of_last=True, training=True, values=flow.steps.astype(float), start=0,
        seconds_per_frame=1.0, hero="layer", narration=tuple(narrated(flow, t) for t in range(len(flow.steps))),
        phases=tuple(phases(flow, t) for t in range(len(flow.steps))),
        panels=(
            Machine(
                "layer", say("The layer with all its numbers: Slow shows one multiplication after the other"),
                colour="ink", W=flow.W, A=flow.A, B=flow.B, x=flow.x, target=flow.target, scaling=flow.scaling,
                limits=tuple(float(np.abs(part).max()) or 1.0 for part in coloured),
                names=("W", "A", "B", "ΔW = s·B A"), symbol="W", lr=flow.lr, tall=1,
            ),
            Lines(
                "loss", say("Loss"), y_label=say("loss"), span=3,
                series=(Series("loss", say("loss"), "ink", flow.loss, dots=True),),
            ),
        ),
    )  # fmt: skip


def _followed(record: WorkedTable) -> LayerFlow:
    example, steps = record.example, record.steps
    A, B, grad_A, grad_B = (np.stack([getattr(s, name) for s in steps]) for name in ("A", "B", "grad_A", "grad_B"))
    h, u, y, g = (np.stack([getattr(s, name)[:, 0] for s in steps]) for name in ("h", "u", "y", "g"))
    loss, count = np.array([s.loss for s in steps]), len(steps)
    return LayerFlow(
        steps=np.arange(count), W=example.W, A=A, B=B, x=np.tile(example.X[:, 0], (count, 1)),
        target=np.tile(example.T[:, 0], (count, 1)), h=h, u=u, y=y, g=g, grad_A=grad_A, grad_B=grad_B,
        sample_loss=loss, loss=loss, sigma=np.stack([s.sigma for s in steps]), target_sigma=np.zeros(0),
        scaling=example.scaling, lr=example.lr, optimizer="sgd", frozen="none", diverged_at=-1,
    )  # fmt: skip


def body(record: WorkedTable) -> tuple[Part, ...]:
    """The layer that moves; where nothing can move, every number of every step."""
    film = moving(record)
    return (Html(lambda theme: steps_html(record)),) if film is None else (Moving("player", film),)


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


@sentences
def takeaway(record: WorkedTable) -> Iterator[str]:
    """What was seen, in the steps' own numbers."""
    first, last = record.steps[0], record.steps[-1]
    if len(record.steps) == 1:
        yield say("The first step already leads out of the range of numbers: η is too large.")
        return
    change = {"first": number(first.loss), "last": number(last.loss), "steps": len(record.steps) - 1}
    if change["first"] == change["last"]:
        yield say("The loss stays at {first} for {steps} steps.", first=change["first"], steps=change["steps"])
    elif change["steps"] == 1:
        yield say("The loss went from {first} to {last} in 1 step.", first=change["first"], last=change["last"])
    else:
        yield say("The loss went from {first} to {last} in {steps} steps.", **change)
    yield say(
        "The rank of ΔW is at most {most}; A has {directions} rows, and the number of samples is {samples}.",
        most=max(record.rank), directions=last.A.shape[0], samples=record.samples,
    )  # fmt: skip


def verdict(record: WorkedTable) -> Verdict:
    """B, ∇A and A, before and after the first update."""
    first = record.steps[0]
    size = float(np.abs(first.grad_A).max())
    evidence = {"B": float(np.abs(first.B).max()), "grad_A": size, "steps": len(record.steps)}
    if first.B.any():
        if not size:
            return undecided(say("B is not 0, and every entry of ∇A is 0 all the same"), **evidence)
        return false_here(
            say("B is not 0, and the largest entry of ∇A at step 0 is {size}", size=number(size)), **evidence
        )
    moved = len(record.steps) > 1 and bool((record.steps[1].A != first.A).any())
    if size or moved:
        return false_here(say("B is 0, but A changed in the first step"), **evidence)
    return true_here(say("B is 0, and so are all {count} entries of ∇A at step 0", count=first.grad_A.size), **evidence)


def _own_numbers(answers: Mapping[str, Any]) -> tuple[Control, ...]:
    """The numbers of the chosen example, each to be changed."""
    name = answers["example"]
    start = EXAMPLES[name]
    matrices = (
        Text(id=f"{name}_{called}", label=called, default=_written(getattr(start, field)), tall=110)
        for called, field in FIELDS.items()
    )
    scaling = Number(id=f"{name}_s", label="s = α/r", low=0.0, high=64.0, default=start.scaling)
    lr = Number(id=f"{name}_lr", label="η", low=0.0, high=100.0, default=start.lr, form="%.4g")
    return (*matrices, scaling, lr)


def _written(matrix: np.ndarray) -> str:
    return "\n".join(" ".join(f"{v:.12g}" for v in row) for row in matrix)  # with a point, in every language


def measure(settings: Settings, lab: Lab) -> WorkedTable:
    """Work the example through. Raises WorkedError: what cannot be read, or does not fit together."""
    name = settings["example"]
    given: dict[str, Any] = {
        field: parse_matrix(settings[f"{name}_{called}"], called) for called, field in FIELDS.items()
    }
    example = replace(EXAMPLES[name], **given, scaling=settings[f"{name}_s"], lr=settings[f"{name}_lr"])
    return worked_table(example, STEPS)


def extras(record: WorkedTable) -> tuple[Part, ...]:
    """Every number of every step where the layer moves, and the numbers to take along."""
    folded = (Folded(say("All numbers of all steps"), (Html(lambda theme: steps_html(record)),)),)
    return (
        *(() if moving(record) is None else folded),
        Numbers("follow", table(record), say("Every number as CSV"), say("Every number as JSON")),
    )


def beside(record: WorkedTable) -> tuple[Part, ...]:
    """How one's own numbers are written."""
    how = say("Rows of numbers, split by lines or semicolons, or a Python or NumPy list. Up to 6×6.")
    return (Prose(how, small=True),)


LESSON = Lesson(
    id="follow", menu=to_say("Follow one vector"), title=to_say("Follow one vector: what does a step compute?"),
    claim=to_say(
        "Three steps, worked out in full: as B = 0, every entry of ∇A is 0 at step 0, and A stays as it was."
    ),
    place=20,
    controls=(
        Choice(
            id="example", label=to_say("Samples"), options=tuple(EXAMPLES), default="one_sample",
            names={
                "one_sample": to_say("one sample"), "two_samples": to_say("two samples"),
                "printed_rows": to_say("as printed, rows"), "printed_columns": to_say("as printed, columns"),
            },
        ),
    ),
    more=(_own_numbers,), more_label=to_say("Your own numbers"), measure=measure, takeaway=takeaway, verdict=verdict,
    table=table, body=body, extras=extras, beside=beside, trains=False,
    seeded=False,
)  # fmt: skip
