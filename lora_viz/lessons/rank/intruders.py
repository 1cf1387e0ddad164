"""Intruders: a spike of growing size planted on a weight, and the new singular vectors it makes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.random_streams import stream
from lora_viz.core.seeds import spread
from lora_viz.export.scripts.fits import spike_script
from lora_viz.export.scripts.script import Script, Scripts
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Field, Lines, Mark, Readout, Row, Series, band
from lora_viz.film.spreads import ranged, readings, spread_columns
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.spikes import draw_spike, plant_spike
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "SHOWN", "TOP", "Intruders", "intruders", "scripts"]

TOP, SHOWN = 10, 16
CALLED = {"gaussian": to_say("Gaussian"), "decaying": to_say("decaying")}
SIZES = np.linspace(0.0, 2.0, 33)
WIDE = 1024  # of the question
_hundredths = partial(ranged, form="{:.2f}".format)
_whole = partial(ranged, form="{:g}".format)


class Intruders(NamedTuple):
    """W = W₀ + θuvᵀ at several sizes θ/σ₁(W₀): how its leading left singular vectors lie to those of W₀.

    ``closest`` is max_i |cos(y, x_i)| of the one of the TOP leading y that is least like any x_i, over all d of them;
    ``intruding`` how many of the TOP lie below ``epsilon``; ``along`` |cos| of the spike u to the y nearest to it;
    (low, median, high; θ) over the seeds. ``inside`` is the length of that y's projection onto the x_i together.
    ``cosines`` |cos(y_j, x_i)| and ``sigma`` are the first seed's. ``random`` is what a random direction reaches (low,
    median, high), ``baseline`` √(2 ln d/d). ``law`` is |cos| by Benaych-Georges & Nadakuditi (2012), for a Gaussian W₀.
    """

    sizes: Float[np.ndarray, "T"]
    closest: Float[np.ndarray, "3 T"]
    intruding: Float[np.ndarray, "3 T"]
    along: Float[np.ndarray, "3 T"]
    inside: Float[np.ndarray, "3 T"]
    cosines: Float[np.ndarray, "T J I"]
    before: Float[np.ndarray, "I"]
    sigma: Float[np.ndarray, "T I"]
    random: Float[np.ndarray, "3"]
    law: Float[np.ndarray, "T"]
    baseline: float
    epsilon: float
    kind: str
    d: int
    seeds: int


def intruders(d: int, kind: str, epsilon: float, seed: int, seeds: int = 8) -> Intruders:
    """Plant the spike on weights of this kind, "gaussian" or "decaying", and look at what became of the directions."""
    drawn = _spikes(seed, seeds, d, kind)
    vectors, sigma = map(np.stack, zip(*(plant_spike(*one, SIZES * one[0][0]) for one in drawn), strict=True))
    top = vectors[..., :TOP]
    cosines = np.abs(top)  # (S, T, d old, TOP new)
    nearest = cosines.max(axis=2)
    along = np.abs(np.einsum("sd,stdj->stj", np.stack([u for _, u, _ in drawn]), top))
    most = along.argmax(axis=2)
    inside = np.take_along_axis(np.sqrt(np.sum(cosines**2, axis=2)), most[..., None], axis=2)[..., 0]
    theta = SIZES * np.median(sigma[:, 0, 0])
    with np.errstate(divide="ignore"):
        law = np.sqrt(np.clip(1 - 1 / theta**2, 0, None)) if kind == "gaussian" else np.full(len(SIZES), np.nan)
    random = stream("random directions", seed).standard_normal((200, d))
    return Intruders(
        sizes=SIZES, closest=spread(nearest.min(axis=2), axis=0),
        intruding=spread((nearest < epsilon).sum(axis=2).astype(float), axis=0),
        along=spread(along.max(axis=2), axis=0), inside=spread(inside, axis=0),
        cosines=cosines[0, :, :SHOWN].transpose(0, 2, 1), before=sigma[0, 0, :SHOWN], sigma=sigma[0, :, :SHOWN],
        random=spread(np.abs(random).max(axis=1) / np.linalg.norm(random, axis=1), axis=0), law=law,
        baseline=float(np.sqrt(2 * np.log(d) / d)), epsilon=epsilon, kind=kind, d=d, seeds=seeds,
    )  # fmt: skip


def _spikes(seed: int, seeds: int, d: int, kind: str) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return [draw_spike(stream("planted spike", seed, i), d, kind) for i in range(seeds)]


def scripts(record: Intruders, seed: int) -> Scripts:
    """One script: how like the old directions the new ones are, at every size of the spike."""

    def make() -> Script:
        drawn = _spikes(seed, record.seeds, record.d, record.kind)
        old, spikes = np.stack([x for x, _, _ in drawn]), np.stack([[u, v] for _, u, v in drawn])
        measured = {"closest": record.closest[1], "intruding": record.intruding[1]}
        what = f"d={record.d}, {record.kind} singular values, {record.seeds} seeds, seed={seed}"
        return spike_script(what, old, spikes, record.sizes, TOP, record.epsilon, measured)

    return Scripts(make, {})


def film(record: Intruders) -> Film:
    """The playhead runs over θ/σ₁: the spectrum, old against new directions, the least similar one, how many."""
    flat = np.ones_like(record.sizes)
    marks = [Mark("threshold", 0.5, say("½ σ₁: threshold by theory"))]
    law = [Series("law", say("theory: |cos(y, u)|"), "faint", record.law, dash="dashdot")]
    if record.kind != "gaussian":
        marks, law = [], []
    closest = Lines(
        "closest", say("Least similar of the top {top}: max over all old directions, median of {seeds}",
                       top=TOP, seeds=record.seeds),
        y_label="|cos|", reach=1.0, span=7, marks=tuple(marks),
        series=(
            Series("closest", say("least similar y:"), "delta", **band(record.closest)),
            Series("along", "|cos(y, u)|:", "clean", **band(record.along)),
            *law,
            Series("epsilon", "ε:", "alarm", record.epsilon * flat, dash="dash"),
            Series("random", say("random, √(2 ln d/d):"), "W", record.baseline * flat, dash="dot"),
        ),
    )  # fmt: skip
    cosines = Field(
        "cosines", say("|cos| of new and old directions, first seed"), values=record.cosines,
        x_labels=tuple(str(i) for i in range(1, record.cosines.shape[2] + 1)),
        y_labels=tuple(str(j) for j in range(1, record.cosines.shape[1] + 1)), x_title=say("old direction i of W₀"),
        y_title=say("new direction j"), limits=(0.0, 1.0), span=5,
    )  # fmt: skip
    singular_values = Curves(
        "singular_values", say("Singular values, first seed"), x=np.arange(1.0, len(record.before) + 1),
        x_label=say("index"), y_label="σ", row=1, span=5,
        series=(
            Curve("before", "W₀", "W", record.before, dash="dash"),
            Curve("after", "W₀ + θuvᵀ", "delta", record.sigma, dots=True),
        ),
    )  # fmt: skip
    counted = Readout(
        "counted", say("Counted over {seeds} seeds: median (range)", seeds=record.seeds),
        (
            Row(
                "intruding", say("intruders of {top}, ε = {epsilon}", top=TOP, epsilon=number(record.epsilon)),
                readings(record.intruding, _whole), colour="delta",
            ),
            Row(
                "random", say("a random direction's largest |cos|"),
                (f"{_hundredths(record.random)}; √(2 ln d/d) = {number(record.baseline)}",), colour="W",
            ),
            Row(
                "inside", say("length of y nearest u inside the span of all x_i"), readings(record.inside, _hundredths),
            ),
        ),
        row=1, span=7,
    )  # fmt: skip
    return Film(
        axis="θ/σ₁(W₀)", values=record.sizes, start=int(np.argmin(np.abs(record.sizes - 1.0))), seconds_per_frame=0.25,
        narration=tuple(_narrate(record, t) for t in range(len(record.sizes))),
        panels=(closest, cosines, singular_values, counted),
    )  # fmt: skip


def _first(record: Intruders) -> int | None:
    """The first size from which on the median seed keeps an intruder."""
    clean = np.flatnonzero(record.intruding[1] < 1)
    after = int(clean[-1]) + 1 if len(clean) else 0
    return after if after < len(record.sizes) else None


def _narrate(record: Intruders, t: int) -> str:
    count = round(record.intruding[1, t])
    return say(
        "θ = {size} σ₁: the least similar direction has |cos| {closest}; with the spike {along}; {intruders}.",
        size=number(float(record.sizes[t])), closest=number(float(record.closest[1, t])),
        along=number(float(record.along[1, t])),
        intruders=say("1 intruder") if count == 1 else say("{count} intruders", count=f"{count:g}"),
    )  # fmt: skip


@sentences
def takeaway(record: Intruders) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    first, size = _first(record), [number(float(x)) for x in record.sizes]
    if record.baseline > record.epsilon:
        yield say(
            "Even a random direction has |cos| {baseline} with its nearest old one, above ε = {epsilon}, so the test "
            "finds next to nothing. Take a wider layer or a larger ε.",
            baseline=number(record.baseline), epsilon=number(record.epsilon),
        )  # fmt: skip
        return
    if first is None:
        yield say("No size up to {size} σ₁ left a lasting intruder (median of {seeds} seeds).", size=size[-1],
                  seeds=record.seeds)  # fmt: skip
    elif first == 0:
        yield say("W₀ itself counts as intruded, because ε is above every |cos|.")
    else:
        yield say(
            "The median of {seeds} seeds had no lasting intruder up to θ = {before} σ₁ and had one from {first} σ₁ on.",
            seeds=record.seeds, before=size[first - 1], first=size[first],
        )  # fmt: skip
    yield say(
        "At {last} σ₁ the least similar direction has |cos| {closest}; a random one reaches {random}.",
        last=size[-1], closest=number(float(record.closest[1, -1])), random=number(float(record.random[1])),
    )  # fmt: skip


@sentences
def detail(record: Intruders) -> Iterator[str]:
    """What was drawn, whether it came and went, and where an intruder lies."""
    first = _first(record)
    yield say(
        "d = {d}, {seeds} seeds, W₀ {kind}, ε = {epsilon}.",
        d=record.d, seeds=record.seeds, kind=say(CALLED[record.kind]), epsilon=number(record.epsilon),
    )  # fmt: skip
    had = np.flatnonzero(record.intruding[1] >= 1)
    if first and len(had) and had[0] < first and record.baseline <= record.epsilon:
        yield say(
            "An intruder came and went before, first at {size} σ₁: where θ meets one of W₀'s own σ, the two mix.",
            size=number(float(record.sizes[had[0]])),
        )
    yield say(
        "The new direction is not outside the old span: W₀ has full rank, and of the direction's length the fraction "
        "{inside} lies within it.",
        inside=number(float(record.inside[1, -1])),
    )


def verdict(record: Intruders) -> Verdict:
    """From some size on there is an intruder, and its largest |cos| is within what random directions reach."""
    first, closest = _first(record), float(record.closest[1, -1])
    evidence = {"first": first, "closest": closest, "random": tuple(record.random.tolist()), "epsilon": record.epsilon}
    if record.baseline > record.epsilon:
        return undecided(say("even a random direction has a |cos| above ε"), **evidence)
    if first is None:
        return false_here(say("no size up to {size} σ₁ left a lasting intruder", size=number(float(record.sizes[-1]))),
                          **evidence)  # fmt: skip
    if first == 0:
        return false_here(say("ε is above every |cos|, so W₀ itself counts as intruded"), **evidence)
    told = {"first": number(float(record.sizes[first])), "closest": number(closest),
            "random": number(float(record.random[2]))}  # fmt: skip
    if closest > record.random[2]:
        return false_here(
            say("at the largest θ its |cos| is {closest}, and random directions reach {random} at most", **told),
            **evidence,
        )
    return true_here(
        say("from θ = {first} σ₁ on there is an intruder, and at the largest θ its |cos| is {closest}; random "
            "directions reach up to {random}", **told),
        **evidence,
    )  # fmt: skip


def table(record: Intruders) -> dict[str, np.ndarray]:
    """One row a size."""
    return {
        "theta_over_sigma_1": record.sizes,
        **spread_columns("closest", record.closest),
        **spread_columns("intruders", record.intruding),
        **spread_columns("cos_spike", record.along),
        "random_baseline": np.full(len(record.sizes), record.baseline),
    }


def maths(record: Intruders) -> str:
    """The test for intruders, the law of a spike, and what chance reaches."""
    return say(
        r"""
