"""What the lessons on where an adapter sits share: a film over places, with medians of five seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Real

from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group
from lora_viz.film.style import number
from lora_viz.i18n.language import say
from lora_viz.lessons.language.chat_panels import answer_panel
from lora_viz.networks.chat_sets import HELD_OUT
from lora_viz.networks.recorded_many_chats import OneRun, recorded_many

__all__ = ["Places", "median", "narrate", "places_film", "places_table", "recorded_places"]


class Places(NamedTuple):
    """One adapter in each of several places, all at one learning rate; ``every`` holds the other rates too."""

    lr: float
    base: float
    steps: int
    runs: tuple[OneRun, ...]
    every: tuple[OneRun, ...]

    @property
    def seeds(self) -> int:
        """How many were trained of each."""
        return len(self.runs[0].style)


def recorded_places(name: str, lr: float) -> Places:
    """As it is shipped, at this rate."""
    held = recorded_many(name)
    return Places(lr, held.base, held.steps, tuple(run for run in held.runs if run.lr == lr), held.runs)


def median(values: Real[np.ndarray, "S"]) -> float:
    """Over seeds, as a plain number."""
    return float(np.median(values))


def places_film(
    record: Places, axis: str, named: Callable[[str], str], start: int, short: Callable[[str], str] | None = None
) -> Film:
    """The playhead runs over the places: answers, and style, loss and forgetting of all of them.

    Bars are called by ``short`` names, where there are any.
    """
    frames, labels = len(record.runs), tuple((short or named)(run.name) for run in record.runs)

    def bars(id: str, title: str, y_label: str, values: Sequence[float], span: int, row: int) -> Bars:
        medians = np.array(values, dtype=float)
        now = np.where(np.eye(frames, dtype=bool), medians, 0.0)
        return Bars(id, title, labels=labels, bar_ids=tuple(f"at_{run.name}" for run in record.runs), y_label=y_label,
                    groups=(Group("all", say("median of {seeds} seeds", seeds=record.seeds), "delta", medians),
                            Group("now", say("now"), "ink", now, outline=True)), span=span, row=row)  # fmt: skip

    return Film(
        axis=axis, values=np.arange(1.0, frames + 1), start=start, of_last=True, seconds_per_frame=2.0,
        narration=tuple(narrate(record, run, named) for run in record.runs),
        panels=(
            bars("perplexity", say("Perplexity of a neutral text (base: {base})", base=number(record.base)),
                 say("lower is better"), [median(run.lost) for run in record.runs], 7, 0),
            answer_panel([run.answers for run in record.runs], span=5),
            bars("loss", say("Loss on the answers"), say("nats per token"), [median(run.loss) for run in record.runs],
                 4, 1),
            bars("style", say("Pirate answers"), say("of {all}", all=len(HELD_OUT)),
                 [median(run.style) for run in record.runs], 3, 1),
        ),
    )  # fmt: skip


def narrate(record: Places, run: OneRun, named: Callable[[str], str]) -> str:
    """One place, in a line."""
    return say("{place}: loss {loss}, {style} of {all} answers a pirate's, perplexity {perplexity}.",
               place=named(run.name), loss=number(median(run.loss)), style=int(median(run.style)), all=len(HELD_OUT),
               perplexity=number(median(run.lost)))  # fmt: skip


def places_table(record: Places) -> dict[str, np.ndarray]:
    """One row a place, rate and seed."""
    rows = [(run, s) for run in record.every for s in range(record.seeds)]
    return {
        "place": np.array([run.name for run, _ in rows]),
        "rank": np.array([run.rank for run, _ in rows]),
        "parameters": np.array([run.parameters for run, _ in rows]),
        "learning_rate": np.array([run.lr for run, _ in rows]),
        "seed": np.array([s for _, s in rows]),
        "pirate_answers": np.array([run.style[s] for run, s in rows]),
        "loss": np.array([run.loss[s] for run, s in rows]),
        "perplexity": np.array([run.lost[s] for run, s in rows]),
    }
