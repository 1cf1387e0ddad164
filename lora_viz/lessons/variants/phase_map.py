"""A plane of settings, every cell a trained adapter: which settings learn, and which do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable, shown
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.spectra import covariance_root, least_squares, reduced_rank_floor
from lora_viz.film.film import Film
from lora_viz.film.panels import Field, HeatMap, Lines, Series
from lora_viz.film.spreads import low_to_high
from lora_viz.film.style import number, percent, tint
from lora_viz.i18n.language import decimal, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["LESSON", "PLANES", "REGIONS", "PhaseMap", "axes", "cell", "nearest_cell", "phase_map", "plane"]

# What a cell is called: by the share of what training could take away that it did take away.
REGIONS = (to_say("dead"), to_say("slow"), to_say("good"), to_say("diverged"))
GOOD, DEAD = 0.01, 0.99  # of the excess over the floor is left: at most, at least
RECORDS, BANDS = 25, 6
TRADED = 2.0  # how far the lower edge of the good cells falls, at least, where one setting makes up for the other
PLANES = ("learning_rates", "rank_alpha")


class PhaseMap(NamedTuple):
    """What is left of the excess loss, (L − floor)/(L₀ − floor), at each recorded step, for every cell of a plane.

    ``x`` and ``y`` are the plane's axes, ``x_name`` and ``y_name`` still to say; ``left`` is NaN from where a
    cell diverged. ``region`` says which of REGIONS a cell is in. ``loss``, ``grad_A_norm``, ``grad_B_norm`` and
    ``delta`` are those of the ``chosen`` cell.
    """

    steps: Int[np.ndarray, "T"]
    x_name: str
    y_name: str
    x: Float[np.ndarray, "n"]
    y: Float[np.ndarray, "m"]
    left: Float[np.ndarray, "T m n"]
    region: Int[np.ndarray, "T m n"]
    chosen: tuple[int, int]
    loss: Float[np.ndarray, "T"]
    floor: float
    grad_A_norm: Float[np.ndarray, "T"]
    grad_B_norm: Float[np.ndarray, "T"]
    delta: Float[np.ndarray, "T d_out d_in"]
    diverged_at: int
    optimizer: str


def axes(e: Experiment, kind: str, side: int) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "m"]]:
    """The axes (x, y) on which the cells of a plane lie.

    "learning_rates" has η of A over η of B, four decades each; "rank_alpha" has ranks over α.
    """
    if kind == "rank_alpha":
        most = min(e.d_in, e.d_out)
        return np.unique(np.linspace(1, most, min(side, most)).round()), np.geomspace(0.25, 512, side)
    top = 10.0 if e.optimizer == "sgd" else 1.0
    both = np.geomspace(top / 1e4, top, side)
    return both, both


def cell(
    e: Experiment, kind: str, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "m"], at: tuple[int, int]
) -> Experiment:
    """The experiment that is the cell in this row and column."""
    row, column = at
    if kind == "rank_alpha":
        return replace(e, rank=int(x[column]), alpha=float(y[row]))
    return replace(e, lr=float(x[column]), lr_ratio=float(y[row] / x[column]))


def plane(e: Experiment, kind: str, side: int, *, band: int = 0, count: int = 1) -> Sweep:
    """The adapters of a plane, row by row from the bottom; or one of ``count`` bands of its rows."""
    x, y = axes(e, kind, side)
    down, across = (g.ravel().tolist() for g in np.meshgrid(np.array_split(y, count)[band], x, indexing="ij"))
    if kind == "rank_alpha":
        return Sweep.each(e, rank=[int(r) for r in across], alpha=down)
    return Sweep.each(e, lr=across, lr_ratio=[b / a for b, a in zip(down, across, strict=True)])


def nearest_cell(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "m"], share: tuple[float, float]) -> tuple[int, int]:
    """Row and column of the cell at these shares (0 to 1) of height and width, whatever the resolution."""
    (row, column), (m, n) = share, (len(y), len(x))
    return min(m - 1, int(row * m)), min(n - 1, int(column * n))


def phase_map(
    runs: tuple[Run, ...],
    picked: Run,
    *,
    kind: str,
    x: Float[np.ndarray, "n"],
    y: Float[np.ndarray, "m"],
    chosen: tuple[int, int],
) -> PhaseMap:
    """Read a trained plane, given in bands that need no factors, and the run of one of its cells at the same steps."""
    first, (m, n) = runs[0], (len(y), len(x))
    loss = np.concatenate([run.loss for run in runs], axis=1)
    ranks = np.array([e.rank for run in runs for e in run.sweep.experiments])
    fitted, least = least_squares(first.task)
    root = covariance_root(first.task)
    floors = {r: least + 0.5 * reduced_rank_floor(fitted, root, int(r))[1] ** 2 for r in np.unique(ranks)}
    floor = np.array([floors[r] for r in ranks])
    left = (loss - floor) / np.maximum(loss[0] - floor, np.finfo(float).tiny)
    region = np.select([np.isnan(left) | (left > 2), left <= GOOD, left >= DEAD], [3, 2, 0], default=1)
    return PhaseMap(
        steps=first.steps, x_name=to_say("rank r") if kind == "rank_alpha" else to_say("η of A"),
        y_name="α" if kind == "rank_alpha" else to_say("η of B"), x=x.astype(float), y=y, left=left.reshape(-1, m, n),
        region=region.reshape(-1, m, n), chosen=chosen, loss=picked.loss[:, 0],
        floor=float(floors[picked.experiment.rank]), grad_A_norm=picked.grad_A_norm[:, 0],
        grad_B_norm=picked.grad_B_norm[:, 0], delta=picked.delta_weight().astype(float),
        diverged_at=int(picked.diverged_at[0]), optimizer=first.experiment.optimizer,
    )  # fmt: skip


def _mark(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else decimal(f"{value:.2g}")


def _cell(record: PhaseMap) -> str:
    row, column = record.chosen
    return f"{say(record.x_name)} = {_mark(record.x[column])}, {say(record.y_name)} = {_mark(record.y[row])}"


def film(record: PhaseMap) -> Film:
    """The map over the steps, and the run of the chosen cell."""
    row, column = record.chosen
    limit = float(np.abs(record.delta[record.loss <= 10 * record.loss[0]]).max(initial=0.0)) or 1.0
    counts = [[int((frame == k).sum()) for k in range(4)] for frame in record.region]
    adapters = record.left[0].size
    told = tuple(
        say(
            "Step {step}, of {adapters} adapters, good: {good}, slow: {slow}, dead: {dead}, diverged: {diverged}.",
            step=step, adapters=adapters, good=good, slow=slow, dead=dead, diverged=diverged,
        )
        for step, (dead, slow, good, diverged) in zip(record.steps, counts, strict=True)
    )  # fmt: skip
    states = (say(REGIONS[int(k)]) for k in record.region[:, row, column])
    map_panel = Field(
        "map", say("Remaining excess loss (click a cell)"), values=record.left, limits=(1e-4, 1.0), scale="log",
        x_labels=tuple(_mark(v) for v in record.x), y_labels=tuple(_mark(v) for v in record.y),
        x_title=say(record.x_name), y_title=say(record.y_name), regions=record.region.astype(float),
        region_names=tuple(say(name) for name in REGIONS), chosen=record.chosen, picks=True,
        caption=tuple(say("chosen: {cell}: {state}", cell=_cell(record), state=state) for state in states), span=7,
        tall=2,
    )  # fmt: skip
    chosen_loss = Lines(
        "chosen_loss", say("The chosen adapter: {cell}", cell=_cell(record)), y_label=say("loss"), scale="log",
        x_scale="sqrt",
        series=(
            Series("loss", say("loss"), "delta", record.loss),
            Series("floor", say("floor"), "ink", np.full(len(record.steps), record.floor), dash="dash"),
        ),
        span=5,
    )  # fmt: skip
    gradients = Lines(
        "gradients", say("Its gradients"), y_label=say("norm"), scale="log", x_scale="sqrt",
        series=(Series("grad_a", "‖∇A‖", "A", record.grad_A_norm), Series("grad_b", "‖∇B‖", "B", record.grad_B_norm)),
        span=3, row=1,
    )  # fmt: skip
    delta = HeatMap("delta", say("Its ΔW"), "delta", record.delta, limit=limit, span=2, row=1)
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=1 / 8, narration=told,
        panels=(map_panel, chosen_loss, gradients, delta),
    )  # fmt: skip


def takeaway(record: PhaseMap) -> str:
    """What was seen, in the map's own numbers."""
    last = record.region[-1]
    good, diverged = last == 2, last == 3
    said = say(
        "In {good} of the cells at most 1 % of the excess loss remains; {diverged} diverged.",
        good=_share(good), diverged=_share(diverged),
    )  # fmt: skip
    return f"{said} {_chosen_ended(record)}"


