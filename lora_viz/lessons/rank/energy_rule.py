"""The 95 % energy rule: the full update's spectrum beside what LoRA of each rank achieves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run, Task
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import Ranks, covariance_root, least_squares, ranks, reduced_rank_floor
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, Lines, Mark, Readout, Row, Series
from lora_viz.film.spreads import ranged
from lora_viz.film.style import LETTERS, number, numbers, percent, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.tasks import make_task
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON", "EnergyRule", "energy_rank", "energy_rule"]

DEFAULT = Experiment(
    d_in=32, d_out=24, target_rank=4, spectrum="exponential", noise=1.0, alpha=16.0, lr=0.03, schedule="linear",
    steps=150, samples=96,
)  # fmt: skip
SWEPT = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24)
SHARE = 0.95
TOLERANCES = (0.10, 0.05, 0.01)
KINDS = {
    "bound": to_say("bound"),
    "numerical": to_say("numerical (σ > 10⁻⁶ σ₁)"),
    "effective": to_say("effective (entropy of σ/Σσ)"),
    "stable": to_say("stable (‖·‖²/σ₁²)"),
    "energy": to_say("95 % of the energy"),
}


class EnergyRule(NamedTuple):
    """The full update M fits the samples best, of any rank. ``energy`` is Σ_{i≤r} σ_i²/Σσ_i² of M for r = 0, 1, ….

    ``skill`` is 1 − (clean mean squared error)/(that of no update) of the adapter trained at each rank, ``skill_full``
    that of M; ``needed`` the least rank whose best fit has a skill at most 0.1, 0.05, 0.01 below M's, and ``rule`` the
    least rank with 95 % of M's energy, both (low, median, high; …) over tasks. The rule exceeds the need at 0.05 in
    ``over`` of them, is below it in ``under``; ``raised`` counts the tasks of ``over`` in which the rule asks for less
    on the target without noise. ``own_rule``, ``own_needed`` (−1: no trained
    rank is enough) are those of the task shown, the needed ranks read off trained adapters.
    """

    rank: Int[np.ndarray, "R"]
    energy: Float[np.ndarray, "k_and_1"]
    sigma: Float[np.ndarray, "k"]
    sigma_learnt: Float[np.ndarray, "R k"]
    skill: Float[np.ndarray, "R"]
    skill_full: float
    kinds_full: Ranks
    kinds: tuple[Ranks, ...]
    energy_ranks: Int[np.ndarray, "R"]
    own_rule: int
    own_needed: tuple[int, int, int]
    rule: Float[np.ndarray, "3"]
    needed: Float[np.ndarray, "3 tolerance"]
    over: int
    under: int
    raised: int
    tasks: int
    noise: float
    condition: float
    diverged: int


def energy_rank(sigma: Float[np.ndarray, "k"], share: float = SHARE) -> int:
    """The least r with Σ_{i≤r} σ_i² ≥ share·Σσ_i²; 0 for a zero matrix, which has nothing to keep."""
    total = float(np.sum(sigma**2))
    return 0 if total == 0 else int(np.searchsorted(np.cumsum(sigma**2), share * total * (1 - 1e-12)) + 1)


def energy_rule(runs: Iterable[Run]) -> EnergyRule:
    """The first run is a sweep over rank of the task that is shown; of the others only the tasks are used."""
    first: Run | None = None
    rule, needed, without_noise = [], [], []
    for run in runs:
        first = first or run
        fitted, _ = least_squares(run.task)
        root = covariance_root(run.task)
        best = [reduced_rank_floor(fitted, root, r)[0] for r in range(1, min(fitted.shape) + 1)]
        full = _skill(run.task, root, fitted)
        skills = np.array([_skill(run.task, root, m) for m in best])
        rule.append(energy_rank(np.linalg.svd(fitted, compute_uv=False)))
        without_noise.append(energy_rank(np.linalg.svd(run.task.target_delta, compute_uv=False)))
        needed.append([int(np.argmax(skills >= full - t - 1e-9)) + 1 for t in TOLERANCES])
    assert first is not None, "at least one run"
    e, task, root = first.experiment, first.task, covariance_root(first.task)
    fitted, _ = least_squares(task)
    sigma, full = np.linalg.svd(fitted, compute_uv=False), _skill(task, root, fitted)
    swept = [0, *(x.rank for x in first.sweep.experiments)]
    ends = (
        np.where(at >= 0, np.nan, first.factored(i)[-1].in_float64().dense()) for i, at in enumerate(first.diverged_at)
    )
    deltas = [np.zeros_like(fitted), *ends]
    skill = np.array([_skill(task, root, d) for d in deltas])
    spectra = np.array([np.linalg.svd(np.nan_to_num(d), compute_uv=False) for d in deltas])
    energy = np.concatenate([[0.0], np.cumsum(sigma**2)]) / (np.sum(sigma**2) or 1.0)
    enough = [min((r for r, s in zip(swept, skill, strict=True) if s >= full - t), default=-1) for t in TOLERANCES]
    by_rule, by_need = np.array(rule, dtype=float), np.array(needed, dtype=float)
    too_high = by_rule > by_need[:, 1]
    return EnergyRule(
        rank=np.array(swept), energy=energy, sigma=sigma, sigma_learnt=spectra, skill=skill, skill_full=full,
        kinds_full=ranks(sigma, bound=len(sigma)),
        kinds=tuple(ranks(s, bound=r) for s, r in zip(spectra, swept, strict=True)),
        energy_ranks=np.array([energy_rank(s) for s in spectra]), own_rule=rule[0],
        own_needed=(enough[0], enough[1], enough[2]), rule=spread(by_rule, axis=0), needed=spread(by_need, axis=0),
        over=int(too_high.sum()), under=int((by_rule < by_need[:, 1]).sum()),
        raised=int((too_high & (by_rule > np.array(without_noise))).sum()), tasks=len(rule), noise=e.noise,
        condition=e.condition, diverged=int((first.diverged_at >= 0).sum()),
    )  # fmt: skip


def _skill(task: Task, root: Float[np.ndarray, "n n"], delta: Float[np.ndarray, "m n"]) -> float:
    whole = float(np.sum((task.target_delta @ root) ** 2)) or 1.0
    return 1 - float(np.sum(((delta - task.target_delta) @ root) ** 2)) / whole


def film(record: EnergyRule) -> Film:
    """The playhead runs over LoRA's rank: energy of the full update, skill of the adapter, and five kinds of rank."""
    swept, bars = record.rank, range(1, len(record.sigma) + 1)
    rule, needed = record.own_rule, record.own_needed[1]
    kinds = {kind: numbers(getattr(k, kind) for k in (record.kinds_full, *record.kinds)) for kind in Ranks._fields}
    kinds["energy"] = numbers(k or np.nan for k in (rule, *record.energy_ranks))
    marks = [Mark("rule", float(rule), say("rule: {rank}", rank=rule), colour="W")]
    if needed >= 0:
        marks.append(Mark("needed", float(needed), f"LoRA: {needed}", colour="delta"))
    rule_panel = Lines(
        "rule", say("Energy, which the rule counts, and LoRA's skill"), y_label=say("fraction (no update: 0)"),
        reach=1.3, span=7,
        series=(
            Series("energy", say("energy of full update:"), "W", record.energy[swept], dots=True),
            Series(
                "skill", say("LoRA's skill:"), "delta", np.where(record.skill > -1, record.skill, np.nan), dots=True,
            ),
            Series(
                "full_skill", say("full update's skill:"), "ink", np.full(len(swept), max(record.skill_full, -1.0)),
                dash="dash",
            ),
            Series("share", "95 %:", "faint", np.full(len(swept), SHARE), dash="dot"),
        ),
        marks=tuple(marks),
    )  # fmt: skip
    singular_values = Bars(
        "singular_values", say("Singular values of the full update and of LoRA's ΔW"), labels=tuple(map(str, bars)),
        bar_ids=tuple(f"sigma_{i}" for i in bars),
        groups=(
            Group("learnt", say("LoRA's ΔW"), "delta", record.sigma_learnt),
            Group("full", say("full update"), "W", record.sigma, outline=True),
        ),
        y_label="σ", span=5,
    )  # fmt: skip
    kinds_of_rank = Readout(
        "kinds_of_rank", say("Five kinds of rank of one spectrum"),
        tuple(
            Row(kind, say(KINDS[kind]), tuple(say("full {whole} · LoRA {own}", whole=whole, own=own) for own in learnt))
            for kind, (whole, *learnt) in kinds.items()
        ),
        row=1, span=7,
    )  # fmt: skip
    needed_panel = Readout(
        "needed", say("Rank that LoRA needed, trained on this task"),
        (
            *(
                Row(
                    f"within_{100 * t:.0f}",
                    say("at most {tolerance} below the full update's skill", tolerance=number(t)), (_or_more(n),),
                    colour="delta",
                )
                for t, n in zip(TOLERANCES, record.own_needed, strict=True)
            ),
            Row("rule", say("by the 95 % rule"), (str(rule),), colour="W"),
        ),
        row=1, span=5,
    )  # fmt: skip
    return Film(
        axis=to_say("rank"), of_last=True, values=swept.astype(float), start=int(np.argmin(np.abs(swept - rule))),
        seconds_per_frame=0.6, narration=tuple(_narrate(record, t) for t in range(len(swept))),
        panels=(rule_panel, singular_values, kinds_of_rank, needed_panel),
    )  # fmt: skip


