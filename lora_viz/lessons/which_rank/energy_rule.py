"""Does the 95 % rule give the rank that LoRA needs? The full update's spectrum beside what each rank achieves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.run import Run, Task
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import Ranks, covariance_root, least_squares, ranks, reduced_rank_floor
from lora_viz.film.panels import Bars, Film, Group, Lines, Mark, Readout, Row, Series
from lora_viz.film.still import Drawn, still_curves
from lora_viz.film.style import number
from lora_viz.i18n.language import say, to_say

__all__ = ["EnergyRule", "energy_rank", "energy_rule", "film", "plot_energy_rule", "table", "takeaway"]

SHARE = 0.95
TOLERANCES = (0.10, 0.05, 0.01)


class EnergyRule(NamedTuple):
    """The full update M fits the samples best, of any rank. ``energy`` is Σ_{i≤r} σ_i²/Σσ_i² of M for r = 0, 1, ….

    ``skill`` is 1 − (clean mean squared error)/(that of no update) of the adapter trained at each rank, ``skill_full``
    that of M; ``needed`` the least rank whose best fit has a skill at most 10, 5, 1 % below M's, and ``rule`` the least
    rank with 95 % of M's energy, both (low, median, high; …) over tasks. ``own_rule``, ``own_needed`` (−1: no trained
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
    tasks: int
    true_rank: int
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
    rule, needed = [], []
    for run in runs:
        first = first or run
        fitted, _ = least_squares(run.task)
        root = covariance_root(run.task)
        best = [reduced_rank_floor(fitted, root, r)[0] for r in range(1, min(fitted.shape) + 1)]
        full = _skill(run.task, root, fitted)
        skills = np.array([_skill(run.task, root, m) for m in best])
        rule.append(energy_rank(np.linalg.svd(fitted, compute_uv=False)))
        needed.append([int(np.argmax(skills >= full - t - 1e-9)) + 1 for t in TOLERANCES])
    assert first is not None, "at least one run"
    e, task, root = first.experiment, first.task, covariance_root(first.task)
    fitted, _ = least_squares(task)
    sigma = np.linalg.svd(fitted, compute_uv=False)
    full = _skill(task, root, fitted)
    swept = [0, *(x.rank for x in first.sweep.experiments)]
    deltas = [np.zeros_like(fitted), *(_last(first, i) for i in range(len(first.sweep)))]
    skill = np.array([_skill(task, root, d) for d in deltas])
    spectra = np.array([np.linalg.svd(np.nan_to_num(d), compute_uv=False) for d in deltas])
    energy = np.concatenate([[0.0], np.cumsum(sigma**2)]) / (np.sum(sigma**2) or 1.0)
    enough = [[r for r, s in zip(swept, skill, strict=True) if s >= full - t] for t in TOLERANCES]
    by_rule, by_need = np.array(rule, dtype=float), np.array(needed, dtype=float)
    return EnergyRule(
        rank=np.array(swept),
        energy=energy,
        sigma=sigma,
        sigma_learnt=spectra,
        skill=skill,
        skill_full=full,
        kinds_full=ranks(sigma, bound=len(sigma)),
        kinds=tuple(ranks(s, bound=r) for s, r in zip(spectra, swept, strict=True)),
        energy_ranks=np.array([energy_rank(s) for s in spectra]),
        own_rule=rule[0],
        own_needed=(_least(enough[0]), _least(enough[1]), _least(enough[2])),
        rule=spread(by_rule, axis=0),
        needed=spread(by_need, axis=0),
        over=int((by_rule > by_need[:, 1]).sum()),
        under=int((by_rule < by_need[:, 1]).sum()),
        tasks=len(rule),
        true_rank=e.true_rank,
        noise=e.noise,
        condition=e.condition,
        diverged=int((first.diverged_at >= 0).sum()),
    )


def _last(run: Run, i: int) -> Float[np.ndarray, "d_out d_in"]:
    delta = run.factored(i)[-1].in_float64().dense()
    return np.full_like(delta, np.nan) if run.diverged_at[i] >= 0 else delta


