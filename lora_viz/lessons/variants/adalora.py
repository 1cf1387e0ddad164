"""What AdaLoRA keeps in each of four layers under one budget, and what equal ranks would leave."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen
from lora_viz.core.experiment import Experiment
from lora_viz.core.run import Allocation
from lora_viz.core.seeds import spread
from lora_viz.engine.allocation import allocate
from lora_viz.export.scripts.allocation import allocation_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.spreads import ranged
from lora_viz.film.style import number, percent
from lora_viz.i18n.language import say, to_say
from lora_viz.layer.variants import VARIANTS
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "RankAllocation", "rank_allocation"]

DASHES: tuple[Literal["solid", "dash", "dot", "dashdot"], ...] = ("solid", "dash", "dot", "dashdot")
NOTHING = 1e-12  # a share of an error below it is rounding


class RankAllocation(NamedTuple):
    """Triplets kept (T, L) and λ (T, L, r) of the first set of layers; ``left`` the share of each layer's error.

    ``equal_floor`` is the least that ``equal_rank`` in every layer can leave, at least as many ranks as the budget has.
    ``found`` (T,) counts the sets, of ``sets``, whose layers hold just their true ranks; ``ends`` is what each kept.
    ``left_ends`` (3, L) is (low, median, high) over the sets at the last step.
    """

    steps: Int[np.ndarray, "T"]
    true_ranks: Int[np.ndarray, "L"]
    kept: Int[np.ndarray, "T L"]
    values: Float[np.ndarray, "T L r"]
    budget: Int[np.ndarray, "T"]
    prunes_from: int
    prunes_to: int
    left: Float[np.ndarray, "T L"]
    left_ends: Float[np.ndarray, "3 L"]
    equal_rank: int
    equal_floor: Float[np.ndarray, "L"]
    found: Int[np.ndarray, "T"]
    ends: Int[np.ndarray, "S L"]
    sets: int
    diverged: int


def rank_allocation(run: Allocation) -> RankAllocation:
    """Read an allocation: the first set in full, the others at their ends."""
    kept, truth = run.kept, np.array(run.true_ranks)
    layers = len(truth)
    equal = -(-int(run.budget[-1]) // layers)
    energy = np.sum(run.sigma**2, axis=1)
    return RankAllocation(
        steps=run.steps, true_ranks=truth, kept=kept[0], values=run.values[0], budget=run.budget,
        prunes_from=run.prunes_from, prunes_to=run.prunes_to, left=run.left[0],
        left_ends=spread(run.left[:, -1], axis=0), equal_rank=equal,
        equal_floor=np.sum(run.sigma[:, equal:] ** 2, axis=1) / energy, found=(kept == truth).all(axis=-1).sum(axis=0),
        ends=kept[:, -1], sets=len(kept), diverged=int(np.isnan(run.left[:, -1]).any(axis=-1).sum()),
    )  # fmt: skip


def _layers(record: RankAllocation) -> tuple[str, ...]:
    return tuple(say("layer {number}", number=i + 1) for i in range(len(record.true_ranks)))


def _curves(record: RankAllocation) -> tuple[str, ...]:
    named = zip(_layers(record), record.true_ranks, strict=True)
    return tuple(say("{layer} (rank {rank})", layer=name, rank=r) for name, r in named)


def film(record: RankAllocation) -> Film:
    """The ranks kept, the triplets' values, the budget and the errors, over the steps."""
    total = record.kept.sum(axis=1)
    limit = float(np.abs(record.values[np.isfinite(record.values)]).max(initial=0.0)) or 1.0
    kept = Bars(
        "kept", say("Triplets λᵢ pᵢ qᵢᵀ kept: each is one rank"), y_label=say("triplets"), labels=_layers(record),
        bar_ids=tuple(f"layer_{i}" for i in range(len(record.true_ranks))),
        groups=(
            Group("kept", say("kept"), "delta", record.kept.astype(float)),
            Group("true_rank", say("true rank"), "ink", record.true_ranks.astype(float), outline=True),
            Group("equal", say("equal r = {rank}", rank=record.equal_rank), "faint",
                  np.full(len(record.true_ranks), float(record.equal_rank)), outline=True),
        ),
        caption=tuple(
            say("budget of all layers: {budget}, kept: {kept}", budget=int(budget), kept=int(n))
            for budget, n in zip(record.budget, total, strict=True)
        ),
        span=5,
    )  # fmt: skip
    together = Lines(
        "together", say("Triplets of all layers together"), y_label=say("triplets after the last pruning"),
        series=(
            Series("kept", say("kept"), "delta", total.astype(float)),
            Series("budget", say("budget"), "ink", record.budget.astype(float), dash="dash"),
        ),
        marks=tuple(
            Mark(part, float(at), name)
            for part, at, name in (
                ("prunes_from", record.prunes_from, say("pruning")),
                ("prunes_to", record.prunes_to, say("settling")),
            )
            if 0 < at < record.steps[-1]
        ),
        span=7,
    )  # fmt: skip
    lambdas = HeatMap(
        "lambda", say("λ: one row per layer, one column per triplet"), "delta", record.values, limit=limit, span=5,
        row=1,
    )  # fmt: skip
    error_left = Lines(
        "error_left", say("Remaining error in each layer"), y_label=say("fraction of ‖M‖²"), scale="log",
        series=tuple(
            Series(f"layer_{i}", name, "delta", np.where(y > 10, np.nan, y), dash=dash)
            for i, (name, y, dash) in enumerate(zip(_curves(record), record.left.T, DASHES, strict=True))
        ),
        span=4, row=1,
    )  # fmt: skip
    at_the_end = Readout(
        "at_the_end", say("At the end, {sets} sets of layers", sets=record.sets),
        (
            Row(
                "true_ranks_kept", say("true ranks kept"),
                tuple(say("{found} of {sets}", found=n, sets=record.sets) for n in record.found),
            ),
            *(
                Row(f"adalora_{i}", say("{layer}: AdaLoRA", layer=name), (number(float(a)),), colour="delta")
                for i, (name, a) in enumerate(zip(_layers(record), record.left_ends[1], strict=True))
            ),
            *(
                Row(
                    f"equal_{i}", say("{layer}: equal r = {rank}", layer=name, rank=record.equal_rank),
                    (number(float(b)),),
                )
                for i, (name, b) in enumerate(zip(_layers(record), record.equal_floor, strict=True))
                if b > NOTHING
            ),
        ),
        span=3, row=1,
    )  # fmt: skip
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=1 / 12,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(kept, together, lambdas, error_left, at_the_end),
    )  # fmt: skip


