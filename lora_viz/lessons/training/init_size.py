"""The scale of an initialisation: entries of B A against rank when both are random, and A's variance as libraries "
"draw it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.run import StartSizes
from lora_viz.core.seeds import log_slope, spread
from lora_viz.export.scripts.script import Scripts
from lora_viz.export.scripts.starts import start_sizes_script
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Dash, Lines, Readout, Row, Series, band
from lora_viz.film.style import LETTERS, amount, number, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.start_sizes import start_sizes
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["PART", "RANKS", "STARTS", "InitVariance", "init_variance"]

RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
# start of A -> its name, who uses it, its dash
STARTS: dict[str, tuple[str, str, Dash]] = {
    "B_zero": (to_say("Kaiming"), to_say("PEFT, loralib"), "solid"),
    "gaussian": (to_say("std 1/r"), to_say("PEFT “gaussian”"), "dash"),
    "variance_1_over_r": ("N(0, 1/r)", to_say("textbooks, no library"), "dot"),
    "kaiming_variance": ("N(0, 2/d)", to_say("textbooks, for ReLU"), "dashdot"),
}
# rule -> its name, the power of r that it multiplies by, its colour, its dash
RULES: dict[str, tuple[str, float, str, Dash]] = {
    "one": ("s = 1", 0.0, "delta", "solid"),
    "over_root_r": ("1/√r", -0.5, "ink", "dash"),
    "over_r": ("1/r", -1.0, "W", "dot"),
}
BINS = 61
NEAR = 0.2  # relative: a measured variance that is the formula's
LEVEL = 0.1  # a slope on log axes that is none


class InitVariance(NamedTuple):
    """(low, median, high) over the seeds: rms of s·BA per rule S, Var(A) and E‖Ax‖²/E‖x‖² per start I.

    ``density`` is the histogram of the entries of BA over ``bins`` (their middles), NaN where a bin is empty;
    ``normal`` the density of N(0, r·σ⁴). ``rms_slope`` are least-squares slopes of the median, log–log.
    ``expected`` is Var(A) by rule.
    """

    ranks: Int[np.ndarray, "R"]
    bins: Float[np.ndarray, "b"]
    density: Float[np.ndarray, "R b"]
    normal: Float[np.ndarray, "R b"]
    rms: Float[np.ndarray, "3 S R"]
    rms_slope: Float[np.ndarray, "S"]
    variance: Float[np.ndarray, "3 I R"]
    expected: Float[np.ndarray, "I R"]
    output: Float[np.ndarray, "3 I R"]
    inits: tuple[str, ...]
    sigma: float
    d_in: int
    seeds: int


def init_variance(sizes: StartSizes, d_in: int) -> InitVariance:
    """Read the sizes of the starts of a layer of ``d_in`` inputs."""
    r = sizes.ranks.astype(float)
    wide = 3.2 * np.sqrt(r[-1]) * sizes.sigma**2
    edges = np.linspace(-wide, wide, BINS + 1)
    middle = 0.5 * (edges[1:] + edges[:-1])
    counts = np.stack([np.histogram(entries, edges)[0] for entries in sizes.entries])
    density = counts / (sizes.entries.shape[1] * (edges[1] - edges[0]))
    std = np.sqrt(r)[:, None] * sizes.sigma**2
    normal = np.exp(-0.5 * (middle / std) ** 2) / (std * np.sqrt(2 * np.pi))
    rms = spread(np.stack([sizes.rms * r[:, None] ** power for _, power, _, _ in RULES.values()]), axis=-1)
    laws = {
        "B_zero": 1 / (3 * d_in) + 0 * r,
        "gaussian": r**-2,
        "variance_1_over_r": 1 / r,
        "kaiming_variance": 2 / d_in + 0 * r,
    }
    return InitVariance(
        ranks=sizes.ranks, bins=middle, density=np.where(counts > 0, density, np.nan),
        normal=np.where(normal >= density[counts > 0].min() / 3, normal, np.nan),
        rms=rms, rms_slope=np.array([log_slope(r, x) for x in rms[1]]), variance=spread(sizes.variance, axis=-1),
        expected=np.stack([laws[name] for name in sizes.inits]), output=spread(sizes.output, axis=-1),
        inits=sizes.inits, sigma=sizes.sigma, d_in=d_in, seeds=sizes.rms.shape[-1],
    )  # fmt: skip


def film(record: InitVariance) -> Film:
    """The playhead runs over the ranks: the histogram widens, the sizes follow their powers of r."""
    own = record.inits

    def starts(values: Float[np.ndarray, "3 I R"]) -> tuple[Series, ...]:
        return tuple(
            Series(n.lower(), say(STARTS[n][0]), "A", dash=STARTS[n][2], **band(values[:, i]))
            for i, n in enumerate(own)
        )

    return Film(
        axis=to_say("rank"), of_last=True, values=record.ranks.astype(float), start=len(record.ranks) // 2,
        seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t) for t in range(len(record.ranks))),
        panels=(
            Curves(
                "entries", say("Entries of B A, both factors random"), x=record.bins, x_label=say("value of an entry"),
                y_label=say("density, log"), scale="log",
                series=(
                    Curve("measured", say("measured"), "delta", record.density),
                    Curve("normal", "N(0, r·σ⁴)", "ink", record.normal, dash="dash"),
                ),
            ),
            Lines(
                "rms", say("Root mean square of s·BA (drag here)"), y_label=say("rms, log"), scale="log", x_scale="log",
                series=tuple(
                    Series(
                        rule,
                        say("{rule} (slope {slope})", rule=name, slope=number(round(float(record.rms_slope[k]), 2))),
                        colour, dash=dash, **band(record.rms[:, k]),
                    )
                    for k, (rule, (name, _, colour, dash)) in enumerate(RULES.items())
                ),
            ),
            Lines(
                "variance", say("Variance of A's entries"), y_label=say("Var(A), log"), scale="log", x_scale="log",
                series=starts(record.variance), row=1, span=4,
            ),
            Lines(
                "output", say("What h = A x keeps of ‖x‖²"), y_label=say("E‖Ax‖²/E‖x‖², log"), scale="log",
                x_scale="log", series=starts(record.output), row=1, span=4,
            ),
            Readout(
                "variance_by_rule", say("Var(A): measured, by rule"),
                tuple(
                    Row(
                        name.lower(), f"{say(STARTS[name][0])}: {say(STARTS[name][1])}",
                        tuple(
                            f"{number(v)} | {number(x)}"
                            for v, x in zip(record.variance[1, i], record.expected[i], strict=True)
                        ),
                        colour="A",
                    )
                    for i, name in enumerate(own)
                ),
                row=1, span=4,
            ),
        ),
    )  # fmt: skip


def _narrate(record: InitVariance, t: int) -> str:
    r = int(record.ranks[t])
    found, law = float(record.rms[1, 0, t]) ** 2, r * record.sigma**4
    return say(
        "Rank {rank}: the entries of BA have variance {found}; r·σ⁴ is {law}.",
        rank=r, found=number(found), law=number(law),
    )  # fmt: skip


@sentences
def takeaway(record: InitVariance) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    low, middle, high = _against_formula(record)[:, -1]
    yield say(
        "At rank {rank}, the variance of BA's entries is {middle} times r·σ⁴ ({low} to {high}, {seeds} seeds).",
        rank=record.ranks[-1], middle=amount(middle), low=number(low), high=number(high), seeds=record.seeds,
    )  # fmt: skip
    slopes = [number(round(float(x), 2)) for x in record.rms_slope]
    yield say(
        "The rms of s·BA scales as r^{one} with s = 1, r^{root} with 1/√r and r^{over} with 1/r.",
        one=slopes[0], root=slopes[1], over=slopes[2],
    )  # fmt: skip


def _against_formula(record: InitVariance) -> Float[np.ndarray, "3 R"]:
    """The measured variance of BA's entries, relative to r·σ⁴."""
    return np.asarray(record.rms[:, 0] ** 2 / (record.ranks * record.sigma**4))


