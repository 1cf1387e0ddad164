"""What do 4 bits take from a weight, and which start gives some of it back? W ≈ Q + B A over the rank of B A."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.seeds import spread
from lora_viz.export.scripts.fits import four_bit_script
from lora_viz.export.scripts.script import Script, Scripts
from lora_viz.film.panels import Bars, Film, Group, HeatMap, Lines, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.quantise import BLOCK, NF4, loftq, nf4

__all__ = [
    "KINDS",
    "METHODS",
    "RANKS",
    "QuantisedBase",
    "film",
    "plot_quantised_base",
    "quantised_base",
    "scripts",
    "table",
    "takeaway",
]

KINDS = ("gaussian", "decaying")
CALLED = (to_say("Gaussian"), to_say("decaying"))
METHODS = (to_say("NF4 alone"), to_say("LoftQ, 1 round"), to_say("LoftQ, 5 rounds"), to_say("PiSSA, then NF4"))
RANKS = (0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
SIDE, BINS = 64, 41
ALONE, ONCE, OFTEN, PISSA = range(4)


class QuantisedBase(NamedTuple):
    """``error`` (K, 3, M, R): ‖W − Q − B A‖/‖W‖ for each kind of weight, (low, median, high) over ``seeds`` weights.

    ``wrong`` (M, R, d, d) is W − Q − B A for the first weight of the kind ``shown``, ``weight``; ``before`` and
    ``after`` are shares of its entries per bin, each entry over its block's largest magnitude.
    """

    ranks: Int[np.ndarray, "R"]
    error: Float[np.ndarray, "K 3 M R"]
    wins: Int[np.ndarray, "K R"]
    shown: int
    weight: Float[np.ndarray, "d d"]
    wrong: Float[np.ndarray, "M R d d"]
    sigma: Float[np.ndarray, "K d"]
    before: Float[np.ndarray, "bins"]
    after: Float[np.ndarray, "bins"]
    levels: int
    seeds: int


def _weight(seed: int, kind: str) -> Float[np.ndarray, "d d"]:
    """A Gaussian weight, or one with its singular vectors and its size whose σ_i falls as 1/i."""
    weight = stream("quantised", seed).standard_normal((SIDE, SIDE)) / np.sqrt(SIDE)
    if kind == "gaussian":
        return weight
    u, _, vt = np.linalg.svd(weight)
    decaying = (u / np.arange(1, SIDE + 1)) @ vt
    return decaying * np.linalg.norm(weight) / np.linalg.norm(decaying)


def _wrong(weight: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "M R d d"]:
    left = np.empty((len(METHODS), len(RANKS), *weight.shape))
    alone = left[:] = weight - nf4(weight)
    (u, sigma, vt), (p, tau, qt) = (np.linalg.svd(x) for x in (alone, weight))  # one each serves every rank
    for place, rank in enumerate(RANKS[1:], 1):
        left[ONCE, place] = (u[:, rank:] * sigma[rank:]) @ vt[rank:]
        quantised, A, B = loftq(weight, rank, 5)
        left[OFTEN, place] = weight - quantised - B @ A
        minor = (p[:, rank:] * tau[rank:]) @ qt[rank:]
        left[PISSA, place] = minor - nf4(minor)
    return left


def quantised_base(e: Experiment, *, shown: str = "gaussian", seeds: int = 8) -> QuantisedBase:
    """Quantise ``seeds`` weights of each kind, alone and with every start. Only the experiment's seed counts."""
    weights = [[_weight(e.seed + i, kind) for i in range(seeds)] for kind in KINDS]
    wrong = [[_wrong(weight) for weight in own] for own in weights]
    error = np.array(
        [
            [np.linalg.norm(left, axis=(2, 3)) / np.linalg.norm(w) for left, w in zip(a, b, strict=True)]
            for a, b in zip(wrong, weights, strict=True)
        ]
    )
    at = KINDS.index(shown)
    weight = weights[at][0]
    scale = np.abs(weight).max(axis=1, keepdims=True)  # a row is a block
    stored = nf4(weight)
    edges = np.linspace(-1 - 1 / (BINS - 1), 1 + 1 / (BINS - 1), BINS + 1)
    before, after = (np.histogram(x / scale, edges)[0] / weight.size for x in (weight, stored))
    return QuantisedBase(
        ranks=np.array(RANKS),
        error=np.moveaxis(spread(error, axis=1), 0, 1),
        wins=(error[:, :, PISSA] < error[:, :, OFTEN]).sum(axis=1),
        shown=at,
        weight=weight,
        wrong=wrong[at][0],
        sigma=np.stack([np.linalg.svd(own[0], compute_uv=False) for own in weights]),
        before=before,
        after=after,
        levels=len(np.unique((stored / scale).round(9))),
        seeds=seeds,
    )