def _narrate(record: RankAllocation, t: int) -> str:
    k, kept = int(record.steps[t]), ", ".join(str(n) for n in record.kept[t])
    if k == 0:
        return say("Step 0: every λ is 0, and nothing is pruned yet.")
    if k <= record.prunes_from:
        phase = say("all train")
    else:
        phase = say("pruning") if k <= record.prunes_to else say("settling")
    return say(
        "Step {step}, {phase}: triplets kept per layer {kept}; true ranks {ranks}.",
        step=k, phase=phase, kept=kept, ranks=_truth(record),
    )  # fmt: skip


def _truth(record: RankAllocation) -> str:
    return ", ".join(str(r) for r in record.true_ranks)


def takeaway(record: RankAllocation) -> str:
    """What was kept, over all sets, and what equal ranks would leave."""
    budget, needed = int(record.budget[-1]), int(record.true_ranks.sum())
    kept = ", ".join(str(n) for n in record.ends[0])
    told = {"budget": budget, "kept": kept, "ranks": _truth(record)}
    if budget == needed:
        said = say(
            "With a budget of {budget} triplets, the set shown (ranks {ranks}) kept {kept}; {found} of {sets} sets "
            "kept the true ranks.",
            found=record.found[-1], sets=record.sets, **told,
        )  # fmt: skip
    elif budget < needed:
        said = say(
            "With a budget of {budget} triplets, the set shown (ranks {ranks}) kept {kept}: {few} too few to learn "
            "everything.",
            few=needed - budget, **told,
        )  # fmt: skip
    else:
        said = say(
            "With a budget of {budget} triplets, the set shown (ranks {ranks}) kept {kept}: {more} more than there "
            "is to learn.",
            more=budget - needed, **told,
        )  # fmt: skip
    worst = int(record.equal_floor.argmax())
    if record.equal_floor[worst] > NOTHING:
        said += " " + say(
            "With rank {ranks} everywhere, at least {floor} of layer {layer}'s error remains; AdaLoRA left {middle} "
            "(median).",
            ranks=record.equal_rank, floor=percent(float(record.equal_floor[worst])), layer=worst + 1,
            middle=percent(float(record.left_ends[1, worst])),
        )  # fmt: skip
    return said