def _or_more(needed: int) -> str:
    return str(needed) if needed >= 0 else say("more")


def _narrate(record: EnergyRule, t: int) -> str:
    r = int(record.rank[t])
    if r == 0:
        return say("Rank 0: ΔW = 0. Its effective and stable rank are 0/0 and do not exist.")
    if np.isnan(record.skill[t]):
        return say("Rank {r} diverged: lower the learning rate.", r=r)
    return say(
        "Rank {r} holds {energy} of the full update's energy. Skill: LoRA {skill}, full update {full}.",
        r=r, energy=percent(float(record.energy[r])), skill=number(record.skill[t]), full=number(record.skill_full),
    )  # fmt: skip


@sentences
def takeaway(record: EnergyRule) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    if record.diverged == len(record.rank) - 1:
        yield say("Every adapter diverged: lower the learning rate.")
        return
    yield say(
        "Median of {tasks} tasks: the 95 % rule asks for rank {rule}. The best fit needs rank {need} to come within "
        "0.05 of the full update's skill. The rule was too high in {over} of them and too low in {under}.",
        tasks=record.tasks, rule=number(float(record.rule[1])), need=number(float(record.needed[1, 1])),
        over=record.over, under=record.under,
    )  # fmt: skip


@sentences
def detail(record: EnergyRule) -> Iterator[str]:
    """The ranges over the tasks, why rule and need differ or agree, and what diverged."""
    needs = "; ".join(
        say("rank {rank} within {tolerance}", rank=ranged(record.needed[:, i]), tolerance=number(t))
        for i, t in enumerate(TOLERANCES)
    )
    yield say(
        "Median and range of {tasks} tasks: the rule asks for rank {rule}; needed is {needs} of the full update's "
        "skill.",
        tasks=record.tasks, rule=ranged(record.rule), needs=needs,
    )  # fmt: skip
    if record.raised > record.tasks / 2:
        yield say("The full update has fitted noise, and noise has energy in every direction, which the rule counts.")
    elif record.noise == 0 and record.condition == 1 and not record.over + record.under:
        yield say("Without noise and with isotropic inputs, energy left out is skill left out, so rule and need agree.")
    elif record.over + record.under and record.condition > 1:
        yield say("Energy is counted in weights and skill in outputs; with ill-conditioned inputs these differ.")
    if np.nanmax(record.skill) > record.skill_full + 0.01:
        at = int(record.rank[int(np.nanargmax(record.skill))])
        yield say("LoRA of rank {rank} was better on clean data than the full update.", rank=at)
    if record.diverged:
        yield say("Diverged, and left out: {count} of {all} adapters.", count=record.diverged, all=len(record.rank) - 1)