def _lower_edge(record: PhaseMap) -> Float[np.ndarray, "k"]:
    """The lowest good cell of each column that has one, from left to right."""
    good = record.region[-1] == 2
    return record.y[good[:, good.any(axis=0)].argmax(axis=0)]


def detail(record: PhaseMap) -> str:
    """How far the product of both rates stays along the good cells."""
    good = record.region[-1] == 2
    if not good.any():
        return ""
    y, x = (axis[at] for axis, at in zip((record.y, record.x), np.nonzero(good), strict=True))
    ends = {"y": low_to_high(y.tolist(), _mark), "x": low_to_high(x.tolist(), _mark)}
    if record.x_name == "rank r":
        return say("Good cells lie at α = {y} and rank {x}.", **ends)
    told = say("Good cells lie at η of B = {y} and η of A = {x}.", **ends)
    return f"{told} " + say(
        "Over the good cells the product of both rates stays within {decades:.2g} decades; each rate alone spans "
        "{own:.2g} and {other:.2g}.",
        decades=np.ptp(np.log10(x * y)), own=np.ptp(np.log10(y)), other=np.ptp(np.log10(x)),
    )  # fmt: skip


def verdict(record: PhaseMap) -> Verdict:
    """There are good, slow and diverged cells, and the good ones reach lower on y where x is larger."""
    last = record.region[-1]
    counts = {name: int((last == k).sum()) for k, name in enumerate(REGIONS)}
    evidence: dict[str, Any] = dict(counts)
    names = {"x": say(record.x_name), "y": say(record.y_name)}
    if not counts["good"]:
        return false_here(say("no cell is good"), **evidence)
    if not counts["diverged"]:
        return false_here(say("no cell diverged"), **evidence)
    if not counts["dead"] + counts["slow"]:
        return false_here(say("no cell is too slow"), **evidence)
    edge = _lower_edge(record)
    falls = float(edge[0] / edge.min())
    evidence["falls"] = falls
    told = {"high": _mark(edge[0]), "low": _mark(edge.min()), **names}
    if falls < TRADED:
        return false_here(
            say("the good cells form a block: a higher {x} does not make up for a lower {y}", **told), **evidence
        )
    return true_here(say("the lowest good {y} falls from {high} to {low} as {x} rises", **told), **evidence)


