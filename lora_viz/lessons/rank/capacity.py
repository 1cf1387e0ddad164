"""Capacity: random bits learnt by heart, live, beside the measured map over rank and samples."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.seeds import spread
from lora_viz.export.scripts.bits import bits_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Field, Mark, Readout, Row, band
from lora_viz.film.spreads import ranged
from lora_viz.film.still import DASHES
from lora_viz.film.style import LETTERS, amount, number, percent
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.bits import RANKS, SAMPLES, BitsEvidence, BitsExperiment, BitsRun, bits_evidence, stored_bits
from lora_viz.networks.memorise import memorise_bits

__all__ = ["LESSON", "Capacity", "capacity"]

LEARNT = 0.99
ABOUT = (0.5, 1.5)  # bits per parameter that are about one; times two: a doubling


class Capacity(NamedTuple):
    """Shares of N random labels read right: the live training's by step, and (low, median, high; rank, N) measured.

    ``bits`` is the most of N(1 − H₂(accuracy)) over N, live by step and measured by rank: what is known of the labels.
    """

    steps: Int[np.ndarray, "T"]
    samples: Int[np.ndarray, "N"]
    live: Float[np.ndarray, "T N"]
    bits: Float[np.ndarray, "T"]
    rank: int
    parameters: int
    ranks: Int[np.ndarray, "R"]
    measured_samples: Int[np.ndarray, "M"]
    measured: Float[np.ndarray, "3 R M"]
    measured_bits: Float[np.ndarray, "3 R"]
    per_rank: int
    seeds: int


def capacity(run: BitsRun, evidence: BitsEvidence) -> Capacity:
    """Put the live training beside the grid that was measured on the same network."""
    samples = np.array(run.experiment.samples)
    return Capacity(
        steps=run.steps, samples=samples, live=run.accuracy, bits=stored_bits(run.accuracy, samples).max(axis=1),
        rank=run.experiment.rank, parameters=run.experiment.parameters, ranks=evidence.ranks,
        measured_samples=evidence.samples, measured=spread(evidence.accuracy, axis=0),
        measured_bits=spread(stored_bits(evidence.accuracy, evidence.samples).max(axis=2), axis=0),
        per_rank=run.experiment.parameters // run.experiment.rank, seeds=len(evidence.accuracy),
    )  # fmt: skip


def film(record: Capacity) -> Film:
    """The playhead runs over the live training's steps; the map and its collapse onto N per parameter stand still."""
    median = record.measured[1]
    own = list(record.ranks).index(record.rank) if record.rank in record.ranks else None
    load = np.unique(np.concatenate([record.measured_samples / (record.per_rank * r) for r in record.ranks]))
    live = Curves(
        "live", say("Live, rank {rank}: labels recalled correctly, one training per N", rank=record.rank),
        x=record.samples.astype(float), x_label=say("random bits N"),
        y_label=say("fraction correct (guessing: 0.5)"), x_scale="log", reach=1.0, span=6,
        marks=(
            Mark(
                "parameters", float(record.parameters),
                say("{parameters} parameters", parameters=record.parameters),
            ),
        ),
        series=(
            Curve("right", say("correct"), "delta", record.live, dots=True),
            Curve("guessing", say("guessing"), "faint", np.full(len(record.samples), 0.5), dash="dash"),
        ),
    )  # fmt: skip
    measured = Field(
        "measured", say("Measured beforehand: fraction correct after 800 steps, median of {seeds}", seeds=record.seeds),
        values=median, x_labels=tuple(map(str, record.measured_samples)),
        y_labels=tuple(f"{r} ({record.per_rank * r})" for r in record.ranks), x_title=say("random bits N"),
        y_title=say("rank (parameters)"), limits=(0.5, 1.0), regions=(median >= LEARNT).astype(float),
        region_names=(say("some lost"), f"≥ {number(LEARNT)}"),
        chosen=None if own is None else (own, _edge(record, own)),
        span=6,
    )  # fmt: skip
    load_panel = Curves(
        "load", say("The same against bits per trainable parameter (band: all seeds)"), x=load,
        x_label=say("N per trainable parameter"), y_label=say("fraction correct"), x_scale="log", reach=1.0, row=1,
        span=7,
        marks=(Mark("one_bit", 1.0, say("one bit per parameter")),),
        series=tuple(
            Curve(f"rank_{rank}", f"r = {rank}", "delta", dash=DASHES[i % 4], dots=True, **band(_on(load, record, i)))
            for i, rank in enumerate(record.ranks)
        ),
    )  # fmt: skip
    bits = Readout(
        "bits", say("Bits known of the labels, at the best N"),
        (
            Row(
                "live", say("live, r = {rank}", rank=record.rank),
                tuple(
                    say("{bits}, {share} per parameter", bits=number(float(b)),
                    share=number(float(b) / record.parameters))
                    for b in record.bits
                ),
                colour="delta",
            ),
            *(Row(f"rank_{rank}", f"r = {rank}", (_bits(record, i),)) for i, rank in enumerate(record.ranks)),
        ),
        row=1, span=5,
    )  # fmt: skip
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=0.12,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(live, measured, load_panel, bits),
    )  # fmt: skip


