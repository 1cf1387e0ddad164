"""Loss against rank at one learning rate under three scaling rules, and each rank's best rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lora_viz.content.questions import Measured, Question, Seen, first_place, shown, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import log_slope, spread
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Field, Lines, Mark, Series, band
from lora_viz.film.spreads import spread_columns
from lora_viz.film.style import LETTERS, amount, number
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.lessons.training.scaling_first_step import LOOKS

__all__ = ["PART", "FixedRate", "fixed_rate", "rate_sweep", "rule_sweep"]

EQUAL_AT = 4  # the rank at which all three rules have the same s
RULES = {"lora": "α/r", "rslora": "α/√r", "constant": to_say("constant")}
RECORDS = 12
EQUAL = 1e-9  # of the loss at the start: rates that end within it are equally good, and the lowest of them counts
FEWEST = 3  # best rates inside the grid that an exponent takes
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}


class FixedRate(NamedTuple):
    """Relative losses L/L₀ at the recorded steps: (low, median, high) over the seeds, NaN where half have diverged.

    ``loss`` at the one rate asked for, rules S by ranks R. ``by_rate`` is the median under the ``rule`` shown at each
    of ``rates``; ``best`` the place of the least in it, of the lowest rate where several reach it. ``worse`` counts,
    for each rule, the seeds whose highest rank ended more than a tenth above their own best rank; ``slope`` is that of
    the last ``best`` rate against rank, both logarithmic, over the ``inside`` ranks whose best rate is not at an end of
    the grid; NaN where they are fewer than FEWEST.
    """

    steps: Int[np.ndarray, "T"]
    ranks: Int[np.ndarray, "R"]
    loss: Float[np.ndarray, "3 T S R"]
    worse: Int[np.ndarray, "S"]
    rates: Float[np.ndarray, "K"]
    by_rate: Float[np.ndarray, "T K R"]
    best: Int[np.ndarray, "T R"]
    slope: float
    inside: Bool[np.ndarray, "R"]
    rules: tuple[str, ...]
    rule: str
    optimizer: str
    lr: float
    seeds: int


def _under(e: Experiment, rule: str) -> Experiment:
    """The same experiment under this rule, α such that s is the same at rank EQUAL_AT."""
    s = e.alpha / EQUAL_AT
    return replace(e, scaling_rule=rule, alpha=s * {"lora": EQUAL_AT, "rslora": EQUAL_AT**0.5, "constant": 1.0}[rule])


def _ranks(e: Experiment) -> tuple[int, ...]:
    most = min(e.d_in, e.d_out)
    return (*(r for r in (1, 2, 4, 8, 16, 32, 64) if r < most), most)


def _rates(e: Experiment) -> tuple[float, ...]:
    low = 2e-3 if e.optimizer == "sgd" else 1e-3
    return tuple(float(f"{x:.2g}") for x in low * np.geomspace(1, 400, 9))


def rule_sweep(e: Experiment, seeds: int = 8) -> Sweep:
    """Every rule at every rank, at the learning rate asked for."""
    own = (Sweep.over(replace(_under(e, rule), rank=1), rank=_ranks(e), init_seed=_seeds(e, seeds)) for rule in RULES)
    return Sweep(tuple(x for sweep in own for x in sweep.experiments))


def rate_sweep(e: Experiment, seeds: int = 8) -> Sweep:
    """Every learning rate at every rank, under the rule asked for."""
    own = replace(_under(e, e.scaling_rule), rank=1)
    return Sweep.over(own, lr=_rates(e), rank=_ranks(e), init_seed=_seeds(e, seeds))


def _seeds(e: Experiment, seeds: int) -> range:
    return range(e.init_seed, e.init_seed + seeds)


def fixed_rate(rules: Run, rates: Run) -> FixedRate:
    """Read a ``rule_sweep`` and a ``rate_sweep`` of the same experiment, recorded at the same steps."""
    e, ranks = rates.experiment, _ranks(rates.experiment)
    grid = sorted({x.lr for x in rates.sweep.experiments})
    start = float(np.nanmin(rules.loss[0])) or 1.0  # the base layer's
    loss = rules.loss.reshape(len(rules.steps), len(RULES), len(ranks), -1) / start
    by_rate = spread(rates.loss.reshape(len(rates.steps), len(grid), len(ranks), -1) / start, axis=-1)[1]
    ended = np.where(np.isfinite(by_rate), by_rate, np.inf)
    best = np.argmax(ended <= ended.min(axis=1, keepdims=True) + EQUAL, axis=1)
    last = np.where(np.isfinite(loss[-1]), loss[-1], np.inf)
    inside = (best[-1] > 0) & (best[-1] < len(grid) - 1)
    slope = log_slope(np.array(ranks, float)[inside], np.array(grid)[best[-1]][inside])
    return FixedRate(
        steps=rules.steps, ranks=np.array(ranks), loss=spread(loss, axis=-1),
        worse=(last[:, -1] > 1.1 * last.min(axis=1)).sum(axis=-1), rates=np.array(grid), by_rate=by_rate, best=best,
        slope=slope if inside.sum() >= FEWEST else float("nan"), inside=inside, rules=tuple(RULES),
        rule=e.scaling_rule,
        optimizer=e.optimizer, lr=rules.experiment.lr, seeds=loss.shape[-1],
    )  # fmt: skip


def film(record: FixedRate) -> Film:
    """The playhead runs over the steps: loss against rank, the map of rates, the curves, the best rate."""
    name = say(RULES[record.rule])
    own = record.rules.index(record.rule)
    shown = sorted({0, record.ranks.tolist().index(EQUAL_AT) if EQUAL_AT in record.ranks else 0, len(record.ranks) - 1})
    rows = np.arange(len(record.rates))[None, :, None]
    place = record.best[:, None, :]
    regions = np.where(rows < place, 0.0, np.where(rows == place, 1.0, 2.0))
    rates = record.rates[record.best]
    calm = np.where(record.by_rate <= 10, record.by_rate, np.nan)
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=0.25,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Curves(
                "loss_by_rank", say("Loss against rank at η = {lr}", lr=number(record.lr)),
                x=record.ranks.astype(float), x_label=say("rank r"),
                y_label=say("loss / initial loss, median and range of {seeds}", seeds=record.seeds),
                x_scale="log",
                series=tuple(
                    Curve(
                        rule, say(RULES[rule]), LOOKS[rule][0], dash=LOOKS[rule][1], **band(record.loss[:, :, k]),
                        dots=True,
                    )
                    for k, rule in enumerate(record.rules)
                ),
                marks=(Mark("equal", float(EQUAL_AT), say("all s equal at {rank}", rank=EQUAL_AT)),),
            ),
            Field(
                "rate_map", say("Loss by learning rate and rank under {rule}", rule=name), values=calm, scale="log",
                x_labels=tuple(str(r) for r in record.ranks), y_labels=tuple(number(x) for x in record.rates),
                x_title=say("rank r"), y_title=say("learning rate η"), regions=regions,
                region_names=(say("too slow"), say("best"), say("too fast")),
            ),
            Lines(
                "loss",
                say("Loss over the steps under {rule}, η = {lr}", rule=name, lr=number(record.lr)),
                y_label=say("loss / initial loss"), x_scale="sqrt", row=1,
                series=tuple(
                    Series(
                        f"rank_{record.ranks[j]}", f"r = {record.ranks[j]}", "delta", record.loss[1, :, own, j],
                        dash=("dot", "dash", "solid")[i],
                    )
                    for i, j in enumerate(shown)
                ),
            ),
            Curves(
                "best_rate", say("Best learning rate under {rule}", rule=name), x=record.ranks.astype(float),
                x_label=say("rank r"), y_label=say("best η of the map, log"), x_scale="log", scale="log", row=1,
                series=(
                    Curve("best", say("best η"), "delta", rates, dots=True),
                    Curve("asked", say("rate chosen"), "faint", np.full(len(record.ranks), record.lr), dash="dash"),
                ),
            ),
        ),
    )  # fmt: skip


def _narrate(record: FixedRate, t: int) -> str:
    own = record.rules.index(record.rule)
    parts = []
    for j in sorted({0, len(record.ranks) // 2 - 1, len(record.ranks) - 1}):
        value = float(record.loss[1, t, own, j])
        loss = say("diverged") if np.isnan(value) else number(value)
        parts.append(say("rank {rank}: {loss}", rank=record.ranks[j], loss=loss))
    return say(
        "Step {step}, {rule}, remaining loss: {parts}.",
        step=record.steps[t], rule=say(RULES[record.rule]), parts="; ".join(parts),
    )  # fmt: skip


def _best_rank(record: FixedRate, k: int) -> int | None:
    """The place of the rank that ended lowest under this rule, of the median; None where all diverged."""
    line = record.loss[1, -1, k]
    return int(np.nanargmin(line)) if np.isfinite(line).any() else None


def _ended(record: FixedRate, k: int, j: int) -> str:
    value = float(record.loss[1, -1, k, j])
    return say("diverged") if np.isnan(value) else number(value)


@sentences
def takeaway(record: FixedRate) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    k = record.rules.index(record.rule)
    rule, j = say(RULES[record.rule]), _best_rank(record, record.rules.index(record.rule))
    if j is None:
        yield say("Rule {rule}: every rank diverged. Lower the learning rate.", rule=rule)
        return
    if j == len(record.ranks) - 1:
        yield say(
            "Rule {rule}, η = {lr}: the highest rank trains best (remaining loss {loss}).",
            lr=number(record.lr), rule=rule, loss=_ended(record, k, j),
        )  # fmt: skip
    else:
        yield say(
            "Rule {rule}, η = {lr}: rank {rank} trains best (remaining loss {loss}), rank {highest} ends at "
            "{worst}.",
            lr=number(record.lr), rule=rule, rank=record.ranks[j], loss=_ended(record, k, j),
            highest=record.ranks[-1], worst=_ended(record, k, -1),
        )  # fmt: skip
    if np.isfinite(record.slope):
        yield say("The best learning rate scales as r^{slope}.", slope=number(round(record.slope, 2)))
    else:
        yield say("Most best rates are at an end of the grid, so their dependence on the rank cannot be read.")


@sentences
def detail(record: FixedRate) -> Iterator[str]:
    """The same under every rule, and how many best rates were inside the grid."""
    for k, rule in enumerate(record.rules):
        j = _best_rank(record, k)
        if j is None:
            yield say("Rule {rule}: every rank diverged.", rule=say(RULES[rule]))
            continue
        yield say(
            "Rule {rule}: rank {rank} trains best ({loss}); rank {highest} ends more than a tenth above the best "
            "rank in "
            "{worse} of {seeds} seeds.",
            rule=say(RULES[rule]), rank=record.ranks[j], loss=_ended(record, k, j), highest=record.ranks[-1],
            worse=record.worse[k], seeds=record.seeds,
        )  # fmt: skip
    yield say(
        "Best rates that are not at an end of the grid: {inside} of {ranks}.",
        inside=int(record.inside.sum()), ranks=len(record.ranks),
    )  # fmt: skip


def verdict(record: FixedRate) -> Verdict:
    """Under α/r with SGD most seeds end worse at the highest rank than at their best, whose best rate is smaller."""
    k, own, top = record.rules.index("lora"), _best_rank(record, record.rules.index("lora")), len(record.ranks) - 1
    evidence = {"worse": int(record.worse[k]), "seeds": record.seeds, "best_rank": own, "slope": record.slope}
    if own is None:
        return undecided(say("under α/r every rank diverged"), **evidence)
    told = say(
        "under α/r rank {highest} ends clearly above the best rank in {worse} of {seeds} seeds",
        highest=record.ranks[-1], worse=record.worse[k], seeds=record.seeds,
    )  # fmt: skip
    if record.optimizer != "sgd":
        return false_here(
            say("the optimiser is {optimizer}; {told}", optimizer=OPTIMIZERS[record.optimizer], told=told), **evidence
        )
    if record.worse[k] * 2 <= record.seeds or own == top:
        return false_here(told, **evidence)
    if record.rule != "lora":
        return undecided(
            say("{told}, but the best rates shown are those under {rule}", told=told, rule=say(RULES[record.rule])),
            **evidence,
        )
    low, high = (float(record.rates[record.best[-1, j]]) for j in (own, top))
    whole = say(
        "{told}, and the best rate tried is {high} at rank {highest}, {low} at rank {rank}",
        told=told, high=number(high), highest=record.ranks[-1], low=number(low), rank=record.ranks[own],
    )  # fmt: skip
    evidence |= {"best_rate": low, "best_rate_highest": high}
    return true_here(whole, **evidence) if high > low else false_here(whole, **evidence)


def table(record: FixedRate) -> dict[str, np.ndarray]:
    """The record's last step, as columns."""
    columns = {"rank": record.ranks, f"best_lr_{record.rule}": record.rates[record.best[-1]]}
    for k, rule in enumerate(record.rules):
        columns |= spread_columns(f"loss_{rule}", record.loss[:, -1, k])
    return columns