def scripts(record: QuantisedBase, e: Experiment) -> Scripts:
    """A script for every rank: what each way loses of the weights of the kind that is shown."""
    kind, ranks = KINDS[record.shown], tuple(record.ranks[1:].tolist())

    def make(rank: int) -> Script:
        weights = np.stack([_weight(e.seed + i, kind) for i in range(record.seeds)])
        measured = record.error[record.shown, 1, :, list(record.ranks).index(rank)]
        what = f"{record.seeds} {kind} weights of {SIDE}×{SIDE}, rank={rank}, seed={e.seed}"
        return four_bit_script(what, weights, rank, measured)

    return Scripts(make, {say("Rank r"): ranks})


def film(record: QuantisedBase) -> Film:
    """The playhead runs over the ranks of B A."""
    limit = float(np.abs(record.wrong[ALONE, 0]).max()) or 1.0
    look = (("faint", "solid"), ("A", "dash"), ("A", "solid"), ("delta", "solid"))
    titles = (say("Gaussian W: σ fall slowly (drag here)"), say("Decaying W: σ fall as 1/i (drag here)"))
    errors = tuple(
        Lines(
            id=KINDS[k],
            title=title,
            y_label=say("‖W − Q − BA‖/‖W‖, {seeds} weights", seeds=record.seeds),
            x_scale="sqrt",
            series=tuple(
                Series(
                    id=IDS[m],
                    name=say(name),
                    colour=colour if colour != "A" else "ink",
                    y=record.error[k, 1, m],
                    low=record.error[k, 0, m],
                    high=record.error[k, 2, m],
                    dash="dash" if dash == "dash" else "solid",
                    dots=m in (OFTEN, PISSA),
                )
                for m, (name, (colour, dash)) in enumerate(zip(METHODS, look, strict=True))
            ),
            span=6,
        )
        for k, title in enumerate(titles)
    )
    maps = (
        (say("W − Q, NF4 alone"), "ink", ALONE),
        (say("left by LoftQ"), "ink", OFTEN),
        (say("left after PiSSA"), "delta", PISSA),
    )
    return Film(
        axis=to_say("rank"),
        values=record.ranks.astype(float),
        start=RANKS.index(8),
        seconds_per_frame=0.7,
        narration=tuple(_narrate(record, t) for t in range(len(record.ranks))),
        panels=(
            *errors,
            Bars(
                id="histogram",
                title=say("Weights before and after: {levels} levels a block", levels=record.levels),
                y_label=say("share"),
                labels=tuple(f"{x:.1f}".replace("-", "−") for x in np.linspace(-1, 1, BINS)),
                groups=(
                    Group(id="stored", name=say("stored in NF4"), colour="W", values=record.after),
                    Group(id="weight", name="W", colour="ink", values=record.before, outline=True),
                ),
                span=6,
                row=1,
            ),
            *(
                HeatMap(
                    id=f"left_{IDS[m]}",
                    title=title,
                    colour=colour,
                    values=record.wrong[m],
                    limit=limit,
                    span=2,
                    row=1,
                    caption=tuple(say("{share:.2g} % of ‖W‖", share=100 * x) for x in _of_the_first(record, m)),
                )
                for title, colour, m in maps
            ),
        ),
    )


