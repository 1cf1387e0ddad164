"""How many random bits does an adapter hold? A training watched live, beside the measured map over rank and samples."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.seeds import spread
from lora_viz.film.panels import Curve, Curves, Field, Film, Mark, Readout, Row
from lora_viz.film.still import DASHES, Drawn, still_curves
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say
from lora_viz.networks.bits import BitsEvidence, BitsRun, stored_bits

__all__ = ["Capacity", "capacity", "film", "plot_capacity", "table", "takeaway"]

LEARNT = 0.99


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
        steps=run.steps,
        samples=samples,
        live=run.accuracy,
        bits=stored_bits(run.accuracy, samples).max(axis=1),
        rank=run.experiment.rank,
        parameters=run.experiment.parameters,
        ranks=evidence.ranks,
        measured_samples=evidence.samples,
        measured=spread(evidence.accuracy, axis=0),
        measured_bits=spread(stored_bits(evidence.accuracy, evidence.samples).max(axis=2), axis=0),
        per_rank=run.experiment.parameters // run.experiment.rank,
        seeds=len(evidence.accuracy),
    )


def film(record: Capacity) -> Film:
    """The playhead runs over the live training's steps; the map and its collapse onto N per parameter stand still."""
    median = record.measured[1]
    own = list(record.ranks).index(record.rank) if record.rank in record.ranks else None
    load = np.unique(np.concatenate([record.measured_samples / (record.per_rank * r) for r in record.ranks]))
    return Film(
        axis=to_say("step"),
        training=True,
        of_last=True,
        values=record.steps.astype(float),
        start=len(record.steps) - 1,
        seconds_per_frame=0.12,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Curves(
                title=say("Live, rank {rank}: labels read right, one training for each N", rank=record.rank),
                x=record.samples.astype(float),
                x_label=say("random bits N, log"),
                y_label=say("share read right; guessing: 0.5"),
                x_scale="log",
                reach=1.0,
                span=6,
                marks=(
                    Mark(
                        at=float(record.parameters),
                        label=say("{parameters} trained numbers", parameters=record.parameters),
                    ),
                ),
                series=(
                    Curve(name=say("read right"), colour="delta", y=record.live, dots=True),
                    Curve(name=say("guessing"), colour="faint", y=np.full(len(record.samples), 0.5), dash="dash"),
                ),
            ),
            Field(
                title=say("Measured beforehand: read right after 800 steps, median of {seeds}", seeds=record.seeds),
                values=median,
                x_labels=tuple(map(str, record.measured_samples)),
                y_labels=tuple(f"{r} ({record.per_rank * r})" for r in record.ranks),
                x_title=say("random bits N"),
                y_title=say("rank (trained numbers)"),
                limits=(0.5, 1.0),
                regions=(median >= LEARNT).astype(float),
                region_names=(say("some lost"), f"≥ {LEARNT}"),
                chosen=None if own is None else (own, _edge(record, own)),
                span=6,
            ),
            Curves(
                title=say("The same against bits a trained number (band: all seeds)"),
                x=load,
                x_label=say("N/trained numbers, log"),
                y_label=say("share read right"),
                x_scale="log",
                reach=1.0,
                row=1,
                span=7,
                marks=(Mark(at=1.0, label=say("one bit a number")),),
                series=tuple(
                    Curve(
                        name=f"r = {rank}",
                        colour="delta",
                        y=_on(load, record, i, 1),
                        low=_on(load, record, i, 0),
                        high=_on(load, record, i, 2),
                        dash=DASHES[i % 4],
                        dots=True,
                    )
                    for i, rank in enumerate(record.ranks)
                ),
            ),
            Readout(
                title=say("Bits known of the labels, at the best N"),
                row=1,
                span=5,
                rows=(
                    Row(
                        label=say("live, r = {rank}", rank=record.rank),
                        text=tuple(
                            say("{bits:.0f}, {share:.2f} a number", bits=b, share=b / record.parameters)
                            for b in record.bits
                        ),
                        colour="delta",
                    ),
                    *(
                        Row(
                            label=f"r = {rank}",
                            text=(_bits(record, i),),
                        )
                        for i, rank in enumerate(record.ranks)
                    ),
                ),
            ),
        ),
    )


