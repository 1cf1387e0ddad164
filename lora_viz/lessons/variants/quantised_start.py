"""What 4 bits take from a weight, and which start gives some of it back: W ≈ Q + B A over the rank of B A."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.seeds import spread
from lora_viz.export.scripts.fits import four_bit_script
from lora_viz.export.scripts.script import Script, Scripts
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, HeatMap, Lines, Series, band
from lora_viz.film.still import Drawn, still_curves
from lora_viz.film.style import number, percent
from lora_viz.i18n.language import decimal, listed, say, to_say
from lora_viz.layer.quantise import BLOCK, NF4, loftq, nf4
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["PART", "QuantisedBase", "quantised_base"]

KINDS = ("gaussian", "decaying")
CALLED = (to_say("Gaussian"), to_say("decaying"))
METHODS = (to_say("NF4 alone"), to_say("LoftQ, 1 round"), to_say("LoftQ, 5 rounds"), to_say("PiSSA, then NF4"))
LOOK: tuple[tuple[str, Literal["solid", "dash"]], ...] = (
    ("faint", "solid"), ("ink", "dash"), ("ink", "solid"), ("delta", "solid"),
)  # fmt: skip
IDS = ("alone", "loftq_1", "loftq_5", "pissa")  # of the methods
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
        ranks=np.array(RANKS), error=np.moveaxis(spread(error, axis=1), 0, 1),
        wins=(error[:, :, PISSA] < error[:, :, OFTEN]).sum(axis=1), shown=at, weight=weight, wrong=wrong[at][0],
        sigma=np.stack([np.linalg.svd(own[0], compute_uv=False) for own in weights]), before=before, after=after,
        levels=len(np.unique((stored / scale).round(9))), seeds=seeds,
    )  # fmt: skip


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
    titles = (say("Gaussian W: σ fall slowly (drag here)"), say("Decaying W: σ fall as 1/i (drag here)"))
    errors = tuple(
        Lines(
            KINDS[k], title, span=6, x_scale="sqrt",
            y_label=say("‖W − Q − BA‖/‖W‖, {seeds} weights", seeds=record.seeds),
            series=tuple(
                Series(IDS[m], say(name), colour, dash=dash, **band(record.error[k, :, m]), dots=m in (OFTEN, PISSA))
                for m, (name, (colour, dash)) in enumerate(zip(METHODS, LOOK, strict=True))
            ),
        )
        for k, title in enumerate(titles)
    )  # fmt: skip
    maps = (
        (say("W − Q, NF4 alone"), "ink", ALONE),
        (say("remaining: LoftQ"), "ink", OFTEN),
        (say("remaining: PiSSA"), "delta", PISSA),
    )
    histogram = Bars(
        "histogram", say("Weights before and after: {levels} levels per block", levels=record.levels),
        y_label=say("fraction"), labels=tuple(
            f"{round(x, 1) + 0.0:.1f}".replace("-", "−") for x in np.linspace(-1, 1, BINS)
        ),
        bar_ids=tuple(f"bin_{i}" for i in range(BINS)),
        groups=(
            Group("stored", say("stored in NF4"), "W", record.after),
            Group("weight", "W", "ink", record.before, outline=True),
        ),
        span=6, row=1,
    )  # fmt: skip
    return Film(
        axis=to_say("rank"), of_last=True, values=record.ranks.astype(float), start=RANKS.index(8),
        seconds_per_frame=0.7, narration=tuple(_narrate(record, t) for t in range(len(record.ranks))),
        panels=(
            *errors,
            histogram,
            *(
                HeatMap(
                    f"left_{IDS[m]}", title, colour, record.wrong[m], limit=limit, span=2, row=1,
                    caption=tuple(say("{share:.2g} % of ‖W‖", share=100 * x) for x in _of_the_first(record, m)),
                )
                for title, colour, m in maps
            ),
        ),
    )  # fmt: skip


def _of_the_first(record: QuantisedBase, method: int) -> Float[np.ndarray, "R"]:
    return np.linalg.norm(record.wrong[method], axis=(1, 2)) / np.linalg.norm(record.weight)


def _percent(value: float) -> str:
    return decimal(f"{100 * value:.2g} %")


def _narrate(record: QuantisedBase, t: int) -> str:
    if record.ranks[t] == 0:
        return say(
            "Rank 0: 4 bits alone change a Gaussian weight by {share} of its norm.",
            share=_percent(float(record.error[0, 1, ALONE, 0])),
        )
    gaussian, decaying = record.error[0, 1, :, t], record.error[1, 1, :, t]
    return say(
        "Rank {rank}. Gaussian: LoftQ {loftq}, PiSSA {pissa}. Decaying: LoftQ {loftq_decaying}, PiSSA "
        "{pissa_decaying}.",
        rank=record.ranks[t], loftq=_percent(float(gaussian[OFTEN])), pissa=_percent(float(gaussian[PISSA])),
        loftq_decaying=_percent(float(decaying[OFTEN])), pissa_decaying=_percent(float(decaying[PISSA])),
    )  # fmt: skip


def takeaway(record: QuantisedBase) -> str:
    """Where an initialisation helps against rounding, and where it does not."""
    t = RANKS.index(8)

    def told(kind: int) -> str:
        alone, loftq_, pissa = (percent(float(record.error[kind, 1, m, t])) for m in (ALONE, OFTEN, PISSA))
        return say("{alone} (NF4 alone), {loftq} (LoftQ), {pissa} (PiSSA)", alone=alone, loftq=loftq_, pissa=pissa)

    return say(
        "At rank {rank} PiSSA beat LoftQ in {wins} of {seeds} Gaussian weights and in {wins_decaying} of {seeds} "
        "decaying ones. Median errors, Gaussian: {gaussian}; decaying: {decaying}.",
        rank=record.ranks[t], wins=record.wins[0, t], wins_decaying=record.wins[1, t], seeds=record.seeds,
        gaussian=told(0), decaying=told(1),
    )  # fmt: skip


def detail(record: QuantisedBase) -> str:
    """Why: how much of each weight a low rank holds."""
    energy = record.sigma[:, :8] ** 2
    gaussian, decaying = energy.sum(axis=1) / np.sum(record.sigma**2, axis=1)
    return say(
        "The first eight directions hold {gaussian} of ‖W‖² of the Gaussian weight and {decaying} of the decaying one; "
        "PiSSA keeps these exactly.",
        gaussian=percent(float(gaussian)), decaying=percent(float(decaying)),
    )  # fmt: skip


def verdict(record: QuantisedBase) -> Verdict:
    """At rank 8, PiSSA beats LoftQ in most decaying weights, and in few Gaussian ones."""
    t = RANKS.index(8)
    gaussian, decaying = (int(n) for n in record.wins[:, t])
    evidence = {"gaussian": gaussian, "decaying": decaying, "error": tuple(record.error[:, 1, PISSA, t].tolist())}
    told = {
        "gaussian": gaussian, "decaying": decaying, "seeds": record.seeds,
        "error": percent(float(record.error[1, 1, PISSA, t])), "other": percent(float(record.error[1, 1, OFTEN, t])),
    }  # fmt: skip
    if decaying > record.seeds / 2 > gaussian:
        return true_here(
            say("at rank 8 PiSSA beat LoftQ in {decaying} of {seeds} decaying weights ({error}, LoftQ {other}) and in "
                "{gaussian} of {seeds} Gaussian ones", **told),
            **evidence,
        )  # fmt: skip
    return false_here(
        say("at rank 8 PiSSA beat LoftQ in {decaying} of {seeds} decaying weights and in {gaussian} of {seeds} "
            "Gaussian "
            "ones", **told),
        **evidence,
    )  # fmt: skip


def figure(record: QuantisedBase, *, theme: str = "light") -> go.Figure:
    """The errors of both kinds over the rank, as a still figure."""
    curves = [
        Drawn(f"{say(method)}, {say(kind)}", ("faint", "W", "ink", "delta")[m], record.ranks, record.error[k, 1, m],
              "solid" if k else "dot", dots=True)
        for k, kind in enumerate(CALLED)
        for m, method in enumerate(METHODS)
    ]  # fmt: skip
    title = say("Error of W ≈ Q + B A ({side}×{side}, blocks of {block}, {levels} levels)", side=SIDE, block=BLOCK,
                levels=len(NF4))  # fmt: skip
    return still_curves(curves, title=title, x=say("rank of B A"), y="‖W − Q − BA‖/‖W‖", theme=theme)


def maths(record: QuantisedBase) -> str:
    """The sixteen levels, and how each start uses B A."""
    energy = record.sigma**2
    gaussian, decaying = 100 * energy[:, :8].sum(axis=1) / energy.sum(axis=1)
    return say(
        r"""