def maths(record: FixedRate, settings: Settings) -> str:
    """Full fine-tuning's learning rate in effect, under each rule."""
    return say(
        r"""
$$
\mathbb E[{dW}_1] = -\,\eta\,s^2\,\frac{{r}}{{3 d}}\,G
\qquad\text{{so full fine-tuning's learning rate is, in effect,}}\qquad
\eta\,s^2\,\frac{{r}}{{3d}} \;\propto\; \tfrac1r \ (\alpha/r),\quad 1 \ (\alpha/\sqrt r),\quad r \ (\text{{constant}})
$$

That is SGD's first step from LoRA's default initialisation (${A}$ of variance $1/(3d)$, ${B} = 0$). If the first step
were all that counts, the best learning rate would grow as $r$ under $\alpha/r$ and not at all under $\alpha/\sqrt r$
(Kalajdzievski 2023). Later steps, in which ${B}$ is not 0, count as well: under the rule shown, {slope}. $\alpha$ is
set so that $s = {s}$ at rank 4 under all three rules. The map's best rate is the best of {rates} on a logarithmic grid,
so its exponent is not finer than that.""",
        **LETTERS, slope=_exponent(record), s=number(settings.experiment.alpha / EQUAL_AT), rates=len(record.rates),
    )  # fmt: skip


