"""When does an update show up as a new singular vector? A spike of growing size planted on a weight."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from lora_viz.core.random_streams import stream
from lora_viz.core.seeds import spread
from lora_viz.export.scripts.fits import spike_script
from lora_viz.export.scripts.script import Script, Scripts
from lora_viz.film.panels import Curve, Curves, Field, Film, Lines, Mark, Readout, Row, Series
from lora_viz.film.still import Drawn, still_curves
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say

__all__ = ["Intruders", "film", "intruders", "plot_intruders", "scripts", "table", "takeaway"]

TOP, SHOWN = 10, 16
CALLED = {"gaussian": to_say("Gaussian"), "decaying": to_say("decaying")}
SIZES = np.linspace(0.0, 2.0, 33)


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
    """Plant the spike in W₀'s own singular basis: there an eigenvector's entries are the cosines themselves.

    ``kind`` "gaussian": entries N(0, 1/d); "decaying": σ_i = 1/i of the first, in random directions.
    """
    found = [_planted(stream("planted spike", seed, i), d, kind) for i in range(seeds)]
    cosines = np.stack([f[0] for f in found])  # (S, T, d old, TOP new)
    spikes = np.stack([f[1] for f in found])
    sigma = np.stack([f[2] for f in found])
    nearest = cosines.max(axis=2)
    along = np.abs(np.einsum("sd,stdj->stj", spikes, np.stack([f[3] for f in found])))
    most = along.argmax(axis=2)
    inside = np.take_along_axis(np.sqrt(np.sum(cosines**2, axis=2)), most[..., None], axis=2)[..., 0]
    theta = SIZES * np.median(sigma[:, 0, 0])
    with np.errstate(divide="ignore"):
        law = np.sqrt(np.clip(1 - 1 / theta**2, 0, None)) if kind == "gaussian" else np.full(len(SIZES), np.nan)
    random = stream("random directions", seed).standard_normal((200, d))
    return Intruders(
        sizes=SIZES,
        closest=spread(nearest.min(axis=2), axis=0),
        intruding=spread((nearest < epsilon).sum(axis=2).astype(float), axis=0),
        along=spread(along.max(axis=2), axis=0),
        inside=spread(inside, axis=0),
        cosines=cosines[0, :, :SHOWN].transpose(0, 2, 1),
        before=sigma[0, 0, :SHOWN],
        sigma=sigma[0, :, :SHOWN],
        random=spread(np.abs(random).max(axis=1) / np.linalg.norm(random, axis=1), axis=0),
        law=law,
        baseline=float(np.sqrt(2 * np.log(d) / d)),
        epsilon=epsilon,
        kind=kind,
        d=d,
        seeds=seeds,
    )


def _planted(rng: np.random.Generator, d: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """|cos| and signed entries of the TOP vectors at every size, the spike, and the singular values, in W₀'s basis."""
    old, u, v = _drawn(rng, d, kind)
    tuned = np.diag(old) + (SIZES * old[0])[:, None, None] * np.outer(u, v)
    square, vectors = np.linalg.eigh(tuned @ tuned.transpose(0, 2, 1))
    top = vectors[:, :, : -TOP - 1 : -1]
    return np.abs(top), u, np.sqrt(square[:, ::-1].clip(0)), top


