"""Asymmetry: exact least squares over random frozen factors, A or B, by the inputs' condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.seeds import spread
from lora_viz.engine.regression import teacher
from lora_viz.export.scripts.fits import frozen_script
from lora_viz.export.scripts.script import Script, Scripts, stated
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Readout, Row, band
from lora_viz.film.spreads import ranged, readings, spread_columns
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.tasks import target_spectrum
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON", "Asymmetry", "asymmetry", "scripts"]

CONDITIONS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)
RANKS = (1, 2, 4, 8, 16, 32)
WAYS = ("train_b", "train_a", "both")
NAMES = (to_say("train B, A frozen"), to_say("train A, B frozen"), to_say("train both: the floor"))
COLOURS = ("B", "A", "ink")

ALIKE = 0.05  # of the error: medians that differ by less are the same

_range = partial(ranged, form="{:.3f}".format)


class Asymmetry(NamedTuple):
    """E‖(ΔW − ΔW*)x‖² over E‖ΔW*x‖² at the exact minimum: train B with A frozen, train A with B frozen, train both.

    ``left`` is (low, median, high; way, rank, condition) over the draws, each a frozen factor of its own on one of
    ``targets`` targets; ``wins`` counts the draws in which training B left less than training A.
    """

    ranks: Int[np.ndarray, "R"]
    conditions: Float[np.ndarray, "C"]
    left: Float[np.ndarray, "3 W R C"]
    wins: Int[np.ndarray, "R C"]
    draws: int
    targets: int
    d_out: int
    d_in: int
    start: int


def asymmetry(e: Experiment, targets: int = 10, factors: int = 5) -> Asymmetry:
    """All ranks in one QR: rank r's frozen factor is the first r rows (A) or columns (B) of the largest's."""
    most = min(e.d_in, e.d_out)
    ranks = np.array([r for r in RANKS if r < most])
    target = teacher(target_spectrum(e), e.d_out, e.d_in, targets, e.seed)
    draws = targets * factors
    A, B = _frozen(e, most, draws)
    seen_B = np.linalg.qr(B)[0]
    left = np.empty((draws, 3, len(ranks), len(CONDITIONS)))
    for c, condition in enumerate(CONDITIONS):
        root = _root(e, condition)
        best = np.cumsum(np.linalg.svd(target * root, compute_uv=False) ** 2, axis=1)
        signal = np.repeat(target * root, factors, axis=0)
        whole = np.sum(signal**2, axis=(1, 2))[:, None]
        seen_A = np.linalg.qr((A * root).transpose(0, 2, 1))[0]
        kept = np.stack(
            [
                np.cumsum(np.sum((signal @ seen_A) ** 2, axis=1), axis=1),
                np.cumsum(np.sum((signal.transpose(0, 2, 1) @ seen_B) ** 2, axis=1), axis=1),
                np.repeat(best, factors, axis=0),
            ],
            axis=1,
        )
        share = 1 - kept[..., ranks - 1] / whole[:, None]
        left[..., c] = np.where(share < 1e-12, 0.0, share)  # less is rounding
    return Asymmetry(
        ranks=ranks, conditions=np.array(CONDITIONS), left=spread(left, axis=0),
        wins=(left[:, 0] < left[:, 1] - 1e-9).sum(axis=0), draws=draws, targets=targets, d_out=e.d_out, d_in=e.d_in,
        start=int(np.argmin(np.abs(ranks - e.rank))),
    )  # fmt: skip


def _frozen(
    e: Experiment, most: int, draws: int
) -> tuple[Float[np.ndarray, "D k d_in"], Float[np.ndarray, "D d_out k"]]:
    A = np.stack([stream("frozen A", e.seed, i).standard_normal((most, e.d_in)) for i in range(draws)])
    B = np.stack([stream("frozen B", e.seed, i).standard_normal((most, e.d_out)) for i in range(draws)])
    return A, B.transpose(0, 2, 1)


def _root(e: Experiment, condition: float) -> Float[np.ndarray, "d_in"]:
    return np.sqrt(condition ** -np.linspace(0, 1, e.d_in))  # the inputs' own axes: Σ is diagonal there


def scripts(record: Asymmetry, e: Experiment) -> Scripts:
    """A script for every condition number: what each way of training leaves at every rank."""
    conditions = tuple(record.conditions.tolist())

    def make(condition: float) -> Script:
        target = teacher(target_spectrum(e), e.d_out, e.d_in, record.targets, e.seed)
        factors = _frozen(e, int(record.ranks[-1]), record.draws)
        what = f"{stated(e)}\ninputs of condition {condition:g}, {record.draws} draws"
        left = record.left[1, :, :, conditions.index(condition)]
        return frozen_script(what, target, *factors, _root(e, condition), record.ranks, left)

    return Scripts(make, {say("Condition number of the inputs"): conditions})


def film(record: Asymmetry) -> Film:
    """The playhead runs over the rank: what each way leaves by condition number, who won, and the numbers."""
    k = len(record.conditions)
    law = np.repeat(1 - record.ranks[:, None] / record.d_out, k, axis=1)
    left = Curves(
        "left", say("Remaining error at the exact minimum, median of {draws} (band: all)", draws=record.draws),
        x=np.log10(record.conditions), x_label=say("log₁₀ κ, κ: condition of the inputs"),
        y_label=say("remaining fraction of the signal"), reach=1.0, span=12,
        series=(
            *(
                Curve(way, say(name), colour, dots=True, **band(record.left[:, w]))
                for w, (way, name, colour) in enumerate(zip(WAYS, NAMES, COLOURS, strict=True))
            ),
            Curve("law", "1 − r/d_out", "faint", law, dash="dash"),
        ),
    )  # fmt: skip
    wins = Curves(
        "wins", say("Draws, of {draws}, in which training B left less", draws=record.draws),
        x=np.log10(record.conditions), x_label=say("log₁₀ κ, κ: condition of the inputs"), y_label=say("draws"),
        reach=float(record.draws), row=1, span=6,
        series=(
            Curve("train_b", say("training B left less"), "B", record.wins.astype(float), dots=True),
            Curve("half", say("half"), "faint", np.full(k, record.draws / 2), dash="dash"),
        ),
    )  # fmt: skip
    at_rank = Readout(
        "at_rank", say("One factor trained, the other frozen: median (range)"),
        tuple(
            Row(
                f"{WAYS[w]}_{c}", f"κ = {_power(record.conditions[c])}: {'B' if w == 0 else 'A'}",
                readings(record.left[:, w, :, c], _range), colour=COLOURS[w],
            )
            for c in (0, 2, k - 1)
            for w in (0, 1)
        ),
        span=6, row=1,
    )  # fmt: skip
    return Film(
        axis=to_say("rank"), of_last=True, values=record.ranks.astype(float), start=record.start, seconds_per_frame=1.0,
        narration=tuple(_narrate(record, t) for t in range(len(record.ranks))), panels=(left, wins, at_rank),
    )  # fmt: skip


def _power(value: float) -> str:
    return number(float(value)) if value < 1e4 else f"10{str(round(np.log10(value))).translate(_RAISED)}"


_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _narrate(record: Asymmetry, t: int) -> str:
    left = record.left[1, :, t]
    return say(
        "Rank {rank}. Isotropic inputs: training B leaves {b_round}, A {a_round}. Condition number {condition}: {b}, "
        "{a}; both {both}.",
        rank=record.ranks[t], b_round=number(float(left[0, 0])), a_round=number(float(left[1, 0])),
        condition=_power(record.conditions[-1]), b=number(float(left[0, -1])), a=number(float(left[1, -1])),
        both=number(float(left[2, -1])),
    )  # fmt: skip


@sentences
def takeaway(record: Asymmetry) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    t, n = record.start, record.draws
    left, wins = record.left[1, :, t], record.wins[t]
    b_round, a_round, b, a = (number(float(x)) for x in (left[0, 0], left[1, 0], left[0, -1], left[1, -1]))
    yield say(
        "At rank {rank} with isotropic inputs, training B left {b_round} of the signal, training A {a_round}; at "
        "condition number {condition} {b} and {a}. Training B left less in {wins_round} of {n} and in {wins} of {n} "
        "draws.",
        rank=record.ranks[t], b_round=b_round, a_round=a_round, condition=_power(record.conditions[-1]), b=b, a=a,
        wins_round=wins[0], wins=wins[-1], n=n,
    )  # fmt: skip


@sentences
def detail(record: Asymmetry) -> Iterator[str]:
    """The shape of the layer, and what training both leaves."""
    left = record.left[:, :, record.start]
    yield say(
        "Layer {d_out}×{d_in}, {n} random frozen factors on {targets} targets.",
        d_out=record.d_out, d_in=record.d_in, n=record.draws, targets=record.targets,
    )  # fmt: skip
    if record.d_out < record.d_in:
        yield say("It has fewer outputs than inputs, so a frozen B covers more of its side than a frozen A.")
    elif record.d_out > record.d_in:
        yield say("It has more outputs than inputs, so a frozen A covers more of its side than a frozen B.")
    elif abs(left[1, 0, 0] - left[1, 1, 0]) < 1e-9:
        yield say("It is square and all σ of the target are equal: with isotropic inputs both leave exactly as much.")
    yield say(
        "At condition number {condition} training both leaves {left}.",
        condition=_power(record.conditions[-1]),
        left=number(float(left[1, 2, -1])),
    )


def verdict(record: Asymmetry) -> Verdict:
    """A square layer: alike with isotropic inputs, and what training B leaves falls with the condition number."""
    left = record.left[1, :, record.start]
    b, a = left[0], left[1]
    apart = abs(float(b[0] - a[0])) / max(float(a[0]), 1e-12)
    evidence = {"apart": apart, "b": tuple(b.tolist()), "a": float(a[-1])}
    told = {"d_out": record.d_out, "d_in": record.d_in, "first": number(float(b[0])), "last": number(float(b[-1])),
            "a": number(float(a[-1])), "a_first": number(float(a[0]))}  # fmt: skip
    if record.d_out != record.d_in:
        return false_here(say("the layer is {d_out}×{d_in}, not square", **told), **evidence)
    if apart > ALIKE:
        return false_here(say("with isotropic inputs training B left {first} and training A {a_first}", **told),
                          **evidence)  # fmt: skip
    gains = b - a
    if not (gains[-1] < 0 and (np.diff(gains) < 1e-3).all()):
        return false_here(
            say("at the largest condition number training B left {last} and training A {a}", **told), **evidence
        )
    return true_here(
        say("training B left {first} with isotropic inputs and {last} at the largest condition number, where training "
            "A left {a}", **told),
        **evidence,
    )  # fmt: skip


def table(record: Asymmetry) -> dict[str, np.ndarray]:
    """One row a rank and condition number."""
    rank, condition = (x.ravel() for x in np.meshgrid(record.ranks, record.conditions, indexing="ij"))
    columns = {"rank": rank, "condition": condition, "draws_B_left_less": record.wins.ravel()}
    for w, name in enumerate(("train_B", "train_A", "both")):
        columns |= spread_columns(name, record.left[:, w])
    return columns


def maths(record: Asymmetry) -> str:
    """Both exact minima, and why they differ."""
    rank = record.ranks[record.start]
    return say(
        r"""
