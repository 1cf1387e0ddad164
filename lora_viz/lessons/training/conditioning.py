"""Steps to a relative loss of 10⁻⁸ against the condition number κ, for GD, Adam and scaled GD."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import first_below, spread
from lora_viz.engine.training import train
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Curve, Curves, Group, Lines, Readout, Row, Series, band
from lora_viz.film.spreads import ranged, spread_columns
from lora_viz.film.still import DASHES
from lora_viz.film.style import LETTERS, number
from lora_viz.i18n.language import listed, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences, step_or_never
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "Conditioning", "conditioning", "stretched_sweeps"]

RECORDS = 121
GOAL = 1e-8
UNAFFECTED = 1.3  # times as many steps at the largest κ as at the smallest
NOISE = 0.98  # of the steps at the κ before: fewer is a fall
KAPPA = (1.0, 3.0, 10.0, 30.0, 100.0)
RATES = {"sgd": (0.05, 0.2), "adam": (0.01, 0.03), "scaled_gd": (0.3, 0.7)}
NAMES = {"sgd": "GD", "adam": "Adam", "scaled_gd": to_say("scaled GD")}
COLOURS = {"sgd": "ink", "adam": "faint", "scaled_gd": "ink"}


class Conditioning(NamedTuple):
    """Steps to 10⁻⁸ of the first loss at condition numbers ``kappa``, each rule at its best lr of those tried.

    ``needed`` is (low, median, high; rule, κ) over the seeds, infinite where a run did not arrive; ``lr`` the best of
    ``tried`` (most seeds arrive, then soonest); ``loss`` the relative loss of the first seed at that lr. ``shape`` are
    the singular values that are stretched, the target's or the inputs' standard deviations.
    """

    kappa: Float[np.ndarray, "K"]
    rules: tuple[str, ...]
    needed: Float[np.ndarray, "3 R K"]
    lr: Float[np.ndarray, "R K"]
    tried: tuple[tuple[float, ...], ...]
    steps: Int[np.ndarray, "T"]
    loss: Float[np.ndarray, "R K T"]
    shape: Float[np.ndarray, "K k"]
    stretched: str
    rank: int
    true_rank: int
    seeds: int


def stretched_sweeps(e: Experiment, stretched: str = "target") -> tuple[Sweep, ...]:
    """One sweep a condition number, of the target or of the inputs: every rule at its rates, with eight starts."""
    of_target = stretched == "target"
    tasks = [replace(e, target_condition=k if of_target else 1.0, condition=1.0 if of_target else k) for k in KAPPA]
    tried = [(rule, lr, seed) for rule, rates in RATES.items() for lr in rates for seed in range(8)]
    return tuple(
        Sweep(tuple(replace(task, optimizer=rule, lr=lr, init_seed=seed) for rule, lr, seed in tried)) for task in tasks
    )


def conditioning(runs: Iterable[Run], *, stretched: str = "target") -> Conditioning:
    """One run a condition number, each a sweep over optimizer, lr and init_seed on a target without noise."""
    kappa, needed, best, curves, shape = [], [], [], [], []
    for run in runs:
        e = run.experiment
        kappa.append(e.target_condition if stretched == "target" else e.condition)
        relative = run.loss / run.loss[0]
        arrived = first_below(run.steps.astype(float), relative, np.full(len(run.sweep), GOAL))
        rules = tuple(dict.fromkeys(x.optimizer for x in run.sweep.experiments))
        of_rule = []
        for rule in rules:
            lrs = sorted({x.lr for x in run.sweep.experiments if x.optimizer == rule})
            members = [
                [i for i, x in enumerate(run.sweep.experiments) if (x.optimizer, x.lr) == (rule, lr)] for lr in lrs
            ]
            order = [_merit(arrived[own], relative[-1, own]) for own in members]
            at = order.index(min(order))
            of_rule.append((spread(arrived[members[at]], axis=0), lrs[at], relative[:, members[at][0]], tuple(lrs)))
        needed.append([x[0] for x in of_rule])
        best.append([x[1] for x in of_rule])
        curves.append([x[2] for x in of_rule])
        values = np.linalg.svd(run.task.target_delta, compute_uv=False)[: max(e.true_rank, 1)]
        if stretched != "target":
            values = np.sqrt(np.linalg.eigvalsh(run.task.input_covariance)[::-1].clip(0))
        shape.append(values)
    return Conditioning(
        kappa=np.array(kappa), rules=rules, needed=np.array(needed).transpose(2, 1, 0), lr=np.array(best).T,
        tried=tuple(x[3] for x in of_rule), steps=run.steps, loss=np.array(curves).transpose(1, 0, 2),
        shape=np.stack(shape), stretched=stretched, rank=e.rank, true_rank=e.true_rank,
        seeds=len({x.init_seed for x in run.sweep.experiments}),
    )  # fmt: skip


def _merit(arrived: Float[np.ndarray, "S"], last: Float[np.ndarray, "S"]) -> tuple[int, float, float]:
    """Fewer that never arrive, then an earlier median, then a lower end: the least is the best."""
    late = np.isinf(arrived)
    return int(late.sum()), float(spread(arrived, axis=0)[1]), float(np.median(np.nan_to_num(last, nan=np.inf)))


def film(record: Conditioning) -> Film:
    """The playhead runs over κ: steps needed, the losses of the three rules at it, and what is stretched."""
    whole, of_target = np.isfinite(record.needed).all(axis=0), record.stretched == "target"
    return Film(
        axis="κ", of_last=True, values=record.kappa, start=min(2, len(record.kappa) - 1), seconds_per_frame=0.8,
        narration=tuple(_narrate(record, t) for t in range(len(record.kappa))),
        panels=(
            Lines(
                "steps",
                say("Steps to 10⁻⁸ of the initial loss, median of {seeds} seeds", seeds=record.seeds),
                y_label=say("steps, log; ends where a seed fails"), scale="log", x_scale="log", span=6,
                series=tuple(
                    Series(
                        rule, f"{_name(rule)}:", COLOURS.get(rule, "ink"),
                        **band(np.where(whole[i], record.needed[:, i], np.nan)), dots=True, dash=DASHES[i % 4],
                    )
                    for i, rule in enumerate(record.rules)
                ),
            ),
            Curves(
                "loss", say("Loss at this κ, each rule at the better η"), x=record.steps.astype(float),
                x_label=say("step"), y_label=say("loss / initial loss, log"), scale="log", x_scale="sqrt", span=6,
                series=tuple(
                    Curve(
                        rule, _name(rule), COLOURS.get(rule, "ink"),
                        np.where(record.loss[i] > 1e-14, record.loss[i], np.nan), dash=DASHES[i % 4],
                    )
                    for i, rule in enumerate(record.rules)
                ),
            ),
            Bars(
                "stretched",
                say("Target's singular values") if of_target else say("Inputs' standard deviations"),
                labels=tuple(str(i + 1) for i in range(record.shape.shape[1])),
                bar_ids=tuple(f"sigma_{i + 1}" for i in range(record.shape.shape[1])),
                groups=(Group("sigma", "σ", "ink" if of_target else "W", record.shape),),
                y_label=say("σ, log"), scale="log", row=1, span=5,
            ),
            Readout(
                "needed",
                say("Steps needed at this κ (range of {seeds} seeds), better η", seeds=record.seeds),
                tuple(
                    Row(
                        rule, _name(rule),
                        tuple(
                            f"{_span(record.needed[:, i, t])}, η = {number(record.lr[i, t])}"
                            for t in range(len(record.kappa))
                        ),
                    )
                    for i, rule in enumerate(record.rules)
                ),
                row=1, span=7,
            ),
        ),
    )  # fmt: skip


def _name(rule: str) -> str:
    return say(NAMES.get(rule, rule))


def _span(needed: Float[np.ndarray, "3"]) -> str:
    low, median, high = map(step_or_never, needed)
    return median if low == high else ranged(needed, step_or_never)


def _narrate(record: Conditioning, t: int) -> str:
    said = "; ".join(f"{_name(rule)} {step_or_never(record.needed[1, i, t])}" for i, rule in enumerate(record.rules))
    return say("κ = {kappa}. Median steps needed: {said}.", kappa=number(record.kappa[t]), said=said)


@sentences
def takeaway(record: Conditioning) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    said = []
    for i, rule in enumerate(record.rules):
        first, end = (step_or_never(record.needed[1, i, t]) for t in (0, -1))
        both = first == end
        said.append(f"{_name(rule)} {first}" if both else say("{rule} {first} and {end}", rule=_name(rule), first=first,
                                                              end=end))  # fmt: skip
    yield say(
        "Median steps to the goal at κ = {least} and at κ = {most}: {said}.",
        least=number(record.kappa[0]), most=number(record.kappa[-1]), said="; ".join(said),
    )  # fmt: skip
    if record.rank < record.true_rank:
        yield say(
            "Rank {rank} cannot reach a target of rank {true_rank}.", rank=record.rank, true_rank=record.true_rank
        )
        return
    times = _growth(record, "scaled_gd")
    if times < UNAFFECTED:
        yield say("Scaled GD is not affected by the condition number.")
    elif record.stretched != "target":
        yield say(
            "Scaled GD divides by the factors' Gram matrices, not by the inputs' covariance, so it slows down too."
        )


@sentences
def detail(record: Conditioning) -> Iterator[str]:
    """Who did not reach the goal, and from which κ on."""
    last = int(record.steps[-1])
    for i, rule in enumerate(record.rules):
        reached = np.flatnonzero(np.isfinite(record.needed[1, i]))
        if not len(reached):
            yield say("Goal not reached within {last} steps: {rule}.", last=last, rule=_name(rule))
        elif not np.isfinite(record.needed[1, i, -1]):
            yield say(
                "Goal not reached within {last} steps at the largest κ: {rule}. The largest κ at which it was reached "
                "is {kappa}.",
                last=last, rule=_name(rule), kappa=number(record.kappa[reached[-1]]),
            )  # fmt: skip


def _growth(record: Conditioning, rule: str) -> float:
    """The median steps at the largest κ over those at the smallest; ∞ where the goal was not reached."""
    if rule not in record.rules:
        return float("inf")
    first, end = record.needed[1, record.rules.index(rule)][[0, -1]]
    return float(end / first) if np.isfinite(first) and np.isfinite(end) else float("inf")


def verdict(record: Conditioning) -> Verdict:
    """The steps of GD and of Adam grow from each κ to the next, those of scaled GD do not."""
    medians = {rule: record.needed[1, i].tolist() for i, rule in enumerate(record.rules)}
    if not all(np.isfinite(found[0]) for found in medians.values()):
        return undecided(say("at the smallest κ not every rule reached the goal"), **medians)
    if record.stretched != "target":
        return false_here(
            say("the inputs are ill-conditioned, and scaled GD went from {first} to {end} steps",
                first=step_or_never(medians["scaled_gd"][0]), end=step_or_never(medians["scaled_gd"][-1])), **medians,
        )  # fmt: skip
    for rule in (one for one in medians if one != "scaled_gd"):
        found = np.array(medians[rule])
        with np.errstate(invalid="ignore"):
            fell = np.flatnonzero(found[1:] < NOISE * found[:-1])
        if len(fell):
            t = int(fell[0])
            return false_here(
                say("{rule} needed {more} steps at κ = {low} and {fewer} at κ = {high}", rule=_name(rule),
                    more=step_or_never(found[t]), fewer=step_or_never(found[t + 1]), low=number(record.kappa[t]),
                    high=number(record.kappa[t + 1])), **medians,
            )  # fmt: skip
    times = _growth(record, "scaled_gd")
    if times >= UNAFFECTED:
        return false_here(
            say("scaled GD went from {first} to {end} steps", first=step_or_never(medians["scaled_gd"][0]),
                end=step_or_never(medians["scaled_gd"][-1])), **medians,
        )  # fmt: skip
    each = "; ".join(
        say("{rule} {first} and {end}", rule=_name(rule), first=step_or_never(steps[0]), end=step_or_never(steps[-1]))
        for rule, steps in medians.items()
    )
    return true_here(
        say("median steps at κ = {low} and at κ = {high}: {each}", low=number(record.kappa[0]),
            high=number(record.kappa[-1]), each=each), **medians,
    )  # fmt: skip


def table(record: Conditioning) -> dict[str, np.ndarray]:
    """Steps needed and best learning rates by κ, as columns."""
    columns = {"kappa": record.kappa}
    for i, rule in enumerate(record.rules):
        columns |= spread_columns(f"{rule}_steps", record.needed[:, i]) | {f"{rule}_best_lr": record.lr[i]}
    return columns


def maths(record: Conditioning) -> str:
    """The step of scaled GD, and why the target's singular values do not slow it down."""
    tried = " | ".join(
        f"{_name(rule)} {listed(number(x) for x in lrs)}" for rule, lrs in zip(record.rules, record.tried, strict=True)
    )
    return say(
        r"""
$$
{A} \leftarrow {A} - \eta\,({B}^\top {B} + \delta I)^{{-1}} \nabla_{{{A}}}, \qquad
{B} \leftarrow {B} - \eta\,\nabla_{{{B}}}\,({A}{A}^\top + \delta I)^{{-1}}
$$

Near the end of gradient descent with isotropic inputs, a step multiplies the error in a direction of strength
$\sigma_i$ by about $1 - 2\eta s\sigma_i$. Because $\eta < 1/(s\,\sigma_1)$ keeps the strongest from diverging, the
weakest needs about $\kappa = \sigma_1/\sigma_r$ times as many steps. Dividing by the Gram matrices removes $\sigma_i$
from that factor (Tong, Ma & Chi 2021; for LoRA Zhang & Pilanci 2024). The matrices are {rank}×{rank}, and
$\delta = 10^{{-8}}$ only guards the division. At ${B} = 0$ the division does no harm, because $\nabla_{{{A}}}$ is 0.
Each rule is shown at the better of two learning rates ({tried}). A finer grid may shift the numbers, and with Adam the
steps need not grow with every κ.""",
        **LETTERS, rank=record.rank, tried=tried,
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> Conditioning:
    """Train every rule from eight starts, one condition number after another."""
    stretched = settings["stretched"]
    runs = lab.train_each(stretched_sweeps(settings.experiment, stretched), settings.device, records=RECORDS)
    return conditioning(runs, stretched=stretched)


def _other_stretch(e: Experiment, settings: tuple[tuple[str, str], ...]) -> tuple[float, float]:
    """Steps that scaled GD needs at κ = 1 and at κ = 3 of the other kind, median of 4 seeds."""
    other = "target" if ("stretched", "inputs") in settings else "inputs"
    usual = replace(e, optimizer="scaled_gd", condition=1.0, target_condition=1.0)
    more = replace(usual, condition=3.0) if other == "inputs" else replace(usual, target_condition=3.0)
    runs = [train(Sweep.over(x, lr=RATES["scaled_gd"], init_seed=range(4)), records=RECORDS) for x in (usual, more)]
    first, then = conditioning(runs, stretched=other).needed[1, 0]
    return float(first), float(then)


def _ask(seen: Seen, found: Any) -> Measured:
    one, more = found
    other = say("the target's singular values") if seen.setting("stretched") == "inputs" else say("the inputs")
    told = say("It took {one} steps at κ = 1 and {more} at κ = 3.", one=word(one), more=word(more))
    ratio = more / one
    return Measured(round(ratio) if np.isfinite(ratio) else ratio, (1, 3, 9), told, {"other": other})


LESSON = Lesson(
    hero="steps",
    id="conditioning", menu=to_say("Conditioning"), title=to_say("Conditioning: which optimisers slow down?"),
    claim=to_say(
        "The more the target's singular values differ, the more steps gradient descent and Adam need. Scaled GD is not "
        "affected."
    ),
    place=130,
    default=Experiment(
        d_in=19, d_out=13, target_rank=4, spectrum="geometric", rank=4, alpha=1.0, scaling_rule="constant", samples=64,
        steps=700,
    ),
    controls=(
        Choice(
            id="stretched", label=to_say("Ill-conditioned: target or inputs"), options=("target", "inputs"),
            help=to_say("κ is σ₁/σ_r of the target, or the condition number of the covariance of the inputs."),
            default="target", names={"target": to_say("target"), "inputs": to_say("inputs")},
        ),
        CONTROLS["target_rank"].only(2, 3, 4, 6), CONTROLS["rank"].only(2, 3, 4, 6, 8),
    ),
    more=(CONTROLS["steps"],),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail,
    maths=maths, on_paper="steps", table=table,
    exports=lambda record, settings, lab: stretched_sweeps(settings.experiment, settings["stretched"]),
    question=Question(
        to_say(
            "Now only {other} have κ = 3. By about what factor does the number of steps that scaled GD needs change, "
            "compared with κ = 1?"
        ),
        to_say(
            "Dividing by AAᵀ and BᵀB removes the target's singular values from the step, but not those of the inputs."
        ),
        _ask, _other_stretch,
    ),
)  # fmt: skip
