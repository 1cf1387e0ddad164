"""Find the mistake: a printed step beside the right one, every wrong entry with the reason why it went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from lora_viz.film.notation import STYLE, matrix_html, plain
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.worked import PRINTED, PRINTED_COLUMNS, PRINTED_STEP, work
from lora_viz.lessons.controls import Choice, Control, Several, Switch
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Act, Html, Part, Prose, Row
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, true_here, undecided

__all__ = ["LESSON", "Mistakes", "comparison_html", "mistakes", "score", "start_html", "takeaway"]

# Of each printed matrix the step and its field, which names it in links too; and the colour that it has.
_FIELDS = {"∇A": (0, "grad_A"), "∇B": (0, "grad_B"), "A new": (1, "A"), "B new": (1, "B"), "W_eff new": (1, "W_eff")}
_COLOURS = {"∇A": "A", "∇B": "B", "A new": "A", "B new": "B", "W_eff new": "W"}
# What stands on the screen for a printed matrix, where that is not its key.
NAMES = {"A new": to_say("A new"), "B new": to_say("B new"), "W_eff new": to_say("W + BA new")}
# Half a unit of the last decimal that is printed: what rounding alone may explain.
_ROUNDING = {"∇A": 5e-3, "∇B": 5e-3, "A new": 5e-3, "B new": 5e-4, "W_eff new": 5e-3}
_REASONS = {
    "∇A": to_say("∇A = (x B)ᵀ e. The second entry keeps y₂ = 0.2 where e₂ = y₂ − t₂ = −0.8 belongs."),
    "∇B": to_say(
        "∇B = xᵀ (e Aᵀ) in y = x W. What is printed is the outer product of that same wrong e with A x, the formula "
        "of the other convention, y = W x. With x = (1, 0, 0, 0), only the first row can differ from 0."
    ),
    "A new": to_say("A − 0.1·∇A with the wrong second entry of ∇A."),
    "B new": to_say("B − 0.1·∇B with a ∇B that is wrong everywhere."),
    "W_eff new": to_say(
        "W + B A with both wrong factors. Entry (4, 3) is mis-rounded as well: its own product gives 0.5253."
    ),
}


class Mistakes(NamedTuple):
    """One printed matrix, the right one in the same convention, where they differ, and the losses of both steps."""

    name: str
    printed: Float[np.ndarray, "m n"]
    right: Float[np.ndarray, "m n"]
    wrong: Bool[np.ndarray, "m n"]
    other_convention: Float[np.ndarray, "m n"]
    loss_before: float
    loss_right: float
    loss_printed: float


def mistakes(name: str) -> Mistakes:
    """What is wrong in the printed matrix of this name, a key of PRINTED_STEP."""
    rows, columns = work(PRINTED, 1), work(PRINTED_COLUMNS, 1)
    step, field = _FIELDS[name]
    right, other = (getattr(steps[step], field) for steps in (rows, columns))
    printed = PRINTED_STEP[name]
    missed = PRINTED.X @ PRINTED_STEP["W_eff new"] - PRINTED.T
    return Mistakes(
        name=name, printed=printed, right=right, wrong=np.abs(printed - right) > _ROUNDING[name] + 1e-9,
        other_convention=other, loss_before=rows[0].loss, loss_right=rows[1].loss,
        loss_printed=0.5 * float(np.sum(missed**2)),
    )  # fmt: skip


def comparison_html(record: Mistakes, *, suspected: tuple[tuple[int, int], ...] = (), revealed: bool = False) -> str:
    """What the step starts from and the printed matrix; once revealed, the right one beside it, wrong entries outlined,
    found ones filled.
    """
    marks = np.zeros(record.printed.shape, dtype=int)
    for i, j in suspected:
        marks[i, j] = 2
    printed = say("{matrix}, as printed", matrix=say(NAMES.get(record.name, record.name)))
    if not revealed:
        return start_html((f"<th>{printed}</th>", f"<td>{matrix_html(record.printed, marks=marks)}</td>"))
    marks = np.where(record.wrong, np.where(marks == 2, 2, 1), 0)
    head = "".join(f"<th>{text}</th>" for text in (printed, say("right (y = x W)"), say("right in y = W x")))
    return f"{STYLE}<table class='worked'><tr>{head}</tr>{_row(record, marks)}</table>"


def _row(record: Mistakes, marks: np.ndarray) -> str:
    cells = f"<td>{matrix_html(record.printed, marks=marks)}</td>"
    right = matrix_html(record.right, colour=_COLOURS[record.name])
    return f"<tr>{cells}<td>{right}</td><td>{matrix_html(record.other_convention)}</td></tr>"


def start_html(beside: tuple[str, str] = ("", "")) -> str:
    """What the step starts from: W, A, B and the ΔW that they make; ``beside`` is the head and cell of one more."""
    W, A, B = PRINTED.W, PRINTED.A, PRINTED.B
    parts = (("W", W, "W"), ("A", A, "A"), ("B", B, "B"), ("ΔW = B A", B @ A, "delta"))
    head = "".join(f"<th>{name}</th>" for name, _, _ in parts)
    cells = "".join(f"<td>{matrix_html(matrix, colour=colour)}</td>" for _, matrix, colour in parts)
    return f"{STYLE}<table class='worked'><tr>{head}{beside[0]}</tr><tr>{cells}{beside[1]}</tr></table>"


def score(record: Mistakes, suspected: tuple[tuple[int, int], ...]) -> str:
    """How good the guess was."""
    hits = sum(bool(record.wrong[i, j]) for i, j in suspected)
    total = int(record.wrong.sum())
    missed = len(suspected) - hits
    values = {"total": total, "size": record.wrong.size, "hits": hits}
    if missed == 0:
        return say("{total} of {size} entries are wrong; you marked {hits} of them.", **values)
    if missed == 1:
        return say("{total} of {size} entries are wrong; you marked {hits} of them and 1 that is right.", **values)
    return say(
        "{total} of {size} entries are wrong; you marked {hits} of them and {missed} that are right.",
        missed=missed,
        **values,
    )


def takeaway(record: Mistakes, settings: Settings) -> str:
    """Once revealed: why it went wrong, and what that costs."""
    if not settings["reveal"]:
        return say("These are the numbers as printed; none of them has been checked yet.")
    right, printed = (plain(v, 4) for v in (record.loss_right, record.loss_printed))
    return say(
        "From {before}, the right step brings the loss to {right}, the printed one only to {printed}.",
        before=plain(record.loss_before, 4), right=right, printed=printed,
    )  # fmt: skip


def detail(record: Mistakes, settings: Settings) -> str:
    """The step that was printed, and once revealed why it went wrong."""
    step = say("The step: y = x·(W + B A), x = (1, 0, 0, 0), targets 1, η = 0.1, L = ½Σ(y − t)².")
    if not settings["reveal"]:
        return step
    return f"{step} {say(_REASONS[record.name])} {say('The printed step moves y₂ away from its target.')}"


def verdict(record: Mistakes, settings: Settings) -> Verdict:
    """How many printed entries are further from the right ones than rounding allows; not told before it is asked."""
    if not settings["reveal"]:
        return undecided(say("nothing has been revealed yet"), matrix=record.name)
    wrong, most = int(record.wrong.sum()), float(np.abs(record.printed - record.right).max())
    told = (
        say("1 of {all} printed entries of {matrix} is wrong, by {most}", all=record.wrong.size,
            matrix=say(NAMES.get(record.name, record.name)), most=plain(most, 4))
        if wrong == 1
        else say("{wrong} of {all} printed entries of {matrix} are wrong, by up to {most}", wrong=wrong,
                 all=record.wrong.size, matrix=say(NAMES.get(record.name, record.name)), most=plain(most, 4))
    )  # fmt: skip
    return true_here(told, matrix=record.name, wrong=wrong, most=most)


def _doubted(name: str) -> str:
    return f"doubts_{_FIELDS[name][1]}"


def _doubts(answers: Mapping[str, Any]) -> tuple[Control, ...]:
    """The entries of the printed matrix, each to be doubted."""
    name = answers["matrix"]
    names = {f"{i + 1},{j + 1}": f"({i + 1}, {j + 1}): {plain(v)}" for (i, j), v in np.ndenumerate(PRINTED_STEP[name])}
    return (Several(id=_doubted(name), label=to_say("I think these are wrong"), options=tuple(names), names=names),)


def suspected(settings: Settings) -> tuple[tuple[int, int], ...]:
    """Row and column, from 0, of every entry that the visitor doubts."""
    doubts = (doubt.split(",") for doubt in settings[_doubted(settings["matrix"])])
    return tuple((int(i) - 1, int(j) - 1) for i, j in doubts)


def body(record: Mistakes, settings: Settings) -> tuple[Part, ...]:
    """The printed matrix beside what it was made of, once revealed beside the right one, and how good the guess was."""
    guess, revealed = suspected(settings), settings["reveal"]
    shown = Html(lambda theme: comparison_html(record, suspected=guess, revealed=revealed))
    if revealed:
        return (shown, Prose(f"**{score(record, guess)}**"), Html(lambda theme: start_html()))
    return (shown, Prose(say("Click the numbers that you doubt:")), *_numbers(record, settings))


def _numbers(record: Mistakes, settings: Settings) -> Iterator[Part]:
    """The printed numbers as they stand in the matrix, each a button that doubts it or trusts it again."""
    key = _doubted(settings["matrix"])
    doubted: tuple[str, ...] = tuple(settings[key])
    for i, row in enumerate(record.printed):
        acts = []
        for j, value in enumerate(row):
            place = f"{i + 1},{j + 1}"
            others = tuple(each for each in doubted if each != place)
            label = f"{'✗ ' if place in doubted else ''}{plain(value)}"
            acts.append(Act(f"doubt_{key}_{i}_{j}", label, {key: others if place in doubted else (*others, place)}))
        yield Row(tuple(acts))


def extras(record: Mistakes) -> tuple[Part, ...]:
    """Where its numbers can be changed."""
    change = say(
        "Change these numbers yourself: [Follow one vector](follow?example=printed_rows), in either convention."
    )
    return (Prose(change),)


LESSON = Lesson(
    id="mistake", menu=to_say("Find the mistake"), title=to_say("Find the mistake: which numbers are wrong?"),
    claim=to_say(
        "A document shows one printed step of a 4×4 layer, and some of its numbers are wrong. Mark those that you "
        "doubt, then reveal."
    ),
    place=30,
    controls=(
        Choice(id="matrix", label=to_say("Printed matrix"), options=tuple(PRINTED_STEP), default="∇A", names=NAMES),
        Switch(id="reveal", label=to_say("Reveal")),
    ),
    more=(_doubts,), more_label=to_say("The same by row and column"),
    measure=lambda settings, lab: mistakes(settings["matrix"]), takeaway=takeaway, verdict=verdict, detail=detail,
    body=body, extras=extras,
    trains=False, seeded=False,
)  # fmt: skip
