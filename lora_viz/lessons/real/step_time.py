"""Seconds and bytes of one training step, measured on this machine: full fine-tuning, LoRA, DoRA and LoRA-FA."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.costs.step_time import METHODS, SUBJECTS, VARIED, StepTimes, step_times
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Dash, Group, Lines, Readout, Row, Series, band
from lora_viz.film.spreads import low_to_high
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import plain
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON"]

FULL, LORA, DORA, LORA_FA = range(4)
_NAMES = (to_say("full fine-tuning"), "LoRA", "DoRA", "LoRA-FA")
_LOOKS: tuple[tuple[str, Dash], ...] = (("W", "solid"), ("delta", "solid"), ("delta", "dash"), ("delta", "dot"))
_AXES = {"width": to_say("width d"), "rank": to_say("rank r"), "tokens": to_say("tokens")}


def _series(values: Float[np.ndarray, "M S"], spread: Float[np.ndarray, "3 M S"] | None = None) -> tuple[Series, ...]:
    """A curve for each method, with the quartiles around it where there are any."""
    return tuple(
        Series(id, say("{name}:", name=say(name)), colour, dash=dash, dots=True,
               **(band(spread[:, m]) if spread is not None else {"y": values[m]}))
        for m, (id, name, (colour, dash)) in enumerate(zip(METHODS, _NAMES, _LOOKS, strict=True))
    )  # fmt: skip


def film(record: StepTimes) -> Film:
    """The playhead runs over the size: seconds, what of them is which part, the ratio to full, and bytes."""
    seconds = 1e3 * record.seconds
    ratio = record.seconds[1] / record.seconds[1, FULL]
    counted = record.multiply_adds[LORA] / record.multiply_adds[FULL]
    ends = np.cumsum(1e3 * record.parts, axis=2).transpose(1, 0, 2)
    named = tuple(say(name) for name in _NAMES)
    return Film(
        axis=_AXES[record.varied], values=record.sizes, start=len(record.at) - 1, seconds_per_frame=0.8,
        narration=tuple(_narrate(record, t) for t in range(len(record.at))),
        panels=(
            Lines("ratio", say("Time of one training step, divided by that of full fine-tuning"), x_scale="log",
                  y_label=say("of full"), reach=1.0, span=7,
                  series=(*_series(ratio),
                          Series("counted", say("multiply–adds of LoRA, counted:"), "faint", counted, dash="dash"))),
            Lines("seconds", say("The same in milliseconds, median and quartiles"), scale="log", x_scale="log",
                  y_label=say("milliseconds, log"), series=_series(seconds[1], seconds), span=5),
            Bars("parts", say("Where the time goes, in milliseconds"), labels=named, bar_ids=METHODS, row=1, span=4,
                 y_label=say("milliseconds"),
                 groups=(Group("optimizer", say("optimiser"), "ink", ends[:, :, 2]),
                         Group("backward", say("backward"), "delta", ends[:, :, 1]),
                         Group("forward", say("forward"), "W", ends[:, :, 0]))),
            Lines("saved", say("Kept for the backward pass, counted exactly"), scale="log", x_scale="log",
                  y_label=say("MB of activations, log"), series=_series(record.saved / 1e6), row=1, span=4),
            Readout("step", say("One step at this size"), _rows(record), row=1, span=4),
        ),
    )  # fmt: skip


def _rows(record: StepTimes) -> tuple[Row, ...]:
    def per_method(values: np.ndarray) -> tuple[str, ...]:
        return tuple(" | ".join(number(float(v)) for v in column) for column in values.T)

    return (
        Row("methods", say("method"), (" | ".join(say(name) for name in _NAMES),)),
        Row("seconds", say("milliseconds, measured"), per_method(1e3 * record.seconds[1])),
        Row("multiply_adds", say("million multiply–adds"), per_method(record.multiply_adds / 1e6)),
        Row("saved", say("MB kept for the backward pass"), per_method(record.saved / 1e6)),
        Row("trained", say("trainable parameters"), per_method(record.trained)),
        Row("rounds", say("steps timed per method"), tuple(str(n) for n in record.rounds)),
    )


def _faster(record: StepTimes) -> Float[np.ndarray, "S"]:
    return np.asarray(record.seconds[1, FULL] / record.seconds[1, LORA])


def _slower(record: StepTimes) -> Float[np.ndarray, "S"]:
    return np.asarray(record.seconds[1, DORA] / record.seconds[1, LORA])


def _narrate(record: StepTimes, t: int) -> str:
    lora, dora = (float(record.seconds[1, m, t] / record.seconds[1, FULL, t]) for m in (LORA, DORA))
    return say("At {axis} = {at}, LoRA takes {lora} and DoRA {dora} of the time of full fine-tuning.",
               axis=say(_AXES[record.varied]), at=int(record.sizes[t]), lora=number(lora),
               dora=number(dora))  # fmt: skip


def verdict(record: StepTimes) -> Verdict:
    """Counted: at least two thirds of the multiply–adds stay, and LoRA-FA keeps less. Timed: never 3 times as fast."""
    work = record.multiply_adds[LORA] / record.multiply_adds[FULL]
    faster, slower = _faster(record), _slower(record)
    less = record.saved[LORA_FA] < record.saved[LORA]
    evidence = {"faster": float(faster.max()), "slower": float(slower.min()), "work": float(work.min()),
                "less": int(less.sum()), "sizes": len(record.at)}  # fmt: skip
    why = say("LoRA was {faster} times as fast as full fine-tuning, and DoRA took {slower} times as long as LoRA",
              faster=low_to_high(faster), slower=low_to_high(slower))  # fmt: skip
    holds = faster.max() < 3 and slower.min() > 1 and work.min() >= 2 / 3 and less.all()
    return (true_here if holds else false_here)(why, **evidence)


def takeaway(record: StepTimes) -> str:
    """What was timed, and what was counted."""
    work = record.multiply_adds[LORA] / record.multiply_adds[FULL]
    kept = record.saved[:, -1] / 1e6
    return " ".join((
        say("LoRA's step was {faster} times as fast as that of full fine-tuning, with {work} % or more of its "
            "multiply–adds.", faster=low_to_high(_faster(record)), work=number(100 * float(work.min()))),
        say("At the last size full fine-tuning keeps {full} MB for the backward pass, LoRA {lora} and LoRA-FA "
            "{lora_fa}.", full=number(float(kept[FULL])), lora=number(float(kept[LORA])),
            lora_fa=number(float(kept[LORA_FA]))),
    ))  # fmt: skip


def detail(record: StepTimes) -> str:
    """Whose seconds these are, and since when they are kept."""
    return say(
        "Measured on {machine}, torch {torch}, on {when} UTC: the methods took their steps in turn, {rounds} per size. "
        "On a CPU these are seconds of one thread on its core, whoever else computes there. Times are another number "
        "at every measurement. This server keeps them as a recording until it is restarted. Bytes and multiply–adds "
        "are counted and do not change.",
        machine=plain(record.machine), torch=record.torch_version, when=record.when,
        rounds=" / ".join(str(n) for n in record.rounds),
    )  # fmt: skip


def maths(record: StepTimes) -> str:
    """What is skipped, what is added, and what is kept."""
    last = record.at[-1]
    return say(
        r"""
