"""A random or B random: the best loss over learning rates against the layer's width, for three initialisations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Dash, Lines, Readout, Row, Series, band
from lora_viz.film.spreads import spread_columns
from lora_viz.film.style import LETTERS, amount, number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["PART", "STARTS", "WIDTHS", "InitAB", "ab_sweeps", "init_ab"]

WIDTHS = (16, 32, 64, 128)
TWOFOLD = 2.0  # losses that differ by more are told apart
WIDER = 1.1  # a ratio that has grown by more has grown
STARTS: dict[str, tuple[str, str, Dash]] = {
    "B_zero": (to_say("A random"), "A", "solid"),
    "A_zero": (to_say("B random"), "B", "solid"),
    "A_zero_small": (to_say("B random, A's scale"), "B", "dot"),
}


class InitAB(NamedTuple):
    """L/L₀ at the recorded steps T, per width D, start S and rate K: (low, median, high) over the seeds.

    ``best`` is the rate with the least median at each step, ``at_best`` the losses there. ``stable`` is the place of
    the highest rate that lowered the loss in every seed by the last step, −1 if none did; ``std`` the standard
    deviation of the entries of the factor that is not 0.
    """

    steps: Int[np.ndarray, "T"]
    widths: Int[np.ndarray, "D"]
    rates: Float[np.ndarray, "K"]
    loss: Float[np.ndarray, "3 T D S K"]
    best: Int[np.ndarray, "T D S"]
    at_best: Float[np.ndarray, "3 T D S"]
    stable: Int[np.ndarray, "D S"]
    std: Float[np.ndarray, "D S"]
    inits: tuple[str, ...]
    optimizer: str
    rank: int
    seeds: int


def _rates(e: Experiment) -> tuple[float, ...]:
    low, high, count = (5e-5, 0.03, 8) if e.optimizer == "sgd" else (3e-3, 0.1, 7)
    return tuple(float(f"{x:.2g}") for x in np.geomspace(low, high, count))


def ab_sweeps(e: Experiment, widths: tuple[int, ...] = WIDTHS, seeds: int = 8) -> tuple[Sweep, ...]:
    """One sweep a width, square layers: every start at every rate with every seed."""
    return tuple(
        Sweep.over(
            replace(e, d_in=d, d_out=d, samples=2 * d, init="B_zero"), init=tuple(STARTS), lr=_rates(e),
            init_seed=range(e.init_seed, e.init_seed + seeds),
        )
        for d in widths
    )  # fmt: skip


def init_ab(runs: tuple[Run, ...]) -> InitAB:
    """Read the runs of ``ab_sweeps``, one a width."""
    e = runs[0].experiment
    inits, rates = tuple(STARTS), np.array(sorted({x.lr for x in runs[0].sweep.experiments}))
    all_losses, std = [], np.empty((len(runs), len(inits)))
    for d, run in enumerate(runs):
        start = float(np.nanmin(run.loss[0])) or 1.0
        all_losses.append(run.loss.reshape(len(run.steps), len(inits), len(rates), -1) / start)
        seeds = all_losses[-1].shape[-1]
        for s in range(len(inits)):
            first = s * len(rates) * seeds
            std[d, s] = max(float(run.A[first][0].std()), float(run.B[first][0].std()))
    losses = np.stack(all_losses, axis=1)
    loss = spread(losses, axis=-1)
    best = np.argmin(np.where(np.isfinite(loss[1]), loss[1], np.inf), axis=-1)
    lowered = np.max(np.where(np.isfinite(losses[-1]), losses[-1], np.inf), axis=-1) < 1
    return InitAB(
        steps=runs[0].steps, widths=np.array([run.experiment.d_in for run in runs]), rates=rates, loss=loss, best=best,
        at_best=np.take_along_axis(loss, best[None, ..., None], axis=-1)[..., 0],
        stable=np.where(lowered.any(axis=-1), len(rates) - 1 - np.argmax(lowered[..., ::-1], axis=-1), -1),
        std=std, inits=inits, optimizer=e.optimizer, rank=e.rank, seeds=losses.shape[-1],
    )  # fmt: skip


def film(record: InitAB) -> Film:
    """The playhead runs over the steps: best loss against width, loss against rate at the widest, over the steps."""
    d = int(record.widths[-1])

    def curve(s: int, name: str, values: Float[np.ndarray, "3 T k"]) -> Curve:
        label, colour, dash = STARTS[name]
        return Curve(name.lower(), say(label), colour, dash=dash, **band(values), dots=True)

    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=0.3,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Curves(
                "loss_by_width", say("Loss at the best learning rate tried, by width"),
                x=record.widths.astype(float), x_label=say("width d"),
                y_label=say("loss / initial loss, log; median and range of {seeds}", seeds=record.seeds),
                scale="log", x_scale="log",
                series=tuple(curve(s, name, record.at_best[:, :, :, s]) for s, name in enumerate(record.inits)),
            ),
            Curves(
                "loss_by_rate", say("Loss by learning rate at d = {d}", d=d), x=record.rates,
                x_label=say("learning rate η"), y_label=say("loss / initial loss, log"), scale="log", x_scale="log",
                series=tuple(curve(s, name, _calm(record.loss[:, :, -1, s])) for s, name in enumerate(record.inits)),
            ),
            Lines(
                "loss", say("Loss over the steps at d = {d}, best rate at the end", d=d),
                y_label=say("loss / initial loss, log"), scale="log", row=1, span=7,
                series=tuple(
                    Series(
                        name.lower(), say(STARTS[name][0]), STARTS[name][1],
                        record.loss[1, :, -1, s, record.best[-1, -1, s]], dash=STARTS[name][2],
                    )
                    for s, name in enumerate(record.inits)
                ),
            ),
            Readout(
                "starts", say("At d = {d}: initial std, best η", d=d),
                tuple(
                    Row(
                        name.lower(), say(STARTS[name][0]),
                        tuple(
                            f"±{number(record.std[-1, s])} | {number(record.rates[b])}"
                            for b in record.best[:, -1, s]
                        ),
                        colour=STARTS[name][1],
                    )
                    for s, name in enumerate(record.inits)
                ),
                row=1, span=5,
            ),
        ),
    )  # fmt: skip


def _calm(loss: Float[np.ndarray, "3 T K"]) -> Float[np.ndarray, "3 T K"]:
    """What has grown a hundredfold is on its way out: it would flatten the rest of the picture."""
    return np.where(loss[2] <= 100, loss, np.nan)


def _narrate(record: InitAB, t: int) -> str:
    a, b, small = (number(record.at_best[1, t, -1, s]) for s in range(3))
    return say(
        "Step {step}, d = {width}, remaining loss: A random {a}, B random {b}, B at A's scale {small}.",
        step=record.steps[t], width=record.widths[-1], a=a, b=b, small=small,
    )  # fmt: skip


def _ends(record: InitAB) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """What A random, B random and B random at A's scale leave at the last step: in the narrowest and widest layer."""
    order = [record.inits.index(init) for init in ("B_zero", "A_zero", "A_zero_small")]
    first, last = (np.where(np.isfinite(x), x, np.inf) for x in (record.at_best[1, -1, 0], record.at_best[1, -1, -1]))
    return first[order], last[order]