def _skill(task: Task, root: Float[np.ndarray, "n n"], delta: Float[np.ndarray, "m n"]) -> float:
    whole = float(np.sum((task.target_delta @ root) ** 2)) or 1.0
    return 1 - float(np.sum(((delta - task.target_delta) @ root) ** 2)) / whole


def _least(found: list[int]) -> int:
    return min(found, default=-1)


def film(record: EnergyRule) -> Film:
    """The playhead runs over LoRA's rank: energy of the full update, skill of the adapter, and five kinds of rank."""
    swept = record.rank
    t = int(np.argmin(np.abs(swept - record.own_rule)))
    return Film(
        axis=to_say("rank"),
        of_last=True,
        values=swept.astype(float),
        start=t,
        seconds_per_frame=0.6,
        narration=tuple(_narrate(record, t) for t in range(len(swept))),
        panels=(
            Lines(
                title=say("What the rule looks at, and what LoRA achieves"),
                y_label=say("share; no update: 0"),
                reach=1.3,
                span=7,
                series=(
                    Series(name=say("energy of full update:"), colour="W", y=record.energy[swept], dots=True),
                    Series(
                        name=say("LoRA's skill:"),
                        colour="delta",
                        y=np.where(record.skill > -1, record.skill, np.nan),
                        dots=True,
                    ),
                    Series(
                        name=say("full update's skill:"),
                        colour="ink",
                        y=np.full(len(swept), max(record.skill_full, -1.0)),
                        dash="dash",
                    ),
                    Series(name="95 %:", colour="faint", y=np.full(len(swept), SHARE), dash="dot"),
                ),
                marks=(
                    Mark(at=float(record.own_rule), label=say("rule: {rank}", rank=record.own_rule), colour="W"),
                    *(
                        (Mark(at=float(record.own_needed[1]), label=f"LoRA: {record.own_needed[1]}", colour="delta"),)
                        if record.own_needed[1] >= 0
                        else ()
                    ),
                ),
            ),
            Bars(
                title=say("Singular values of the full update, and of LoRA's"),
                labels=tuple(str(i + 1) for i in range(len(record.sigma))),
                groups=(
                    Group(name=say("LoRA's ΔW"), colour="delta", values=record.sigma_learnt),
                    Group(name=say("full update"), colour="W", values=record.sigma, outline=True),
                ),
                y_label="σ",
                span=5,
            ),
            Readout(
                title=say("Five ranks of one spectrum, no two the same question"),
                row=1,
                span=7,
                rows=tuple(
                    Row(label=label, text=tuple(say("full {whole} · LoRA {own}", whole=whole, own=own) for own in mine))
                    for label, whole, mine in (
                        (say("bound"), str(record.kinds_full.bound), [str(k.bound) for k in record.kinds]),
                        (
                            say("numerical (σ > 10⁻⁶ σ₁)"),
                            str(record.kinds_full.numerical),
                            [str(k.numerical) for k in record.kinds],
                        ),
                        (
                            say("effective (entropy of σ/Σσ)"),
                            number(record.kinds_full.effective),
                            [number(k.effective) for k in record.kinds],
                        ),
                        (
                            say("stable (‖·‖²/σ₁²)"),
                            number(record.kinds_full.stable),
                            [number(k.stable) for k in record.kinds],
                        ),
                        (
                            say("95 % of the energy"),
                            str(record.own_rule) if record.own_rule else "—",
                            [str(k) if k else "—" for k in record.energy_ranks],
                        ),
                    )
                ),
            ),
            Readout(
                title=say("Rank that LoRA needed, trained on this task"),
                row=1,
                span=5,
                rows=(
                    *(
                        Row(
                            label=say("within {tolerance:.0f} % of the full update's skill", tolerance=100 * t),
                            text=(_or_more(n),),
                            colour="delta",
                        )
                        for t, n in zip(TOLERANCES, record.own_needed, strict=True)
                    ),
                    Row(label=say("the 95 % rule says"), text=(str(record.own_rule),), colour="W"),
                ),
            ),
        ),
    )