$$
\text{{A frozen:}}\quad \operatorname{{tr}}({dW}\Sigma{dW}^\top) - \operatorname{{tr}}\!\big(C({A}\Sigma{A}^\top)^{{-1}}
C^\top\big),\ C = {dW}\Sigma{A}^\top \qquad \text{{B frozen:}}\quad \operatorname{{tr}}\!\big((I - P_{{{B}}})\,
{dW}\Sigma{dW}^\top\big)
$$

Zhu et al. (2024, *Asymmetry in Low-Rank Adapters of Foundation Models*) claim that training ${B}$ with a random frozen
${A}$ is inherently better than training ${A}$ with a random frozen ${B}$. Here each is solved exactly: linear layer,
squared loss, target ${dW}$ known, inputs with covariance $\Sigma$ of condition number $\kappa$, eigenvalues evenly
spaced on a log axis; no training, no step size, no noise. $P_{{{B}}}$ projects onto ${B}$'s columns.

A random ${A}$ passes on $r$ mixtures of the inputs. Where a few directions carry the variance, every mixture holds
them, and a trained ${B}$ can read them. A random ${B}$ can only write into $r$ of {d_out} output directions, however
the inputs lie: it leaves $1 - r/d_\mathrm{{out}}$ of the signal on average, {left} for
$r = {rank}$. So the asymmetry is due to the inputs and the shape, not to the factors: with isotropic inputs, A and B
change places if the layer is transposed. Training ${B}$ fits $r\,d_\mathrm{{out}}$ parameters, training ${A}$
$r\,d_\mathrm{{in}}$. The paper's second argument, that fewer trainable parameters generalise better, is not measured.
The floor is the best update of rank $r$ (Izenman 1975), which training both reaches.""",
        d_out=record.d_out, left=number(1 - rank / record.d_out), rank=rank, **LETTERS,
    )  # fmt: skip


def measure(settings: Settings, _: Lab) -> Asymmetry:
    """Freeze random factors of this layer."""
    return asymmetry(settings.experiment)


def _other_height(e: Experiment, _: Any) -> tuple[int, float, float]:
    """The other number of outputs, and what training A at a frozen B leaves there, and training B at a frozen A."""
    d_out = 64 if e.d_out == 16 else 16
    record = asymmetry(replace(e, d_out=d_out), targets=5)
    b_trained, a_trained = (float(record.left[1, way, record.start, 0]) for way in (0, 1))
    return d_out, a_trained, b_trained


def _ask(seen: Seen, found: Any) -> Measured:
    d_out, a_trained, b_trained = found
    rank = int(seen.film.values[seen.film.start])
    told = say(
        "Training A at a frozen B left {a}, training B at a frozen A {b} (medians); 1 − r/d_out is {law}.",
        a=word(a_trained), b=word(b_trained), law=word(1 - rank / d_out),
    )  # fmt: skip
    return Measured(a_trained, (b_trained, 1 - b_trained, b_trained / 2), told, {"d_out": d_out, "rank": rank})


LESSON = Lesson(
    hero="left",
    id="asymmetry", menu=to_say("Freeze A or B?"), title=to_say("Freeze A or B? Does it matter which?"),
    claim=to_say(
        "With isotropic inputs and a square layer it makes no difference. The more ill-conditioned the inputs, the "
        "better to freeze A and train B."
    ),
    place=35, default=Experiment(task="full_rank", d_in=64, d_out=64, spectrum="power", rank=8),
    controls=(
        Choice(
            id="d_out", label=to_say("Outputs of the layer"), options=(16, 64, 128),
            help=to_say("The layer has 64 inputs; 64 outputs make it square."),
        ),
        CONTROLS["spectrum"],
    ),
    more=(CONTROLS["rank"].only(1, 2, 4, 8),), measure=measure, film=film, takeaway=takeaway,
    verdict=verdict, detail=detail, maths=maths, on_paper="left", table=table, exports=lambda record, settings,
    lab: scripts(record, settings.experiment),
    trains=False,
    question=Question(
        to_say(
            "A layer has 64 inputs, which are isotropic, and {d_out} outputs. At rank {rank}, what fraction of the "
            "signal remains if B is frozen and A is trained?"
        ),
        to_say(
            "A frozen B can reach only r output directions, so the error depends on the number of outputs, not of "
            "inputs."
        ),
        _ask,
        _other_height,
    ),
)  # fmt: skip