@sentences
def takeaway(record: InitAB) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    first, last = _ends(record)
    yield say(
        "At the best rates tried, B random leaves {wide} of the loss at d = {width} and {narrow} at d = {thin}.",
        wide=_left(last[1]), width=record.widths[-1], narrow=_left(first[1]), thin=record.widths[0],
    )  # fmt: skip
    yield say(
        "A random leaves {wide} at d = {width}, B random at A's scale {small}.",
        wide=_left(last[0]), width=record.widths[-1], small=_left(last[2]),
    )  # fmt: skip


@sentences
def detail(record: InitAB) -> Iterator[str]:
    """Which spread there is, and whether a best rate is only the last one that was tried."""
    yield say(
        "Medians of {seeds} seeds after {steps} steps with {rule}; B random ranges from {least} to {most} at "
        "d = {width}.",
        seeds=record.seeds, steps=record.steps[-1], rule={"sgd": "SGD", "adam": "Adam"}[record.optimizer],
        least=_left(record.at_best[0, -1, -1, 1]), most=_left(record.at_best[2, -1, -1, 1]), width=record.widths[-1],
    )  # fmt: skip
    at_an_end = np.isin(record.best[-1], (0, len(record.rates) - 1)).sum()
    if at_an_end:
        yield say(
            "{ends} of the {all} best rates are the lowest or the highest one tried, so a better rate may lie beyond.",
            ends=int(at_an_end), all=record.best[-1].size,
        ) if at_an_end > 1 else say(
            "1 of the {all} best rates is the lowest or the highest one tried, so a better rate may lie beyond.",
            all=record.best[-1].size,
        )  # fmt: skip


def verdict(record: InitAB) -> Verdict:
    """B random falls behind A random as the layer widens; at A's scale it keeps up."""
    first, last = _ends(record)
    with np.errstate(invalid="ignore"):
        near, far, small = first[1] / first[0], last[1] / last[0], last[2] / last[0]
    evidence = {"narrow": float(near), "wide": float(far), "at_A_scale": float(small)}
    if not np.isfinite([*first, *last]).all() or not (first.all() and last.all()):
        return undecided(say("an initialisation diverged at every rate tried"), **evidence)
    if far <= TWOFOLD or far <= WIDER * near:
        return false_here(
            say("B random leaves {far} times the loss that A random leaves at d = {wide}, {near} times at d = {narrow}",
                far=amount(far), wide=record.widths[-1], near=amount(near), narrow=record.widths[0]),
            **evidence,
        )  # fmt: skip
    told = say(
        "at d = {wide} B random leaves {far} times the loss that A random leaves, and at A's scale {small} times",
        wide=record.widths[-1], far=amount(far), small=amount(small),
    )  # fmt: skip
    return true_here(told, **evidence) if 1 / TWOFOLD <= small <= TWOFOLD else false_here(told, **evidence)