def detail(record: InitVariance) -> str:
    """What the libraries' default does."""
    used = record.inits.index("B_zero")
    change = float(record.output[1, used, -1] / record.output[1, used, 0])
    return say(
        "With B = 0 there is nothing to correct. LoRA's default keeps Var(A) at {variance} at every rank, so ‖Ax‖² "
        "grows {change}-fold from rank {first} to rank {rank}.",
        variance=number(record.variance[1, used, -1]), change=number(change), first=record.ranks[0],
        rank=record.ranks[-1],
    )  # fmt: skip


def verdict(record: InitVariance) -> Verdict:
    """The variance is the formula's at every rank, level over √r, and falls over r."""
    middle = _against_formula(record)[1]
    worst = float(middle[np.argmax(np.abs(np.log(middle)))])
    one, root, over = (float(x) for x in record.rms_slope)
    evidence = {"worst": worst, "slope_one": one, "slope_root": root, "slope_over": over}
    if abs(worst - 1) > NEAR:
        return false_here(say("at one rank the variance is {worst} times r·σ⁴", worst=amount(worst)), **evidence)
    told = say(
        "the variance is within {off} of r·σ⁴ at every rank, and the rms scales as r^{root} with 1/√r and r^{over} "
        "with 1/r",
        off=percent(abs(worst - 1)), root=number(round(root, 2)), over=number(round(over, 2)),
    )  # fmt: skip
    return true_here(told, **evidence) if abs(root) < LEVEL and over < -LEVEL else false_here(told, **evidence)