$$
Q = \mathrm{{NF4}}(W): \quad q_{{ij}} = c\,\ell\Big(\frac{{w_{{ij}}}}{{c}}\Big), \quad
c = \max_\text{{block of 64}}|w|, \qquad
\text{{LoftQ: }} Q \leftarrow \mathrm{{NF4}}(W - BA), \; BA \leftarrow [W - Q]_r \text{{ by turns}}
$$

The sixteen levels $\ell$ are quantiles of a normal distribution, scaled to ±1, with an exact zero, eight above it and
seven below: {levels}. With one scale in 32 bits for 64 weights
that makes 4.5 bits per weight; QLoRA's double quantisation of the scales, 4.127, is left out here.

Plain **QLoRA** (Dettmers et al. 2023, [arXiv:2305.14314](https://arxiv.org/abs/2305.14314)) starts with $BA = 0$ and
so with all of the error. **LoftQ** (Li et al. 2023, [arXiv:2310.08659](https://arxiv.org/abs/2310.08659)) lets $BA$
make up for part of it at initialisation. **PiSSA** (Meng, Wang & Zhang 2024,
[arXiv:2404.02948](https://arxiv.org/abs/2404.02948)) puts $W$'s largest triplets into $BA$ and quantises the rest: what
is rounded is then smaller, if the rest is. The first eight singular values hold
{gaussian} % of the Gaussian weight's energy
and {decaying} % of the decaying one's. What
training makes of these starts is on the page of all variants.""",
        levels=listed(decimal(f"{level:.3f}".replace("-", "−")) for level in NF4), gaussian=number(float(gaussian)),
        decaying=number(float(decaying)),
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> QuantisedBase:
    """Quantise eight weights of each kind, with every start at every rank."""
    return quantised_base(settings.experiment, shown=settings["weight_kind"])


def _ask(seen: Seen, _: Any) -> Measured:
    ranks = seen.film.values
    pissa, loftq = (shown(seen.film, "decaying", start) for start in ("pissa", "loftq_5"))
    at = first_place(ranks == 8)
    k = first_place(loftq <= pissa[at])
    told = say("LoftQ leaves {loftq} % at rank {rank}, PiSSA {pissa} % at rank 8.", loftq=word(100 * loftq[k]),
               rank=int(ranks[k]), pissa=word(100 * pissa[at]))  # fmt: skip
    return Measured(int(ranks[k]), (8, 12, 16, 4), told, {"left": word(100 * pissa[at])})


PART = Lesson(
    id="quantised_start", menu=to_say("4-bit base"),
    title=to_say("Quantisation: what do 4 bits lose, and what restores it?"),
    claim=to_say(
        "With W frozen in 4 bits, keeping its largest directions in B A (PiSSA) helps more than LoftQ only if W's "
        "spectrum decays."
    ),
    place=40, controls=(CONTROLS["weight_kind"],), measure=measure, film=film, hero="decaying", takeaway=takeaway,
    verdict=verdict, detail=detail, maths=maths, figure=figure, exports=lambda record, settings, lab: scripts(record,
    settings.experiment),
    question=Question(
        to_say("On the decaying weight PiSSA leaves {left} % at rank 8. What is the smallest rank shown at which "
            "LoftQ does?"),
        to_say("PiSSA keeps the large directions exactly, outside of the 4 bits; LoftQ corrects only part of their "
            "error."),
        _ask,
    ),
)  # fmt: skip