$$
\frac{{\text{{LoRA}}}}{{\text{{full}}}} = \frac23 + \frac{{2r}}{{d}}
$$

$$
\text{{full }} n d, \quad \text{{LoRA }} n(d + r), \quad \text{{LoRA-FA }} n r
$$

These are the multiply–adds and the numbers kept of one square layer with $n$ tokens. Full fine-tuning multiplies three
times by a matrix of the shape of $W$: forward, for the gradient of $x$, and for that of $W$. LoRA leaves out only the
last, because the layers below still need the gradient of $x$. Its own thin products are small, but each is a call of
its own, which counts at small widths. What LoRA also saves is the optimiser's step over all weights.

DoRA forms $W + s\,BA$ once per step for the norms of its rows and keeps two more outputs for the gradient of the
magnitudes. LoRA-FA freezes $A$, so the layer need not keep $x$, only $Ax$.

At the last size: {subject}, d = {d}, r = {r}, {n} tokens. Each time is the median of steps that the methods took in
turn, forward, backward and AdamW, without loading data. Kept bytes are those that autograd's hooks for saved tensors
were shown, each stored number once and weights left out.""",
        subject=say("a layer") if record.subject == "layer" else say("a transformer block"), d=last.width, r=last.rank,
        n=last.tokens,
    )  # fmt: skip


def table(record: StepTimes) -> dict[str, np.ndarray]:
    """One row a size."""
    columns: dict[str, np.ndarray] = {name: np.array([getattr(s, name) for s in record.at]) for name in VARIED}
    for m, method in enumerate(METHODS):
        columns |= {
            f"seconds_{method}": record.seconds[1, m],
            f"multiply_adds_{method}": record.multiply_adds[m],
            f"saved_bytes_{method}": record.saved[m],
            f"trained_{method}": record.trained[m],
        }
    return columns | {"rounds": record.rounds}


def measure(settings: Settings, lab: Lab) -> StepTimes:
    """Time it here, or tell what was timed here before."""
    return lab.follow(step_times, settings["subject"], settings["varied"], settings.device)


def _ask(seen: Seen, _: Any) -> Measured:
    full, lora = (float(shown(seen.film, "saved", method)[-1]) for method in ("full", "lora"))
    told = say("LoRA keeps {lora} MB: x is needed for the gradient of A.", lora=word(lora))
    return Measured(lora, (full / 100, full / 3, full / 10), told, {"full": word(full)}, unit=" MB")


LESSON = Lesson(
    id="step_time", menu=to_say("Time of one step"),
    title=to_say("Time of one step: why is LoRA not three times as fast?"),
    claim=to_say("LoRA skips at most a third of the multiply–adds, so a step is not three times as fast. DoRA takes "
                 "longer, LoRA-FA keeps fewer bytes."),
    place=92,
    controls=(
        Choice(id="subject", label=to_say("What is trained"), options=SUBJECTS, default="layer",
               names={"layer": to_say("one layer"), "block": to_say("one transformer block")}),
        Choice(id="varied", label=to_say("Play through"), options=VARIED, default="width", names=_AXES),
    ),
    measure=measure, film=film, hero="ratio", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="ratio", table=table, seeded=False, waits_for=to_say("Timing steps on this machine"),
    question=Question(
        to_say("At the last size full fine-tuning keeps {full} MB of activations for the backward pass. How many does "
               "LoRA keep?"),
        to_say("LoRA trains far fewer parameters, but the gradient of A needs x as the gradient of W does."), _ask,
    ),
)  # fmt: skip