def detail(record: RankAllocation) -> str:
    """The range over the sets, and what diverged."""
    worst = int(record.equal_floor.argmax())
    told = []
    if record.equal_floor[worst] > NOTHING:
        told.append(
            say(
                "Over {sets} sets AdaLoRA left {left} of layer {layer}'s error; rank {ranks} everywhere takes {all} "
                "triplets in all.",
                sets=record.sets, left=ranged(record.left_ends[:, worst], percent), layer=worst + 1,
                ranks=record.equal_rank, all=record.equal_rank * len(record.true_ranks),
            )
        )  # fmt: skip
    if record.diverged:
        told.append(
            say("{diverged} of {sets} sets diverged: lower the learning rate.", diverged=record.diverged,
                sets=record.sets)
        )  # fmt: skip
    return " ".join(told)


def verdict(record: RankAllocation) -> Verdict:
    """With a budget of just the true ranks, most sets keep these, and equal ranks leave an error."""
    budget, needed = int(record.budget[-1]), int(record.true_ranks.sum())
    found, floor = int(record.found[-1]), float(record.equal_floor.max())
    evidence = {"budget": budget, "needed": needed, "found": found, "sets": record.sets, "equal_floor": floor}
    told = {"budget": budget, "needed": needed, "found": found, "sets": record.sets, "floor": percent(floor)}
    if record.diverged == record.sets:
        return undecided(say("every set of layers diverged"), **evidence)
    if budget != needed:
        return false_here(say("the budget is {budget}, and the true ranks need {needed}", **told), **evidence)
    if found <= record.sets / 2:
        return false_here(say("the true ranks were kept in {found} of {sets} sets only", **told), **evidence)
    if floor <= NOTHING:
        return false_here(say("the same rank everywhere leaves no error either"), **evidence)
    return true_here(
        say("the true ranks were kept in {found} of {sets} sets, and equal ranks leave {floor} of a layer's error",
            **told),
        **evidence,
    )  # fmt: skip


def table(record: RankAllocation) -> dict[str, np.ndarray]:
    """The first set's kept ranks and errors, a column a layer."""
    columns = {"step": record.steps, "budget": record.budget}
    for i in range(len(record.true_ranks)):
        columns |= {f"kept_layer_{i + 1}": record.kept[:, i], f"left_layer_{i + 1}": record.left[:, i]}
    return columns