def _left(share: float) -> str:
    return number(share) if np.isfinite(share) else say("— (it diverged)")


def table(record: InitAB) -> dict[str, np.ndarray]:
    """The record's last step, as columns."""
    columns = {"d": record.widths}
    for s, name in enumerate(record.inits):
        columns |= spread_columns(f"loss_{name}", record.at_best[:, -1, :, s])
        columns |= {f"best_lr_{name}": record.rates[record.best[-1, :, s]]}
    return columns


def maths(record: InitAB) -> str:
    """How large each start is, and the highest rate that it stood."""
    stable = [number(record.rates[k]) if k >= 0 else say("none") for k in record.stable[-1]]
    return say(
        r"""
$$
\text{{A random: }} {A} \sim \mathcal U(\pm 1/\sqrt{{d}}),\ {B} = 0 \qquad
\text{{B random: }} {A} = 0,\ {B} \sim \mathcal U(\pm 1/\sqrt{{r}}) \qquad
\text{{at A's scale: }} {A} = 0,\ {B} \sim \mathcal U(\pm 1/\sqrt{{d}})
$$

Hayou, Ghosh and Yu (2024, “The impact of initialization on LoRA finetuning dynamics”) found that A random allows
larger learning rates and learns better than B random. The usual rule divides by the number of inputs of a matrix:
${A}$ has $d$ of them, ${B}$ only $r$. So at $d = {d}$, $r = {rank}$ the entries of a random
${B}$ are {ratio} times those of a random ${A}$, and the ratio grows as
$\sqrt{{d/r}}$. For a square layer with isotropic inputs the problem is its own transpose, so there ${B}$ at ${A}$'s
scale must train as ${A}$ does. Ill-conditioned inputs break that symmetry.
The highest rate of the grid that lowered the loss in every seed
at $d = {d}$: A random {stable_A}, B random {stable_B}, B random at A's scale {stable_small}.

For each initialisation and width the best of {rates} learning rates is taken; losses are relative to the initial
loss.""",
        **LETTERS, d=record.widths[-1], rank=record.rank, ratio=amount(record.std[-1, 1] / record.std[-1, 0]),
        stable_A=stable[0], stable_B=stable[1], stable_small=stable[2], rates=len(record.rates),
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> InitAB:
    """Train every start at every rate, one width after another."""
    return init_ab(tuple(lab.train_each(ab_sweeps(settings.experiment), settings.device, records=11)))


def _ask(seen: Seen, _: Any) -> Measured:
    a, b = (shown(seen.film, "loss_by_width", start)[-1] for start in ("b_zero", "a_zero"))
    near, far = float(b[0] / a[0]), float(b[-1] / a[-1])
    narrow, wide = WIDTHS[0], WIDTHS[-1]
    told = say(
        "At d = {narrow}, a random B left {near} times as much loss as a random A.", narrow=narrow, near=amount(near)
    )
    about = {"wide": wide, "narrow": narrow, "far": word(far)}
    return Measured(near, (far, far * narrow / wide, 1 / far), told, about)


PART = Lesson(
    id="init_ab", menu=to_say("A random or B random"), title=to_say("Initialisation: should A or B be random?"),
    claim=to_say(
        "With B random at its usual scale, training gets worse in wider layers. With B at A's scale it does not, so "
        "the "
        "scale matters."
    ),
    place=40,
    default=Experiment(
        target_rank=4, spectrum="flat", rank=4, alpha=64.0, optimizer="adam", steps=30, d_in=128, d_out=128,
    ),
    controls=(
        CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["condition"].only(1.0, 10.0, 100.0), CONTROLS["spectrum"],
        CONTROLS["steps"].only(10, 30, 60),
    ),
    measure=measure, film=film,
    hero="loss_by_width", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="loss_by_width",
    table=table,
    exports=lambda record, settings, lab: ab_sweeps(settings.experiment),
    question=Question(
        to_say(
            "At d = {wide}, B random leaves {far} times the loss that A random leaves. By what factor do they differ "
            "at "
            "d = {narrow}?"
        ),
        to_say("The scale of B depends on the rank, not on the width, so a random B is large in a wide layer."),
        _ask,
    ),
)  # fmt: skip
