"""Does pruning find the ranks? Four layers, one budget: what AdaLoRA keeps in each, what equal ranks would leave."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int

from lora_viz.core.run import Allocation
from lora_viz.film.panels import Bars, Film, Group, HeatMap, Lines, Mark, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say

__all__ = ["RankAllocation", "film", "plot_rank_allocation", "rank_allocation", "table", "takeaway"]

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
    ends = np.sort(run.left[:, -1], axis=0)
    middle = (len(ends) - 1) // 2, len(ends) // 2
    return RankAllocation(
        steps=run.steps,
        true_ranks=truth,
        kept=kept[0],
        values=run.values[0],
        budget=run.budget,
        prunes_from=run.prunes_from,
        prunes_to=run.prunes_to,
        left=run.left[0],
        left_ends=np.stack([ends[0], (ends[middle[0]] + ends[middle[1]]) / 2, ends[-1]]),
        equal_rank=equal,
        equal_floor=np.sum(run.sigma[:, equal:] ** 2, axis=1) / energy,
        found=(kept == truth).all(axis=-1).sum(axis=0),
        ends=kept[:, -1],
        sets=len(kept),
        diverged=int(np.isnan(run.left[:, -1]).any(axis=-1).sum()),
    )


def _layers(record: RankAllocation) -> tuple[str, ...]:
    return tuple(say("layer {number}", number=i + 1) for i in range(len(record.true_ranks)))


def film(record: RankAllocation) -> Film:
    """The ranks kept, the triplets' values, the budget and the errors, over the steps."""
    total = record.kept.sum(axis=1)
    limit = float(np.abs(record.values[np.isfinite(record.values)]).max(initial=0.0)) or 1.0
    return Film(
        axis=to_say("step"),
        values=record.steps.astype(float),
        start=len(record.steps) - 1,
        seconds_per_frame=1 / 12,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(
            Bars(
                id="kept",
                title=say("Triplets λᵢ pᵢ qᵢᵀ kept: each is one rank"),
                y_label=say("triplets"),
                labels=_layers(record),
                groups=(
                    Group(id="kept", name=say("kept"), colour="delta", values=record.kept.astype(float)),
                    Group(
                        id="true_rank",
                        name=say("true rank"),
                        colour="ink",
                        values=record.true_ranks.astype(float),
                        outline=True,
                    ),
                ),
                span=5,
            ),
            Lines(
                id="together",
                title=say("Triplets of all layers together"),
                y_label=say("triplets left by the last pruning"),
                series=(
                    Series(id="kept", name=say("kept"), colour="delta", y=total.astype(float)),
                    Series(id="budget", name=say("budget"), colour="ink", y=record.budget.astype(float), dash="dash"),
                ),
                marks=tuple(
                    Mark(id=name, at=float(at), label=label)
                    for at, label in ((record.prunes_from, say("pruning")), (record.prunes_to, say("settling")))
                    if 0 < at < record.steps[-1]
                ),
                span=7,
            ),
            HeatMap(
                id="lambda",
                title=say("λ: a row a layer, a column a triplet"),
                colour="delta",
                values=record.values,
                limit=limit,
                span=5,
                row=1,
            ),
            Lines(
                id="error_left",
                title=say("Error left in each layer"),
                y_label=say("share of ‖M‖², log"),
                scale="log",
                series=tuple(
                    Series(
                        id=f"layer_{i}",
                        name=say("{layer} (rank {rank})", layer=name, rank=r),
                        colour="delta",
                        y=np.where(y > 10, np.nan, y),
                        dash=dash,
                    )
                    for name, r, y, dash in zip(_layers(record), record.true_ranks, record.left.T, DASHES, strict=True)
                ),
                span=4,
                row=1,
            ),
            Readout(
                id="at_the_end",
                title=say("At the end, {sets} sets of layers", sets=record.sets),
                rows=(
                    Row(
                        id="true_ranks_kept",
                        label=say("true ranks kept"),
                        text=tuple(say("{found} of {sets}", found=n, sets=record.sets) for n in record.found),
                    ),
                    *(
                        Row(
                            id=f"adalora_{i}",
                            label=say("{layer}: AdaLoRA", layer=name),
                            text=(number(float(a)),),
                            colour="delta",
                        )
                        for name, a in zip(_layers(record), record.left_ends[1], strict=True)
                    ),
                    *(
                        Row(
                            id=f"equal_{i}",
                            label=say("{layer}: equal r = {rank}", layer=name, rank=record.equal_rank),
                            text=(number(float(b)),),
                        )
                        for name, b in zip(_layers(record), record.equal_floor, strict=True)
                        if b > NOTHING
                    ),
                ),
                span=3,
                row=1,
            ),
        ),
    )


