"""An adapter merged into weights that are then stored in few bits: what a coarse grid rounds away."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group
from lora_viz.film.style import amount, number, tint, to_a_tenth
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.chat_panels import about_the_model, answer_panel
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.chat_sets import HELD_OUT
from lora_viz.networks.recorded_chat import StoredRun, recorded_again, recorded_stored

__all__ = ["PART"]


def _named(name: str) -> str:
    return say("unmerged") if name == "unmerged" else name


def film(record: StoredRun) -> Film:
    """The playhead runs over the ways to store the merged weights: answers, style, and what is left of the update."""
    frames, labels = len(record.formats), tuple(map(_named, record.formats))

    def bars(id: str, title: str, y_label: str, values: Float[np.ndarray, "k"], row: int = 0) -> Bars:
        now = np.where(np.eye(frames, dtype=bool), values, 0.0)
        every = Group("all", say("measured"), "delta", values.astype(float))
        return Bars(id, title, labels=labels, bar_ids=tuple(n.lower() for n in record.formats), y_label=y_label,
                    groups=(every, Group("now", say("now"), "ink", now, outline=True)), span=5, row=row)  # fmt: skip

    return Film(
        axis=to_say("way of storing"), values=np.arange(1.0, frames + 1), start=frames - 1, of_last=True,
        seconds_per_frame=2.5, narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            answer_panel(record.answers, span=7),
            bars("style", say("Pirate answers"), say("of {all}", all=len(HELD_OUT)), record.style * 1.0),
            bars("kept", say("Part of the update that is stored"), say("along ΔW"), record.kept, row=1),
        ),
    )  # fmt: skip


def _narrate(record: StoredRun, t: int) -> str:
    name, style = record.formats[t], record.style[t]
    if name == "unmerged":
        return say("Unmerged, the update in parallel with the base: {style} of {all} answers are a pirate's.",
                   style=style, all=len(HELD_OUT))  # fmt: skip
    return say("Stored as {format}, {moved} of the adapted entries moved: {style} of {all} answers are a pirate's.",
               format=name, moved=to_a_tenth(record.moved[t]), style=style, all=len(HELD_OUT))  # fmt: skip


def verdict(record: StoredRun) -> Verdict:
    """The claim holds where every stored format keeps most of the style, and one of them not all of the update."""
    coarsest = int(np.argmin(record.kept))
    told = {"style": int(record.style[2:].min()), "kept": float(record.kept[coarsest])}
    if told["style"] >= 0.75 * len(HELD_OUT) and told["kept"] < 0.95:
        return true_here(
            say("in every format at least {style} of {all} answers are a pirate's; {format} keeps {kept} of the update",
                style=told["style"], all=len(HELD_OUT), format=record.formats[coarsest], kept=to_a_tenth(told["kept"])),
            **told,
        )  # fmt: skip
    return false_here(say("in some format {style} of {all} answers are a pirate's; the coarsest keeps {kept} of the "
                          "update", style=told["style"], all=len(HELD_OUT), kept=to_a_tenth(told["kept"])),
                      **told)  # fmt: skip


def takeaway(record: StoredRun) -> str:
    """What was measured, in its own numbers."""
    return " ".join((
        say("Answers in the style: {told}.",
            told=", ".join(f"{_named(n)} {s}" for n, s in zip(record.formats, record.style, strict=True))),
        say("Part of the update that is stored: {told}.",
            told=", ".join(f"{n} {to_a_tenth(k)}" for n, k in zip(record.formats[1:], record.kept[1:], strict=True))),
        say("One adapter, one seed; for a second see below."),
    ))  # fmt: skip


def detail(record: StoredRun) -> str:
    """How coarse each grid is beside the update, and what is forgotten."""
    told = "; ".join(
        say("{format}: a step of the grid is {times} times a typical entry of ΔW, perplexity {perplexity}",
            format=name, times=amount(float(step)), perplexity=number(float(perplexity)))
        for name, step, perplexity in zip(record.formats[2:], record.step[2:], record.perplexity[2:], strict=True)
    )  # fmt: skip
    again = recorded_again()
    second = "; ".join(
        say("{format} {style} pirate answers, {kept} of the update", format=name, style=int(style),
            kept=to_a_tenth(float(kept)))
        for name, style, kept in zip(again.formats, again.stored_style, again.kept, strict=True)
    )  # fmt: skip
    return f"{told}. {say('A second seed: {told}.', told=second)}"


def maths(record: StoredRun) -> str:
    """What is rounded to which grid, and what is counted."""
    return say(
        r"""
${W} + {dW}$ of every adapted matrix is rounded to a format of GGUF: blocks of 32 weights along a row share a scale
(Q8_0: 8 bits; Q4_0: 4 bits around 0; Q4_1: 4 bits between the block's minimum and maximum). The base itself is stored
in Q4_1. A block's grid hangs on its extreme weights, so it moves with the update, and nearly every entry moves with it;
what is left of the update along itself is another question.

*Part stored* is $\langle Q({W}+{dW}) - Q({W}), {dW}\rangle / \|{dW}\|^2$: 1 where all of the update is stored, 0 where
none is. Recorded by `docs/make_ten_sentences.py stored`.""",
        W=tint("W", "W"), dW=tint("delta", r"\Delta W"),
    )  # fmt: skip


def table(record: StoredRun) -> dict[str, np.ndarray]:
    """One row a format."""
    found: dict[str, np.ndarray] = {
        "format": np.array(record.formats),
        "pirate_answers": record.style,
        "perplexity": record.perplexity,
        "entries_moved": record.moved,
        "part_stored": record.kept,
        "step_over_entry": record.step,
    }
    for i, question in enumerate(HELD_OUT):
        found[question] = np.array([answers[i] for answers in record.answers])
    return found


def measure(_: Settings, __: Lab) -> StoredRun:
    """What was recorded."""
    return recorded_stored()


def extras(record: StoredRun) -> tuple[Part, ...]:
    """Whose words these are."""
    return about_the_model()


def _ask(seen: Seen, _: Any) -> Measured:
    panel = seen.film.panel("style")
    assert isinstance(panel, Bars)
    values = np.asarray(panel.groups[0].values)
    last = float(values[panel.bar_ids.index("q4_1")])
    told = say(
        "{style} of {all}; unmerged it was {before}.", style=word(last), all=len(HELD_OUT), before=word(values[0])
    )
    return Measured(last, (0.0, 5.0, 10.0), told)


PART = Lesson(
    id="four_bits", menu=to_say("Merged into four bits"), title=to_say("Does a merged adapter survive four bits?"),
    claim=to_say("Merged and stored in four bits, this adapter keeps its style, though not all of its update."),
    place=7,
    measure=measure, film=film, hero="answers", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="kept",
    table=table, extras=extras, seeded=False, trains=False,
    question=Question(to_say("The adapter is merged and all is stored as Q4_1, the format of the base. How many of 20 "
                             "answers are a pirate's?"),
                      to_say("Each entry is rounded by itself, and the errors of many entries cancel in part: along ΔW "
                             "most of the update is still there."), _ask),
)  # fmt: skip