def _drawn(rng: np.random.Generator, d: int, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """W₀'s singular values, and the spike's u and v in its basis."""
    old = np.linalg.svd(rng.standard_normal((d, d)) / np.sqrt(d), compute_uv=False)
    if kind == "decaying":
        old = 2.0 / np.arange(1, d + 1)
    u, v = (x / np.linalg.norm(x) for x in rng.standard_normal((2, d)))
    return old, u, v


def scripts(record: Intruders, seed: int) -> Scripts:
    """One script: how like the old directions the new ones are, at every size of the spike."""

    def make() -> Script:
        drawn = [_drawn(stream("planted spike", seed, i), record.d, record.kind) for i in range(record.seeds)]
        old, spikes = np.stack([x for x, _, _ in drawn]), np.stack([[u, v] for _, u, v in drawn])
        measured = {"closest": record.closest[1], "intruding": record.intruding[1]}
        what = f"d={record.d}, {record.kind} singular values, {record.seeds} seeds, seed={seed}"
        return spike_script(what, old, spikes, record.sizes, TOP, record.epsilon, measured)

    return Scripts(make, {})


def film(record: Intruders) -> Film:
    """The playhead runs over θ/σ₁: the spectrum, old against new directions, the least similar one, how many."""
    x = np.arange(1, len(record.before) + 1, dtype=float)
    flat = np.ones_like(record.sizes)
    marks = (Mark(at=0.5, label=say("½ σ₁: the law's threshold")),) if record.kind == "gaussian" else ()
    law = (Series(name=say("law of |cos(y, u)|:"), colour="faint", y=record.law, dash="dashdot"),) if marks else ()
    return Film(
        axis="θ/σ₁(W₀)",
        values=record.sizes,
        start=int(np.argmin(np.abs(record.sizes - 1.0))),
        seconds_per_frame=0.25,
        narration=tuple(_narrate(record, t) for t in range(len(record.sizes))),
        panels=(
            Lines(
                title=say(
                    "Least similar of the top {top}: max over all old directions, median of {seeds}",
                    top=TOP,
                    seeds=record.seeds,
                ),
                y_label="|cos|",
                reach=1.0,
                span=7,
                marks=marks,
                series=(
                    Series(
                        name=say("least similar y:"),
                        colour="delta",
                        y=record.closest[1],
                        low=record.closest[0],
                        high=record.closest[2],
                    ),
                    Series(
                        name="|cos(y, u)|:",
                        colour="clean",
                        y=record.along[1],
                        low=record.along[0],
                        high=record.along[2],
                    ),
                    *law,
                    Series(name="ε:", colour="alarm", y=record.epsilon * flat, dash="dash"),
                    Series(name=say("random, √(2 ln d/d):"), colour="W", y=record.baseline * flat, dash="dot"),
                ),
            ),
            Field(
                title=say("|cos| of new and old directions, first seed"),
                values=record.cosines,
                x_labels=tuple(str(i) for i in range(1, record.cosines.shape[2] + 1)),
                y_labels=tuple(str(j) for j in range(1, record.cosines.shape[1] + 1)),
                x_title=say("old direction i of W₀"),
                y_title=say("new direction j"),
                limits=(0.0, 1.0),
                span=5,
            ),
            Curves(
                title=say("Singular values, first seed"),
                x=x,
                x_label=say("index"),
                y_label="σ",
                row=1,
                span=5,
                series=(
                    Curve(name="W₀", colour="W", y=record.before, dash="dash"),
                    Curve(name="W₀ + θuvᵀ", colour="delta", y=record.sigma, dots=True),
                ),
            ),
            Readout(
                title=say("Counted over {seeds} seeds: median (range)", seeds=record.seeds),
                row=1,
                span=7,
                rows=(
                    Row(
                        label=say("intruders of {top}, ε = {epsilon}", top=TOP, epsilon=number(record.epsilon)),
                        text=tuple(_whole(record.intruding[:, t]) for t in range(len(flat))),
                        colour="delta",
                    ),
                    Row(
                        label=say("a random direction's largest |cos|"),
                        text=(f"{_span(record.random)}; √(2 ln d/d) = {number(record.baseline)}",),
                        colour="W",
                    ),
                    Row(
                        label=say("length of y nearest u inside the span of all x_i"),
                        text=tuple(_span(record.inside[:, t]) for t in range(len(flat))),
                    ),
                ),
            ),
        ),
    )


def _span(found: Float[np.ndarray, "3"]) -> str:
    return _ranged(*(f"{x:.2f}" for x in found))


def _whole(found: Float[np.ndarray, "3"]) -> str:
    return _ranged(*(f"{x:g}" for x in found))


def _ranged(low: str, median: str, high: str) -> str:
    return say("{median} ({low} to {high})", median=median, low=low, high=high)


def _first(record: Intruders) -> int | None:
    """At which size has the median seed its first intruder, and keeps one from there on?"""
    clean = np.flatnonzero(record.intruding[1] < 1)
    after = int(clean[-1]) + 1 if len(clean) else 0
    return after if after < len(record.sizes) else None


def _narrate(record: Intruders, t: int) -> str:
    count = record.intruding[1, t]
    return say(
        "θ = {size} σ₁: the least similar of the top {top} has |cos| {closest:.2f} to its nearest old direction, "
        "{along:.2f} to the spike; {intruders}.",
        size=number(float(record.sizes[t])),
        top=TOP,
        closest=record.closest[1, t],
        along=record.along[1, t],
        intruders=say("1 intruder") if count == 1 else say("{count} intruders", count=f"{count:g}"),
    )


def takeaway(record: Intruders) -> str:
    """What was seen, in the run's own numbers."""
    first, last = _first(record), len(record.sizes) - 1
    what = say(
        "d = {d}, {seeds} seeds, W₀ {kind}, ε = {epsilon}",
        d=record.d,
        seeds=record.seeds,
        kind=say(CALLED[record.kind]),
        epsilon=number(record.epsilon),
    )
    if record.baseline > record.epsilon:
        return say(
            "In this experiment ({what}) even a random direction has |cos| {baseline} to its nearest "
            "old one, above ε: at this size the test finds next to nothing. Take a wider layer or a larger ε.",
            what=what,
            baseline=number(record.baseline),
        )
    if first is None:
        said = [
            say(
                "In this experiment ({what}) no size up to {size} σ₁ left a lasting intruder.",
                what=what,
                size=number(float(record.sizes[-1])),
            )
        ]
    elif first == 0:
        said = [say("In this experiment ({what}) W₀ itself counts as intruded: ε is above every |cos|.", what=what)]
    else:
        said = [
            say(
                "In this experiment ({what}) the median seed had no lasting intruder up to θ = {before} σ₁ and had one "
                "from {first} σ₁ on; at {last} σ₁ it was {intruding}.",
                what=what,
                before=number(float(record.sizes[first - 1])),
                first=number(float(record.sizes[first])),
                last=number(float(record.sizes[-1])),
                intruding=_whole(record.intruding[:, last]),
            )
        ]
        early = int(np.flatnonzero(record.intruding[1] >= 1)[0])
        if early < first:
            said.append(
                say(
                    "It came and went before, first at {size} σ₁: where θ meets one of W₀'s own σ, the two mix.",
                    size=number(float(record.sizes[early])),
                )
            )
    said.append(
        say(
            "It is like no single old direction: |cos| {closest}, and a random one reaches "
            "{random}. An intruder is not outside the old span: W₀ has full rank, and "
            "{inside} of its length lies inside.",
            closest=_span(record.closest[:, last]),
            random=_span(record.random),
            inside=number(float(record.inside[1, last])),
        )
    )
    return " ".join(said)


def table(record: Intruders) -> dict[str, np.ndarray]:
    """One row a size."""
    columns: dict[str, np.ndarray] = {"theta_over_sigma_1": record.sizes}
    for name, found in (("closest", record.closest), ("intruders", record.intruding), ("cos_spike", record.along)):
        for end, values in zip(("low", "median", "high"), found, strict=True):
            columns[f"{name}_{end}"] = values
    columns["random_baseline"] = np.full(len(record.sizes), record.baseline)
    return columns


def plot_intruders(record: Intruders, *, theme: str = "light") -> go.Figure:
    """The least similar direction against the spike's size, with the random baseline."""
    flat = np.ones_like(record.sizes)
    return still_curves(
        [
            Drawn(
                say("least similar of the top {top}", top=TOP),
                "delta",
                record.sizes,
                record.closest[1],
                low=record.closest[0],
                high=record.closest[2],
            ),
            Drawn("|cos(y, u)|", "clean", record.sizes, record.along[1]),
            Drawn("ε", "alarm", record.sizes, record.epsilon * flat, "dash"),
            Drawn(say("random direction, √(2 ln d/d)"), "W", record.sizes, record.baseline * flat, "dot"),
        ],
        title=say("New against old directions, d = {d}", d=record.d),
        x="θ/σ₁(W₀)",
        y="|cos|",
        theme=theme,
    )