def _or_more(needed: int) -> str:
    return str(needed) if needed >= 0 else say("more")


def _narrate(record: EnergyRule, t: int) -> str:
    r = int(record.rank[t])
    if r == 0:
        return say("Rank 0: ΔW = 0. Its effective and stable rank are 0/0 and do not exist.")
    if np.isnan(record.skill[t]):
        return say("Rank {r} diverged: lower the learning rate.", r=r)
    return say(
        "Rank {r}: {energy:.0f} % of the full update's energy; LoRA of this rank has skill "
        "{skill}, the full update {full}.",
        r=r,
        energy=100 * record.energy[r],
        skill=number(float(record.skill[t])),
        full=number(record.skill_full),
    )


def takeaway(record: EnergyRule) -> str:
    """What was seen, in the run's own numbers."""
    if record.diverged == len(record.rank) - 1:
        return say("Every adapter diverged: lower the learning rate.")
    low, median, high = record.rule
    needs = "; ".join(
        say("{tolerance:.0f} % {median:.0f} ({low:.0f} to {high:.0f})", tolerance=100 * t, median=b, low=a, high=c)
        for t, a, b, c in zip(TOLERANCES, *record.needed, strict=True)
    )
    said = [
        say(
            "In this experiment, median and range of {tasks} tasks, the 95 % rule says rank {median:.0f} ({low:.0f} "
            "to {high:.0f}); the best fit that comes within a tolerance of the full update's clean skill needs rank, "
            "at {needs}.",
            tasks=record.tasks,
            median=median,
            low=low,
            high=high,
            needs=needs,
        ),
        say(
            "At 5 % the rule asked too much in {over} of {tasks} tasks, too little in {under}.",
            over=record.over,
            tasks=record.tasks,
            under=record.under,
        ),
    ]
    if record.over > record.tasks / 2 and record.noise:
        said.append(
            say("The full update has fitted noise, and noise has energy in every direction: the rule counts it.")
        )
    elif record.noise == 0 and record.condition == 1:
        said.append(say("Without noise and with round inputs, energy left out is skill left out: rule and need agree."))
    elif record.over + record.under:
        said.append(
            say("The energy is of weights, the skill of outputs: with stretched inputs these are not the same.")
        )
    if max(record.skill) > record.skill_full + 0.01:
        at = int(record.rank[int(np.nanargmax(record.skill))])
        said.append(say("LoRA of rank {rank} was better on clean data than the full update.", rank=at))
    return " ".join(said)


def table(record: EnergyRule) -> dict[str, np.ndarray]:
    """Energy, skill and kinds of rank by LoRA's rank, as columns."""
    return {
        "rank": record.rank,
        "energy_of_full_update": record.energy[record.rank],
        "skill": record.skill,
        "numerical_rank": np.array([k.numerical for k in record.kinds]),
        "effective_rank": np.array([k.effective for k in record.kinds]),
        "stable_rank": np.array([k.stable for k in record.kinds]),
        "energy_rank_95": record.energy_ranks,
    }


def plot_energy_rule(record: EnergyRule, *, theme: str = "light") -> go.Figure:
    """Energy of the full update and skill of LoRA, against rank."""
    return still_curves(
        [
            Drawn(say("energy of the full update"), "W", record.rank, record.energy[record.rank], dots=True),
            Drawn(say("skill of LoRA"), "delta", record.rank, record.skill, dots=True),
            Drawn("95 %", "faint", record.rank, np.full(len(record.rank), SHARE), "dot"),
        ],
        title=say(
            "The rule says {rule}; within 5 % LoRA needs {needed}",
            rule=record.own_rule,
            needed=_or_more(record.own_needed[1]),
        ),
        x=say("rank r"),
        y=say("share"),
        theme=theme,
    )