def _on(load: Float[np.ndarray, "k"], record: Capacity, i: int) -> Float[np.ndarray, "3 k"]:
    """One rank's accuracies on the axis of loads that all ranks share; NaN where it has none."""
    found = np.full((3, len(load)), np.nan)
    found[:, np.searchsorted(load, record.measured_samples / (record.per_rank * record.ranks[i]))] = record.measured[
        :, i
    ]
    return found


def _edge(record: Capacity, i: int) -> int:
    """The largest N that this rank learnt in the median seed."""
    return int(np.flatnonzero(record.measured[1, i] >= LEARNT).max(initial=0))


def _bits(record: Capacity, i: int) -> str:
    median = record.measured_bits[1, i]
    return say(
        "{bits}, {share} per parameter", bits=ranged(record.measured_bits[:, i]),
        share=number(float(median) / (record.per_rank * record.ranks[i])),
    )  # fmt: skip


def _narrate(record: Capacity, t: int) -> str:
    whole = np.flatnonzero(record.live[t] >= LEARNT)
    here = {"step": record.steps[t], "bits": record.samples[-1], "share": percent(float(record.live[t, -1]))}
    if not len(whole):
        return say("Step {step}: none memorised yet; of {bits} bits {share} correct (guessing: 50 %).", **here)
    return say(
        "Step {step}: up to {held} bits memorised; of {bits} bits {share} correct (guessing: 50 %).",
        held=record.samples[whole.max()], **here,
    )  # fmt: skip


def takeaway(record: Capacity) -> str:
    """What was seen, in the run's own numbers."""
    whole = np.flatnonzero(record.live[-1] >= LEARNT)
    told = {
        "rank": record.rank, "parameters": record.parameters, "share": percent(float(record.live[-1, -1])),
        "bits": record.samples[-1], "per": number(float(record.bits[-1]) / record.parameters),
    }  # fmt: skip
    if len(whole):
        return say(
            "Rank {rank}, with {parameters} trainable parameters, memorised up to {held} random bits without error. Of "
            "{bits} bits it got {share} right. Bits known per parameter, at best: {per}.",
            held=record.samples[whole.max()], **told,
        )  # fmt: skip
    return say(
        "Rank {rank}, with {parameters} trainable parameters, memorised none of the tried N without error. Of {bits} "
        "bits it got {share} right. Bits known per parameter, at best: {per}.",
        **told,
    )


def _measured_edges(record: Capacity) -> list[tuple[int, bool]]:
    """The largest N that each rank learnt, and whether it is the largest that was tried."""
    most = len(record.measured_samples) - 1
    return [(int(record.measured_samples[_edge(record, i)]), _edge(record, i) == most)
            for i in range(len(record.ranks))]  # fmt: skip


def detail(record: Capacity) -> str:
    """What was measured beforehand, over all ranks."""
    edges = ", ".join(say("{bits} (the most tried)", bits=n) if last else str(n) for n, last in _measured_edges(record))
    per = record.measured_bits[1] / (record.per_rank * record.ranks)
    return say(
        "Measured over {seeds} seeds: ranks {ranks}, with {numbers} parameters, memorised without error up to {edges} "
        "bits. At best {least} to {top} bits per parameter were known.",
        seeds=record.seeds, ranks=", ".join(map(str, record.ranks)),
        numbers=", ".join(str(record.per_rank * r) for r in record.ranks), edges=edges,
        least=number(float(per.min())), top=number(float(per.max())),
    )  # fmt: skip


def verdict(record: Capacity) -> Verdict:
    """Live about one bit per parameter, and over the measured ranks twice the rank knows about twice the bits."""
    per = float(record.bits[-1]) / record.parameters
    free = [i for i, (_, last) in enumerate(_measured_edges(record)) if not last]  # the scale does not end before them
    known = record.measured_bits[1]
    doubled = [float(known[b] / known[a]) for a, b in pairwise(free)]
    evidence = {"bits_per_parameter": per, "doubled": tuple(doubled)}
    told = {"per": amount(per), "times": listed(number(x) for x in doubled)}
    if not ABOUT[0] <= per <= ABOUT[1]:
        return false_here(say("this training memorised {per} bits per parameter", **told), **evidence)
    if not all(2 * ABOUT[0] < times < 2 * ABOUT[1] for times in doubled):
        return false_here(say("doubling the rank multiplied the bits known by {times}", **told), **evidence)
    return true_here(
        say("this training memorised {per} bits per parameter; in the runs measured beforehand, each doubling of the "
            "rank multiplied the bits by {times}", **told),
        **evidence,
    )  # fmt: skip