def _exponent(record: FixedRate) -> str:
    if np.isnan(record.slope):
        return say("too few best rates lie inside the grid to tell")
    return say("the best rates scale as $r^{{{slope}}}$", slope=number(round(record.slope, 2)))


def sweeps(settings: Settings) -> tuple[Sweep, Sweep]:
    """Every rule at the rate asked for, and every rate under the rule asked for."""
    return rule_sweep(settings.experiment), rate_sweep(settings.experiment)


def measure(settings: Settings, lab: Lab) -> FixedRate:
    """Train every rank under every rule, and at every rate."""
    rules, rates = (lab.train(sweep, settings.device, records=RECORDS) for sweep in sweeps(settings))
    return fixed_rate(rules, rates)


def _ask(seen: Seen, _: Any) -> Measured:
    best, ranks = shown(seen.film, "best_rate", "best")[-1], np.array(_ranks(seen.experiment))
    four, sixteen = (float(best[first_place(ranks == r)]) for r in (4, 16))
    told = say(
        "The best of the map at rank 16 was {sixteen}, {times} times that at rank 4.",
        sixteen=word(sixteen),
        times=amount(sixteen / four),
    )
    return Measured(sixteen, (four, 2 * four, 4 * four, four / 4), told, {"four": word(four)})


PART = Lesson(
    id="scaling_training", menu=to_say("Rank and training"),
    title=to_say("Scaling: does more rank train better at one learning rate?"),
    claim=to_say(
        "At one small learning rate with α/r and SGD, a high rank trains worse than a medium one. It needs a larger "
        "rate."
    ),
    place=60,
    default=Experiment(
        task="full_rank", d_in=24, d_out=24, samples=96, rank=4, alpha=16.0, optimizer="sgd", lr=0.005, steps=100,
    ),
    controls=(
        CONTROLS["optimizer"].only("sgd", "adam"), CONTROLS["scaling_rule"], CONTROLS["lr"], CONTROLS["spectrum"],
    ),
    more=(CONTROLS["steps"].only(50, 100, 200), *(CONTROLS[name] for name in ("alpha", "noise", "condition"))),
    measure=measure, film=film,
    hero="loss_by_rank", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="loss_by_rank",
    table=table,
    exports=lambda record, settings, lab: sweeps(settings),
    question=Question(
        to_say("At rank 4 the best learning rate on the map is {four}. What is it at rank 16?"),
        to_say("What a scaling rule changes in the step at a higher rank, the learning rate has to make up for."),
        _ask,
    ),
)  # fmt: skip