def _chosen_ended(record: PhaseMap) -> str:
    row, column = record.chosen
    left, named = float(record.left[-1, row, column]), _cell(record)
    if (step := record.diverged_at) >= 0:
        if np.isnan(left):
            return say("The chosen adapter ({cell}) diverged after step {step}.", cell=named, step=step)
        return say(
            "The chosen adapter ({cell}) diverged after step {step}: {left} of its excess loss remains.",
            cell=named, step=step, left=number(left),
        )  # fmt: skip
    state = say(REGIONS[int(record.region[-1, row, column])])
    if np.isnan(left):
        return say("The chosen adapter ({cell}) is {state}.", cell=named, state=state)
    return say(
        "The chosen adapter ({cell}) is {state}: {left} of its excess loss remains.",
        cell=named, state=state, left=number(left),
    )  # fmt: skip


def _share(cells: np.ndarray) -> str:
    return percent(float(cells.mean()))


def table(record: PhaseMap) -> dict[str, np.ndarray]:
    """The map at the last step, a cell a row."""
    m, n = record.left.shape[1:]
    return {
        record.x_name: np.tile(record.x, m),
        record.y_name: np.repeat(record.y, n),
        "excess_left": record.left[-1].ravel(),
        "region": np.array(REGIONS)[record.region[-1].ravel()],
    }


def maths(record: PhaseMap, settings: Settings) -> str:
    """What the colour and the regions mean, and where the region that works comes from."""
    e = settings.experiment
    letters = {"A": tint("A", "A"), "B": tint("B", "B")}
    step = (
        r"X \leftarrow X - \eta_X\nabla_X" if e.optimizer == "sgd"
        else r"X \leftarrow X - \eta_X\,\hat m_X/(\sqrt{\hat v_X} + \varepsilon)"
    )  # fmt: skip
    if e.init == "both_zero":
        why = say("From ${A} = {B} = 0$ both gradients are 0, so no cell learns anything.", **letters)
    elif e.optimizer != "sgd":
        why = say("Adam moves both factors by about their own rate at first, so each rate has its own useful range.")
    elif e.init == "B_zero":
        why = say(
            "From ${B} = 0$ the first step moves ${B}$ alone, in proportion to $\\eta_B$. ${A}$ then follows in "
            "proportion to $\\eta_A$ and to what ${B}$ has become.", **letters,
        )  # fmt: skip
    else:
        why = say("Every step moves each factor in proportion to its own rate and to the other factor.")
    return say(
        r"""
$$
{step} \quad (X = {A}, {B}), \qquad q = \frac{{L - L_{{\text{{floor}}}}}}{{L_0 - L_{{\text{{floor}}}}}}
$$

The colour is $q$, the remaining part of the loss above the exact floor of its rank (reduced-rank regression).
**Good**: at most 1 % remains. **Dead**: at least 99 % remains. **Diverged**: not a finite number any more, or more than
twice the initial excess. **Slow**: all others. {why} All {adapters} adapters share seed, target, data and
initialisation; the chosen one ends at loss {loss}, its floor is {floor}.""",
        step=step, why=why, adapters=record.left[0].size, loss=number(float(record.loss[-1])),
        floor=number(record.floor), **letters,
    )  # fmt: skip