def _of_the_first(record: QuantisedBase, method: int) -> Float[np.ndarray, "R"]:
    return np.linalg.norm(record.wrong[method], axis=(1, 2)) / np.linalg.norm(record.weight)


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %"


def _narrate(record: QuantisedBase, t: int) -> str:
    if record.ranks[t] == 0:
        return say(
            "Rank 0: 4 bits alone move the weight by {share} of its size.",
            share=_percent(float(record.error[0, 1, ALONE, 0])),
        )
    gaussian, decaying = record.error[0, 1, :, t], record.error[1, 1, :, t]
    return say(
        "Rank {rank}: LoftQ and PiSSA leave {loftq} and {pissa} of a Gaussian weight, {loftq_decaying} and "
        "{pissa_decaying} of a decaying one.",
        rank=record.ranks[t],
        loftq=_percent(float(gaussian[OFTEN])),
        pissa=_percent(float(gaussian[PISSA])),
        loftq_decaying=_percent(float(decaying[OFTEN])),
        pissa_decaying=_percent(float(decaying[PISSA])),
    )


def takeaway(record: QuantisedBase) -> str:
    """Where a start helps against rounding, and where it does not."""
    t = RANKS.index(8)
    rank = record.ranks[t]

    def told(kind: int, method: int) -> str:
        low, middle, high = (100 * float(x) for x in record.error[kind, :, method, t])
        return say("{median} % ({low} to {high} %)", median=number(middle), low=number(low), high=number(high))

    return say(
        "In this experiment, at rank {rank}, NF4 moves a Gaussian weight by {alone}, with LoftQ by {loftq}, with PiSSA "
        "first by {pissa}: its spectrum falls slowly, low ranks hold little of it, and PiSSA beat LoftQ in {wins} of "
        "{seeds} weights. A decaying weight moves by {alone_decaying}, {loftq_decaying} and {pissa_decaying}: what is "
        "large in it is kept exactly, and PiSSA beat LoftQ in {wins_decaying} of {seeds}.",
        rank=rank,
        alone=told(0, ALONE),
        loftq=told(0, OFTEN),
        pissa=told(0, PISSA),
        wins=record.wins[0, t],
        seeds=record.seeds,
        alone_decaying=told(1, ALONE),
        loftq_decaying=told(1, OFTEN),
        pissa_decaying=told(1, PISSA),
        wins_decaying=record.wins[1, t],
    )


def table(record: QuantisedBase) -> dict[str, np.ndarray]:
    """The medians over the weights, a column a method and kind."""
    return {"rank": record.ranks} | {
        f"{kind}: {method}": record.error[k, 1, m] for k, kind in enumerate(KINDS) for m, method in enumerate(METHODS)
    }


def plot_quantised_base(record: QuantisedBase, *, theme: str = "light") -> go.Figure:
    """The errors of both kinds over the rank, as a still figure."""
    colour = IDENTITY[theme]
    tints = (colour["faint"], colour["W"], colour["ink"], colour["delta"])
    figure = go.Figure(
        [
            go.Scatter(
                x=record.ranks,
                y=record.error[k, 1, m],
                name=f"{say(method)}, {say(kind)}",
                line={"color": tints[m], "dash": "solid" if k else "dot", "width": 3},
            )
            for k, kind in enumerate(CALLED)
            for m, method in enumerate(METHODS)
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=say(
                "Error of W ≈ Q + B A ({side}×{side}, blocks of {block}, {levels} levels)",
                side=SIDE,
                block=BLOCK,
                levels=len(NF4),
            ),
            xaxis={"title": say("rank of B A")},
            yaxis={"title": "‖W − Q − B A‖/‖W‖"},
        )
    )
    return figure