def verdict(record: EnergyRule) -> Verdict:
    """In more than half of the tasks the rule asks for more than is needed, and for less on the noiseless target."""
    evidence = {"over": record.over, "raised": record.raised, "tasks": record.tasks, "noise": record.noise}
    if record.noise == 0:
        return false_here(say("the labels have no noise"), **evidence)
    if record.raised > record.tasks / 2:
        return true_here(
            say("in {count} of {tasks} tasks noise raised the rule's rank above the rank needed", count=record.raised,
                tasks=record.tasks),
            **evidence,
        )  # fmt: skip
    if record.over > record.tasks / 2:
        return false_here(
            say("the rule was too high in {over} of {tasks} tasks, but not because of the noise", over=record.over,
                tasks=record.tasks),
            **evidence,
        )  # fmt: skip
    return false_here(
        say("the rule was too high in {over} of {tasks} tasks", over=record.over, tasks=record.tasks), **evidence
    )


def table(record: EnergyRule) -> dict[str, np.ndarray]:
    """Energy, skill and kinds of rank by LoRA's rank, as columns."""
    return {
        "rank": record.rank,
        "energy_of_full_update": record.energy[record.rank],
        "skill": record.skill,
        **{f"{kind}_rank": np.array([getattr(k, kind) for k in record.kinds]) for kind in Ranks._fields[1:]},
        "energy_rank_95": record.energy_ranks,
    }