def maths(record: InitVariance) -> str:
    """The variance of a product's entries, and what the libraries draw."""
    used = record.inits.index("B_zero")
    return say(
        r"""
$$
\mathbb E\,({B}{A})_{{ij}}^2 = \sum_{{l=1}}^r \mathbb E\,{B}_{{il}}^2\;\mathbb E\,{A}_{{lj}}^2 = r\,\sigma^4, \qquad
\mathbb E\,\|{A}x\|^2 = r\,\mathrm{{Var}}({A})\,\|x\|^2
$$

$\mathrm{{Var}}({A}) = 1/r$ would keep $\|{A}x\|^2$ at $\|x\|^2$ for any rank; textbooks call it the standard
initialisation, and no library uses it. PEFT and loralib draw kaiming_uniform(a=√5), which is $\mathcal U(\pm
1/\sqrt{{d}})$ of variance $1/(3d)$ (here {variance}, $1/(3d) = {law}$): a row
keeps {kept} of the mean square, not 1, at any rank. PEFT's "gaussian"
has standard deviation $1/r$, so variance $1/r^2$. A gain of 2, $\mathcal N(0, 2/d)$, is what He et al. (2015) derived
for ReLU: {relu} here. LoRA's default has ${B} = 0$, so the product is 0 for any variance. What the variance decides
is the first gradient.""",
        **LETTERS, variance=number(record.variance[1, used, -1]), law=number(1 / (3 * record.d_in)),
        kept=number(record.d_in * float(record.variance[1, used, -1])),
        relu=number(record.d_in * float(record.variance[1, -1, -1])),
    )  # fmt: skip


def _sizes(settings: Settings, lab: Lab) -> StartSizes:
    sigma = float(settings["sigma"])
    return lab.compute(start_sizes, settings.experiment, ranks=RANKS, inits=tuple(STARTS), sigma=sigma)


def measure(settings: Settings, lab: Lab) -> InitVariance:
    """Draw every start at every rank, eight times."""
    return init_variance(_sizes(settings, lab), settings.experiment.d_in)


def scripts(record: InitVariance, settings: Settings, lab: Lab) -> Scripts:
    """The scripts that draw these starts again."""
    script = partial(start_sizes_script, _sizes(settings, lab), settings.experiment)
    return Scripts(script, {say("How A starts"): record.inits})


def _half_the_sigma(e: Experiment, settings: tuple[tuple[str, str], ...]) -> tuple[float, float]:
    sigma = float(dict(settings).get("sigma", 0.5))
    sizes = (start_sizes(e, ranks=(8,), inits=("B_zero",), sigma=x) for x in (sigma, sigma / 2))
    whole, half = (float(np.median(size.rms**2)) for size in sizes)
    return whole, half


def _ask(_: Seen, found: Any) -> Measured:
    whole, half = found
    told = say(
        "At rank 8 their variance went from {whole} to {half}, median of 8 seeds.", whole=word(whole), half=word(half)
    )
    return Measured(half / whole, (1 / 2, 1 / 4, 1 / 8), told)


PART = Lesson(
    id="init_size", menu=to_say("Both factors random"), title=to_say("Initialisation: how large should both factors "
                                                                     "be?"),
    claim=to_say(
        "If both factors are random, the entries of BA have variance r·σ⁴. Dividing by √r removes this growth; "
        "dividing "
        "by r makes them shrink."
    ),
    place=20,
    default=Experiment(d_in=64, d_out=64, samples=128, rank=1),
    controls=(
        CONTROLS["sigma"],
        replace(CONTROLS["d_in"].only(64, 128), help=to_say("The ranks shown go up to 64.")),
        CONTROLS["condition"],
    ),
    measure=measure, film=film, hero="rms", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="rms", exports=scripts,
    question=Question(
        to_say("Halve σ in both factors. By what factor does the variance of BA's entries change?"),
        to_say("The variance is r·σ⁴: σ² for each of the two factors."), _ask, _half_the_sigma,
    ),
)  # fmt: skip