def maths(record: RankAllocation) -> str:
    """The importance of a triplet, when pruning begins and ends, and what every set kept."""
    v = VARIANTS["adalora"]
    return say(
        r"""
$$
\Delta W = \tfrac{{\alpha}}{{r_0}}\,P\,\mathrm{{diag}}(\lambda)\,Q, \qquad
S_k = s(\lambda_k) + \tfrac1{{d_\text{{out}}}}\sum_i s(P_{{ik}}) + \tfrac1{{d_\text{{in}}}}\sum_j s(Q_{{kj}}), \qquad
s(w) = \bar I(w)\,\bar U(w), \quad I(w) = |w\,\partial L/\partial w|
$$

$\bar I$ is the smoothed sensitivity and $\bar U$ the smoothed $|I - \bar I|$, both with factor 0.85. Every fifth step
from step {prunes_from} to {prunes_to} the triplets of all layers are ranked by $S_k$ together, those
beyond the budget get $\lambda = 0$ (they may come back until the end of that time), and the budget falls from
{first_budget} to {last_budget} along a cubic. A penalty
$0.1(\|P^\top P - I\|^2 + \|QQ^\top - I\|^2)$ keeps the triplets apart; PEFT and the authors' code take norms that are
not squared. Importance is not only the size of $\lambda$: it estimates how much the loss depends on the triplet.

**{title}**: {authors} {year}, [arXiv:{arxiv}](https://arxiv.org/abs/{arxiv}). Weizhu Chen is an author of this paper
and of LoRA. The four layers are separate, each with its own $W$, target and data: they share only the budget.
Triplets kept, set by set: {kept}.""",
        prunes_from=record.prunes_from, prunes_to=record.prunes_to, first_budget=record.budget[0],
        last_budget=record.budget[-1], title=v.title, authors=v.authors, year=v.year, arxiv=v.arxiv,
        kept="; ".join(", ".join(map(str, row)) for row in record.ends.tolist()),
    )  # fmt: skip


def allocated(settings: Settings, lab: Lab) -> Allocation:
    """Eight sets of four layers under this budget."""
    return lab.compute(allocate, settings.experiment, settings["budget"])


def measure(settings: Settings, lab: Lab) -> RankAllocation:
    """Train the sets while their triplets are pruned."""
    return rank_allocation(allocated(settings, lab))


def exports(record: RankAllocation, settings: Settings, lab: Lab) -> Scripts:
    """A script for every set of layers."""
    make = partial(allocation_script, allocated(settings, lab), settings.experiment, settings["budget"])
    return Scripts(make, {say("Set of layers"): tuple(range(record.sets))})


def _other_budget(e: Experiment, settings: tuple[tuple[str, str], ...]) -> tuple[int, tuple[int, ...]]:
    budget = 15 if dict(settings).get("budget") == "8" else 8
    ends = np.median(rank_allocation(allocate(e, budget, models=4, records=2)).ends, axis=0)
    return budget, tuple(int(x) for x in ends)


def _ask(_: Seen, found: Any) -> Measured:
    budget, ends = found
    told = say("Kept, median of 4 sets: {ends}.", ends=", ".join(map(str, ends)))
    return Measured(ends[-1], (budget // 4, round(8 * budget / 15), 8, 1), told, {"budget": budget})


LESSON = Lesson(
    hero="kept",
    id="adalora", menu=to_say("AdaLoRA: rank per layer"), title=to_say("AdaLoRA: which layer needs which rank?"),
    claim=to_say(
        "Four layers of true rank 1, 2, 4 and 8 share a budget. Pruning by importance finds these ranks. The same rank "
        "everywhere does not."
    ),
    place=30, default=Experiment(spectrum="flat", alpha=10.0, lr=0.02, steps=400, rank=4, target_rank=1),
    controls=tuple(CONTROLS[name] for name in ("budget", "spectrum", "steps")),
    more=(CONTROLS["lr"], CONTROLS["alpha"]), measure=measure, film=film, takeaway=takeaway, verdict=verdict,
    detail=detail, maths=maths, on_paper="kept", table=table, exports=exports,
    question=Question(
        to_say("Give all four layers together {budget} triplets. How many of them does the layer of rank 8 keep?"),
        to_say("Pruning keeps the directions that the loss depends on most, not an equal number per layer."),
        _ask,
        _other_budget,
    ),
)  # fmt: skip