def table(record: Capacity) -> dict[str, np.ndarray]:
    """One row a rank and sample count, as measured."""
    rank, n = (x.ravel() for x in np.meshgrid(record.ranks, record.measured_samples, indexing="ij"))
    low, median, high = (x.ravel() for x in record.measured)
    return {"rank": rank, "bits": n, "numbers": rank * record.per_rank, "low": low, "accuracy": median, "high": high}


def maths(record: Capacity, settings: Settings) -> str:
    """What is trained and how it is counted, beside what the report says."""
    e = wanted(settings)
    return say(
        r"""
$$
y = w^\top \operatorname{{relu}}\big((W + {B}{A})\,h\big), \qquad
\text{{parameters}} = 2 \cdot {width} \cdot r = {parameters}, \qquad
\text{{bits known}} = N\,(1 - H_2(\text{{accuracy}}))
$$

*LoRA Without Regret* (Schulman, Thinking Machines 2025) claims that LoRA learns as full fine-tuning does until the data
exceed its capacity, and counts with about 2 bits per parameter, a figure for language models trained for very long
(Allen-Zhu & Li 2024). Here: a random network of {inputs}, {width}, {width} and 1 units, frozen;
LoRA with $s = 1$ on the {width}×{width} layer alone; $N$ Gaussian inputs whose labels are thrown coins,
so nothing can be generalised and all must be held. {steps} full-batch steps of Adam, η = {lr:g}
falling to 0; more steps, or another η, move the edge a little. $H_2$ is the entropy of a coin in bits: half right is
nothing known.

The live row is trained while you wait, from the page's seed. The map comes from {seeds} seeds on the same
network, by `python docs/make_capacity.py`: {bits} bits in {numbers} numbers leave an
accuracy of {lost}. One width and one depth were measured; that the count does not depend on them is not shown
here.""",
        width=e.width, parameters=e.parameters, inputs=e.inputs, steps=e.steps, lr=e.lr, seeds=record.seeds,
        bits=record.measured_samples[-1], numbers=record.per_rank, lost=number(float(record.measured[1, :, -1].min())),
        **LETTERS,
    )  # fmt: skip


def wanted(settings: Settings) -> BitsExperiment:
    """The network and adapter that memorise live."""
    return BitsExperiment(rank=settings["rank"], seed=settings["seed"])


def measure(settings: Settings, lab: Lab) -> Capacity:
    """Memorise live, and look up what was measured beforehand."""
    return capacity(lab.follow(memorise_bits, wanted(settings)), bits_evidence())


def exports(record: Capacity, settings: Settings, lab: Lab) -> Scripts:
    """A script for every number of bits."""
    run = lab.follow(memorise_bits, wanted(settings))
    return Scripts(partial(bits_script, run), {say("Random bits"): run.experiment.samples})


def _ask(seen: Seen, _: Any) -> Measured:
    read = shown(seen.film, "measured")
    column = SAMPLES.index(1024)
    row = first_place(read[:, column] > 0.999)
    told = ", ".join(
        say("rank {rank}: {right} %", rank=r, right=word(100 * x)) for r, x in zip(RANKS, read[:, column], strict=True)
    )
    return Measured(RANKS[row], RANKS, say("Correct of 1024 bits: {told}.", told=told))


LESSON = Lesson(
    hero="load",
    id="capacity", menu=to_say("Capacity"), title=to_say("Capacity: how many random bits can an adapter memorise?"),
    claim=to_say(
        "An adapter memorises about one bit per trainable parameter, and beyond that some are lost. Doubling the rank "
        "about doubles the capacity."
    ),
    place=46, default=Experiment(rank=2), controls=(CONTROLS["rank"].only(1, 2, 4, 8),), measure=measure, film=film,
    takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="load", table=table, exports=exports,
    trains=False,
    waits_for=to_say("Six trainings of one adapter"),
    question=Question(
        to_say("All 1024 random bits must be recalled correctly. What is the smallest of the measured ranks that is "
            "enough?"),
        to_say("An adapter holds about one bit per trainable parameter, and rank r has 256·r of them here."),
        _ask,
    ),
)  # fmt: skip
