"""What is asked after the lessons on single papers?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.film.panels import Field, Lines
from lora_viz.i18n.language import english, say, to_say
from lora_viz.lessons.after.asked import After, Measured, Seen, first_place, panel, values, word
from lora_viz.lessons.papers.asymmetry import asymmetry

__all__ = ["PAPERS"]

Settings = tuple[tuple[str, str], ...]
WIDE = 1024


def _other_height(e: Experiment, _: Settings) -> tuple[int, float, float]:
    """The other number of outputs, and what training A at a frozen B leaves there, and training B at a frozen A."""
    d_out = 64 if e.d_out == 16 else 16
    record = asymmetry(replace(e, d_out=d_out), targets=5)
    b_trained, a_trained = (float(record.left[1, way, record.start, 0]) for way in (0, 1))
    return d_out, a_trained, b_trained


def _asymmetry(seen: Seen, found: Any) -> Measured:
    d_out, a_trained, b_trained = found
    rank = int(seen.film.values[seen.film.start])
    told = say(
        "Training A at a frozen B left {a}, training B at a frozen A {b} (medians); 1 − r/d_out is {law}.",
        a=word(a_trained), b=word(b_trained), law=word(1 - rank / d_out),
    )  # fmt: skip
    return Measured(a_trained, (b_trained, 1 - b_trained, b_trained / 2), told, {"d_out": d_out, "rank": rank})


def _nearest(e: Experiment, _: Settings) -> tuple[float, float]:
    """The largest |cos| of a random direction with the axes, in this width and in a wide layer, median of 99 draws."""
    found = []
    for d in (e.d_in, WIDE):
        drawn = stream("a random direction", e.seed).standard_normal((99, d))
        found.append(float(np.median(np.abs(drawn).max(axis=1) / np.linalg.norm(drawn, axis=1))))
    return found[0], found[1]


def _intruders(seen: Seen, found: Any) -> Measured:
    now, wide = found
    d = seen.experiment.d_in
    told = say("{wide}, median of 99 random directions; √(2 ln d/d) is {law}.", wide=word(wide),
               law=word((2 * np.log(WIDE) / WIDE) ** 0.5))  # fmt: skip
    return Measured(wide, (now, now * d / WIDE, 0.5), told, {"d": d, "now": word(now), "wide": WIDE})


def _capacity(seen: Seen, _: Any) -> Measured:
    field = panel(seen.film, Field)
    read = values(field).reshape(-1, *field.values.shape[-2:])[-1]
    column = next(j for j, label in enumerate(field.x_labels) if english(label) == "1024")
    ranks = [int(english(label).split()[0]) for label in field.y_labels]
    row = first_place(read[:, column] > 0.999)
    told = ", ".join(
        say("rank {rank}: {right} %", rank=r, right=word(100 * x)) for r, x in zip(ranks, read[:, column], strict=True)
    )
    return Measured(ranks[row], tuple(ranks), say("Read right of 1024 bits: {told}.", told=told))


def _large_batch(seen: Seen, _: Any) -> Measured:
    lines, batch = panel(seen.film, Lines, "Error over full"), seen.film.values
    few, middle = (values(lines, english(lines.series[i].name)) for i in (0, 1))
    name = english(lines.series[1].name).rstrip(":")
    told = say("{name} left {times} times full fine-tuning's error at batch {small}, median of 8.", name=name,
               times=word(middle[1]), small=int(batch[1]))  # fmt: skip
    about = {"name": name, "large": int(batch[-1]), "most": word(middle[-1]), "small": int(batch[1])}
    shrunk = middle[-1] * batch[1] / batch[-1]
    return Measured(float(middle[1]), (float(middle[-1]), float(few[1]), float(shrunk)), told, about)


def _width(seen: Seen, _: Any) -> Measured:
    full = panel(seen.film, Lines, "Best η of each").series[0]  # racer 0 is full fine-tuning
    best, width = np.asarray(full.y, float), seen.film.values
    ratio = float(width[-1] / width[0])
    told = say("It was {last} at d = {wide}, {times} times less.", last=word(best[-1]), wide=int(width[-1]),
               times=word(best[0] / best[-1]))  # fmt: skip
    about = {"first": word(best[0]), "narrow": int(width[0]), "wide": int(width[-1])}
    return Measured(float(best[-1]), (best[0], best[0] / ratio**0.5, best[0] * ratio, best[0] / ratio**2), told, about)


PAPERS: dict[str, After] = {
    "asymmetry": After(
        to_say(
            "A layer with 64 inputs and {d_out} outputs, round inputs, rank {rank}: which share of the signal is left "
            "when B is frozen and A trained?"
        ),
        to_say(
            "A frozen B can write into r of the outputs only: what is lost depends on their number, not on the inputs'."
        ),
        _asymmetry,
        _other_height,
    ),
    "intruders": After(
        to_say(
            "In a layer of width {d} a random direction has |cos| {now} with the old direction nearest to it. And in a "
            "layer {wide} wide?"
        ),
        to_say(
            "Chance resembles everything a little, and less in a wide layer: there a small |cos| is nothing unusual."
        ),
        _intruders,
        _nearest,
    ),
    "capacity": After(
        to_say("1024 random bits are to be read right, all of them. Which is the least rank measured that is enough?"),
        to_say("About one bit a trained number: rank r trains 256·r of them here."),
        _capacity,
    ),
    "large_batch": After(
        to_say(
            "{name} leaves {most} times full fine-tuning's error at batch {large}. How many times at batch {small}?"
        ),
        to_say("With enough steps that rank keeps up: it is the few steps of a large batch that cost it more."),
        _large_batch,
    ),
    "width": After(
        to_say("Full fine-tuning's best learning rate is {first} at d = {narrow}. Which is it at d = {wide}?"),
        to_say(
            "Adam moves every entry by η, and in a wider layer more entries add up: it is this rate that falls, "
            "so the ratio grows."
        ),
        _width,
    ),
}