def chosen_run(
    settings: Settings, lab: Lab, x: Float[np.ndarray, "n"], y: Float[np.ndarray, "m"], at: tuple[int, int]
) -> Run:
    """The adapter of one cell, trained alone with its factors."""
    return lab.train(Sweep((cell(settings.experiment, settings["plane"], x, y, at),)), records=RECORDS)


def measure(settings: Settings, lab: Lab) -> PhaseMap:
    """Train every cell: on the CPU a coarse plane first, which is shown meanwhile, then the fine one in bands.

    A GPU needs no bands: thousands of adapters take it less time than a redraw.
    """
    e, kind = settings.experiment, settings["plane"]

    def trained(side: int, band: int = 0, count: int = 1) -> Run:
        sweep = plane(e, kind, side, band=band, count=count)
        return lab.train(sweep, settings.device, records=RECORDS, factors=False)

    def read(runs: tuple[Run, ...], side: int) -> PhaseMap:
        x, y = axes(e, kind, side)
        at = nearest_cell(x, y, (settings["map_row"] / 100, settings["map_column"] / 100))
        return phase_map(runs, chosen_run(settings, lab, x, y, at), kind=kind, x=x, y=y, chosen=at)

    if settings.device != "cpu":
        return read((trained(64),), 64)
    coarse = read((trained(8),), 8)
    runs = []
    for band in range(BANDS):
        said = say("Refining: {done} of {all} bands of the map are trained", done=band, all=BANDS)
        lab.report(band / BANDS, said, preview=coarse)
        runs.append(trained(24, band, BANDS))
    return read(tuple(runs), 24)


def pick(record: PhaseMap, row: int, column: int) -> dict[str, int]:
    """The settings that choose this cell, whatever the resolution."""
    share = (row + 0.5) / len(record.y), (column + 0.5) / len(record.x)
    return {"map_row": int(100 * share[0]), "map_column": int(100 * share[1])}


def _ask(seen: Seen, _: Any) -> Measured:
    left, field = shown(seen.film, "map"), seen.film.panel("map")
    assert isinstance(field, Field) and field.regions is not None
    last = field.regions.reshape(-1, *left.shape[-2:])[-1]
    good, diverged = last == REGIONS.index("good"), last == REGIONS.index("diverged")
    if not good.any():
        raise Unanswerable(say("No cell is good here: choose other settings, and the question will appear."))
    share, all_cells = (round(100 * float(cells.mean())) for cells in (good.any(axis=0), good))
    told = say("{share} % of the columns hold a good cell; of all cells {all} % are good.", share=share, all=all_cells)
    mistakes = (all_cells, round(100 * float((~diverged).mean())), 100 - share)
    return Measured(share, mistakes, told, {"x": field.x_title, "y": field.y_title}, unit=" %")


LESSON = Lesson(
    hero="map",
    id="phase_map", menu=to_say("Map of learning rates, rank and α"),
    title=to_say("Map of learning rates, rank and α: which settings work?"),
    claim=to_say(
        "Between settings that learn too slowly and those that diverge lies a region that works. In it one setting can "
        "make up for the other."
    ),
    place=50, default=Experiment(rank=4, alpha=8.0, optimizer="sgd", lr=0.02, steps=200, noise=0.1, dtype="float32"),
    controls=tuple(CONTROLS[name] for name in ("plane", "optimizer", "steps", "init", "condition")),
    more=tuple(CONTROLS[name] for name in ("rank", "target_rank", "noise", "scaling_rule", "map_row", "map_column")),
    many=True, measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="map", table=table, on_pick=pick,
    exports=lambda record, settings, lab: chosen_run(settings, lab, record.x, record.y, record.chosen),
    question=Question(
        to_say("The map has one column for each value of {x}. What percentage of its columns holds a good cell?"),
        to_say(
            "If one setting can make up for the other, good cells are spread over many columns; if not, they form a "
            "block."
        ),
        _ask,
    ),
)  # fmt: skip