def maths(record: EnergyRule, settings: Settings) -> str:
    """The rule and the kinds of rank, with the full update's own."""
    kinds = record.kinds_full
    return say(
        r"""
$$
r_{{95}} = \min\Big\{{r : \sum_{{i \le r}} \sigma_i^2 \ge 0.95 \sum_i \sigma_i^2\Big\}}, \qquad
\mathrm{{erank}} = \exp\Big(-\sum_i p_i \ln p_i\Big), \ p_i = \frac{{\sigma_i}}{{\sum_j \sigma_j}}, \qquad
\mathrm{{stable}} = \frac{{\|{M}\|_F^2}}{{\sigma_1^2}}
$$

${M}$ is the full update, the least-squares fit of {samples} samples. Its kinds of rank: bound {bound},
numerical {numerical}, effective {effective} (Roy & Vetterli 2007: σ, not σ²), stable
{stable}, 95 %-energy {energy}. At ${dW} = 0$ the last three do not exist (0/0), which is shown as "—". **Skill** is
1 − (clean squared error)/(that of no update), measured on outputs. With isotropic inputs and no noise, the error of the
best rank-$r$ fit is exactly the energy that rank $r$ leaves out, so $r_{{95}}$ is the rank needed within 0.05. Noise
or ill-conditioned inputs can break that. A median is the middle value, or the mean of the two in the middle.""",
        M=tint("W", "M"), samples=settings["samples"], bound=kinds.bound, numerical=kinds.numerical,
        effective=number(kinds.effective), stable=number(kinds.stable), energy=record.own_rule, **LETTERS,
    )  # fmt: skip


def sweep(settings: Settings) -> Sweep:
    """The adapters of every rank on the task that is shown."""
    return Sweep.over(replace(settings.experiment, rank=1), rank=SWEPT)


def measure(settings: Settings, lab: Lab) -> EnergyRule:
    """Train every rank on one task, and draw nine others."""
    e = settings.experiment
    others = (Sweep((replace(e, rank=1, steps=0, seed=e.seed * 10 + i),)) for i in range(1, 10))
    return energy_rule(lab.train_each((sweep(settings), *others), settings.device, records=2))


def _without_noise(e: Experiment, _: Any) -> tuple[int, int]:
    """The rank by the 95 % rule without noise, and with the noise shown."""
    without, now = (
        energy_rank(np.linalg.svd(least_squares(make_task(x))[0], compute_uv=False)) for x in (replace(e, noise=0.0), e)
    )
    return without, now


def _ask(seen: Seen, found: Any) -> Measured:
    without, now = found
    e = seen.experiment
    if e.noise == 0:
        raise Unanswerable(say("The labels have no noise here: choose some, and the question will appear."))
    told = say("On the same task it asks for rank {without} without noise and {now} with it.", without=without, now=now)
    return Measured(int(without), (int(now), round(0.95 * min(e.d_in, e.d_out)), e.true_rank), told)


LESSON = Lesson(
    hero="rule",
    id="energy_rule", menu=to_say("The 95 % energy rule"),
    title=to_say("The 95 % energy rule: does it give the rank LoRA needs?"),
    claim=to_say(
        "With noisy labels, 95 % of a full update's energy takes a higher rank than LoRA needs, because part of that "
        "energy is noise."
    ),
    place=44, default=DEFAULT,
    controls=tuple(CONTROLS[name] for name in ("noise", "spectrum", "condition", "target_rank", "task")),
    more=tuple(CONTROLS[name] for name in ("optimizer", "lr", "alpha", "steps")), measure=measure, film=film,
    takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="rule", table=table,
    exports=lambda record, settings, lab: (sweep(settings),),
    question=Question(
        to_say("If the labels of this task had no noise, what rank would the 95 % rule ask for?"),
        to_say("The rule counts energy wherever it comes from, and noise has some in every direction."),
        _ask,
        _without_noise,
    ),
)  # fmt: skip