$$
{W} + {dW}, \qquad y_j\ \text{{is an intruder}} \iff \max_i |\cos(y_j, x_i)| < \varepsilon \qquad
|\cos(y, u)|^2 \to 1 - 1/\theta^2,\ \ \theta > 1\ \ \text{{(Gaussian }}{W}\text{{)}}
$$

Shuttleworth, Andreas, Torralba and Sharma (2024, *LoRA vs Full Fine-tuning: An Illusion of Equivalence*) find such
vectors in networks fine-tuned with LoRA and few or none after full fine-tuning, and tie them to forgetting. Whether
they cause it is not tested here. Their test, with left singular vectors: the $y_j$ are the top 10 of the changed
weight, the $x_i$ all {d} of ${W}$. Here one random direction of size $\theta$ is planted on a random ${W}$; nothing is
trained, so this shows the geometry of one strong rank-1 update, not what LoRA does in a network. An update of
large norm makes an intruder regardless of the method; full fine-tuning at a large learning rate does too.

For entries $N(0, 1/d)$ the largest $\sigma$ is near 2, and below $\theta = 1$, half of it, the spike leaves no trace in
the top vectors as $d$ grows (Benaych-Georges & Nadakuditi 2012); in a narrow layer the step is a slope.
An intruder resembles no **single** old direction. It lies in the span of all of them, as every vector does: ${W}$ has
full rank. A random direction reaches about $\sqrt{{2 \ln d/d}} = {baseline}$; where that is near
$\varepsilon$ the test says little. Real weights decay: there a spike passes the small $\sigma$ early, and mixes with an
old direction whenever their $\sigma$ are equal.""",
        W=tint("W", "W_0"), dW=tint("delta", r"\theta u v^\top"), d=record.d, baseline=number(record.baseline),
    )  # fmt: skip


def measure(settings: Settings, _: Lab) -> Intruders:
    """Plant the spike on weights of this kind."""
    return intruders(settings["d_in"], settings["weight_kind"], settings["epsilon"], settings["seed"])


def _nearest(e: Experiment, _: Any) -> tuple[float, float]:
    """The largest |cos| of a random direction with the axes, in this width and in a wide layer, median of 99 draws."""
    drawn = (stream("a random direction", e.seed).standard_normal((99, d)) for d in (e.d_in, WIDE))
    now, wide = (float(np.median(np.abs(x).max(axis=1) / np.linalg.norm(x, axis=1))) for x in drawn)
    return now, wide


def _ask(seen: Seen, found: Any) -> Measured:
    now, wide = found
    d = seen.experiment.d_in
    told = say("{wide}, median of 99 random directions; √(2 ln d/d) is {law}.", wide=word(wide),
               law=word((2 * np.log(WIDE) / WIDE) ** 0.5))  # fmt: skip
    return Measured(wide, (now, now * d / WIDE, 0.5), told, {"d": d, "now": word(now), "wide": WIDE})


LESSON = Lesson(
    hero="closest",
    id="intruders", menu=to_say("Intruder dimensions"),
    title=to_say("Intruder dimensions: when does an update become a new singular vector?"),
    claim=to_say(
        "A small update stays hidden among W₀'s own directions. A larger one becomes a singular vector that resembles "
        "them no more than a random direction."
    ),
    place=76, default=Experiment(d_in=64, d_out=64),
    controls=(
        Choice(
            id="weight_kind", label=to_say("Singular values of W₀"), options=("gaussian", "decaying"),
            help=to_say("Gaussian: of normal entries, they fall slowly. Decaying: the i-th is 1/i of the first."),
            default="gaussian",
        ),
        Choice(
            id="epsilon", label=to_say("Intruder below |cos| = ε"), options=(0.3, 0.4, 0.5, 0.6),
            help=to_say("PEFT's reduce_intruder_dimension takes 0.5."), default=0.5,
        ),
        Choice(
            id="d_in", label=to_say("Width d"), options=(32, 64, 96),
            help=to_say("The narrower the layer, the more any direction resembles one of its d."),
        ),
    ),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="closest",
    table=table,
    exports=lambda record, settings, lab: scripts(record, settings["seed"]), trains=False,
    question=Question(
        to_say(
            "In a layer of width {d}, a random direction has |cos| {now} with the old direction closest to it. How "
            "large "
            "is it in a layer of width {wide}?"
        ),
        to_say(
            "A random direction resembles every other one a little, and less so in a wide layer. There a small |cos| "
            "is "
            "nothing unusual."
        ),
        _ask,
        _nearest,
    ),
)  # fmt: skip