def _on(load: Float[np.ndarray, "k"], record: Capacity, i: int, which: int) -> Float[np.ndarray, "k"]:
    """One rank's accuracies on the axis of loads that all ranks share; NaN where it has none."""
    y = np.full(len(load), np.nan)
    y[np.searchsorted(load, record.measured_samples / (record.per_rank * record.ranks[i]))] = record.measured[which, i]
    return y


def _edge(record: Capacity, i: int) -> int:
    """The largest N that this rank learnt in the median seed."""
    return int(np.flatnonzero(record.measured[1, i] >= LEARNT).max(initial=0))


def _bits(record: Capacity, i: int) -> str:
    low, median, high = record.measured_bits[:, i]
    return say(
        "{median:.0f} ({low:.0f} to {high:.0f}), {share:.2f} a number",
        median=median,
        low=low,
        high=high,
        share=median / (record.per_rank * record.ranks[i]),
    )


def _narrate(record: Capacity, t: int) -> str:
    whole = np.flatnonzero(record.live[t] >= LEARNT)
    step, bits, share = record.steps[t], record.samples[-1], 100 * record.live[t, -1]
    if not len(whole):
        return say(
            "Step {step}: none is learnt yet; of the {bits} bits {share:.0f} % are read right, where guessing gives "
            "50 %.",
            step=step,
            bits=bits,
            share=share,
        )
    return say(
        "Step {step}: up to {held} bits are learnt; of the {bits} bits {share:.0f} % are read right, where guessing "
        "gives 50 %.",
        step=step,
        held=record.samples[whole.max()],
        bits=bits,
        share=share,
    )


def takeaway(record: Capacity) -> str:
    """What was seen, in the run's own numbers."""
    whole = np.flatnonzero(record.live[-1] >= LEARNT)
    most = len(record.measured_samples) - 1
    reached = [(record.measured_samples[_edge(record, i)], _edge(record, i) == most) for i in range(len(record.ranks))]
    edges = ", ".join(say("{bits} (the most tried)", bits=n) if last else str(n) for n, last in reached)
    numbers = ", ".join(str(record.per_rank * r) for r in record.ranks)
    per = record.measured_bits[1] / (record.per_rank * record.ranks)
    least, top = number(float(per.min())), number(float(per.max()))
    here = {
        "rank": record.rank,
        "parameters": record.parameters,
        "share": 100 * record.live[-1, -1],
        "bits": record.samples[-1],
    }
    if len(whole):
        said = say(
            "In this experiment rank {rank}, {parameters} trained numbers, learnt all of at most {held} random bits "
            "(of the N tried) and read {share:.1f} % of {bits} right.",
            held=record.samples[whole.max()],
            **here,
        )
    else:
        said = say(
            "In this experiment rank {rank}, {parameters} trained numbers, learnt none of the tried N in full and read "
            "{share:.1f} % of {bits} random bits right.",
            **here,
        )
    return said + say(
        " Measured with {seeds} seeds, ranks {ranks} with {numbers} numbers learnt {edges}; known of the labels was at "
        "best {least} to {top} bits a number. Twice the rank holds twice the bits.",
        seeds=record.seeds,
        ranks=", ".join(map(str, record.ranks)),
        numbers=numbers,
        edges=edges,
        least=least,
        top=top,
    )


def table(record: Capacity) -> dict[str, np.ndarray]:
    """One row a rank and sample count, as measured."""
    rank, n = (x.ravel() for x in np.meshgrid(record.ranks, record.measured_samples, indexing="ij"))
    low, median, high = (x.ravel() for x in record.measured)
    return {"rank": rank, "bits": n, "numbers": rank * record.per_rank, "low": low, "accuracy": median, "high": high}


def plot_capacity(record: Capacity, *, theme: str = "light") -> go.Figure:
    """Accuracy against N for every rank, as measured."""
    return still_curves(
        [
            Drawn(
                say("r = {rank}, {numbers} numbers", rank=rank, numbers=rank * record.per_rank),
                "delta",
                record.measured_samples,
                record.measured[1, i],
                DASHES[i % 4],
                dots=True,
                low=record.measured[0, i],
                high=record.measured[2, i],
            )
            for i, rank in enumerate(record.ranks)
        ],
        title=say("Random bits learnt, median of {seeds} seeds", seeds=record.seeds),
        x=say("random bits N"),
        y=say("share read right"),
        log="x",
        theme=theme,
    )