def _narrate(record: RankAllocation, t: int) -> str:
    k, kept = int(record.steps[t]), ", ".join(str(n) for n in record.kept[t])
    if k == 0:
        return say("Step 0: every λ is 0, and nothing is pruned yet.")
    if k <= record.prunes_from:
        phase = say("all train")
    else:
        phase = say("pruning") if k <= record.prunes_to else say("settling")
    return say(
        "Step {step}, {phase}: {kept} triplets kept in the four layers; their targets have rank {ranks}.",
        step=k,
        phase=phase,
        kept=kept,
        ranks=_truth(record),
    )


def _truth(record: RankAllocation) -> str:
    return ", ".join(str(r) for r in record.true_ranks)


def takeaway(record: RankAllocation) -> str:
    """What was kept, over all sets, and what equal ranks would leave."""
    budget, needed = int(record.budget[-1]), int(record.true_ranks.sum())
    kept = ", ".join(str(n) for n in record.ends[0])
    if budget == needed:
        said = say(
            "In this experiment a budget of {budget} triplets was spread {kept} over layers of rank {ranks}: the true "
            "ranks were kept in {found} of {sets} sets.",
            budget=budget,
            kept=kept,
            ranks=_truth(record),
            found=record.found[-1],
            sets=record.sets,
        )
    elif budget < needed:
        said = say(
            "In this experiment a budget of {budget} triplets was spread {kept} over layers of rank {ranks}: {few} too "
            "few, and what is missing is missing for good.",
            budget=budget,
            kept=kept,
            ranks=_truth(record),
            few=needed - budget,
        )
    else:
        said = say(
            "In this experiment a budget of {budget} triplets was spread {kept} over layers of rank {ranks}: {more} "
            "more than there is to learn, and pruning cannot know.",
            budget=budget,
            kept=kept,
            ranks=_truth(record),
            more=budget - needed,
        )
    worst = int(record.equal_floor.argmax())
    if record.equal_floor[worst] > NOTHING:
        low, middle, high = record.left_ends[:, worst]
        said += say(
            " {ranks} ranks in every layer, {all} in all, leave at least {floor:.0f} % of layer {layer}'s error; "
            "AdaLoRA left {middle} % (median; {low} to {high} %).",
            ranks=record.equal_rank,
            all=record.equal_rank * len(record.true_ranks),
            floor=100 * record.equal_floor[worst],
            layer=worst + 1,
            middle=number(100 * float(middle)),
            low=number(100 * float(low)),
            high=number(100 * float(high)),
        )
    if record.diverged:
        said += say(" {diverged} sets diverged.", diverged=record.diverged)
    return said


def table(record: RankAllocation) -> dict[str, np.ndarray]:
    """The first set's kept ranks and errors, a column a layer."""
    columns = {"step": record.steps, "budget": record.budget}
    for i in range(len(record.true_ranks)):
        columns |= {f"kept_layer_{i + 1}": record.kept[:, i], f"left_layer_{i + 1}": record.left[:, i]}
    return columns


def plot_rank_allocation(record: RankAllocation, *, theme: str = "light") -> go.Figure:
    """Ranks kept over the steps, as a still figure."""
    colour = IDENTITY[theme]["delta"]
    figure = go.Figure(
        [
            go.Scatter(
                x=record.steps,
                y=y,
                name=say("{layer} (rank {rank})", layer=name, rank=r),
                line={"color": colour, "dash": dash, "width": 3},
            )
            for name, r, y, dash in zip(_layers(record), record.true_ranks, record.kept.T, DASHES, strict=True)
        ]
    )
    figure.update_layout(
        **plotly_layout(
            title=say("Ranks kept in each layer"), xaxis={"title": say("step")}, yaxis={"title": say("triplets")}
        )
    )
    return figure
