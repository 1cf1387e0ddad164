"""What DoRA and LoRA do to the length and to the direction of every row of a weight."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable, word
from lora_viz.core.experiment import Experiment, Sweep
from lora_viz.core.run import Run
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import least_squares
from lora_viz.engine.training import train
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, HeatMap, Lines, Series
from lora_viz.film.spreads import ranged
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import decimal, say, to_say
from lora_viz.layer.variants import VARIANTS
from lora_viz.lessons.catalogue import CONTROLS, TARGETS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import share_of_loss
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided

__all__ = ["LESSON", "STARTS", "RowParts", "row_parts", "row_sweep"]

STARTS = 8
LOOK = {"DoRA": "delta", "LoRA": "ink"}
STILL = 0.05  # degrees: below it no row turns


class RowParts(NamedTuple):
    """Length ‖w′‖/‖w‖ and turn ∠(w′, w), in degrees, of every row: DoRA's first start's and LoRA's, (2, T, d_out).

    ``turn_error`` and ``left``, (3, 2, T), are (low, median, high) over the starts: of the mean |turn − target's turn|,
    and of the share of the loss that is left. ``delta`` are the first starts' updates.
    """

    steps: Int[np.ndarray, "T"]
    length: Float[np.ndarray, "2 T d_out"]
    turn: Float[np.ndarray, "2 T d_out"]
    target_length: Float[np.ndarray, "d_out"]
    target_turn: Float[np.ndarray, "d_out"]
    turn_error: Float[np.ndarray, "3 2 T"]
    left: Float[np.ndarray, "3 2 T"]
    delta: Float[np.ndarray, "2 T d_out d_in"]
    limit: float
    rank: int
    starts: int
    diverged: int


def row_sweep(e: Experiment) -> Sweep:
    """DoRA and LoRA, eight starts each."""
    return Sweep.over(e, variant=("dora", "lora"), init_seed=range(STARTS))


def _parts(
    weight: Float[np.ndarray, "d_out d_in"], delta: Float[np.ndarray, "*T d_out d_in"]
) -> tuple[Float[np.ndarray, "*T d_out"], Float[np.ndarray, "*T d_out"]]:
    """Lengths of W + ΔW's rows over W's, and the angles between them, from sines and cosines: exact near 0."""
    was = np.linalg.norm(weight, axis=1)
    along = np.sum((weight + delta) * weight, axis=-1) / was
    across = np.linalg.norm(weight + delta - (along / was)[..., None] * weight, axis=-1)
    return np.hypot(along, across) / was, np.degrees(np.arctan2(across, along))


def row_parts(run: Run) -> RowParts:
    """Read a trained ``row_sweep``."""
    task, n = run.task, len(run.sweep)
    least = least_squares(task)[1]
    whole = 0.5 * task.residual_energy - least or 1.0
    target_length, target_turn = _parts(task.base_weight, task.target_delta)
    errors, firsts = [], {}
    for i in range(n):
        delta = run.delta_weight(i).astype(float)
        length, turn = _parts(task.base_weight, delta)
        error = np.abs(turn - target_turn).mean(axis=1)
        errors.append(np.where(np.isfinite(run.loss[:, i]), error, np.nan))
        if i % STARTS == 0:
            firsts[i // STARTS] = length, turn, delta
    length, turn, delta = (np.stack([firsts[k][part] for k in range(2)]) for part in range(3))
    return RowParts(
        steps=run.steps, length=length, turn=turn, target_length=target_length, target_turn=target_turn,
        turn_error=spread(np.array(errors).reshape(2, STARTS, -1), axis=1),
        left=spread((((run.loss - least) / whole).clip(min=0)).T.reshape(2, STARTS, -1), axis=1), delta=delta,
        limit=float(np.abs(task.target_delta).max()) or 1.0, rank=run.sweep[0].rank, starts=STARTS,
        diverged=int((run.diverged_at >= 0).sum()),
    )  # fmt: skip


def film(record: RowParts) -> Film:
    """Every row's length and turn, both means over the steps, and both updates."""
    rows = tuple(str(i + 1) for i in range(len(record.target_turn)))
    bar_ids = tuple(f"row_{row}" for row in rows)

    def curves(values: np.ndarray) -> tuple[Series, ...]:
        low, middle, high = np.where(values > 1e6, np.nan, values)
        high = np.where(np.isnan(high), middle, high)
        return tuple(
            Series(name.lower(), name, colour, middle[k], low=low[k], high=high[k])
            for k, (name, colour) in enumerate(LOOK.items())
        )

    length = Bars(
        "length", say("Magnitude of each row, over that in W"), y_label="‖w′‖/‖w‖", labels=rows,
        bar_ids=bar_ids, span=6,
        groups=(
            Group("lora", "LoRA", "W", record.length[1].clip(max=1e6)),
            Group("dora", "DoRA", "delta", record.length[0].clip(max=1e6)),
            Group("target", say("target"), "ink", record.target_length, outline=True),
        ),
    )  # fmt: skip
    turn = Bars(
        "turn", say("Angle between each row and its row in W"), y_label=say("degrees"), labels=rows, bar_ids=bar_ids,
        span=6,
        groups=(
            Group("lora", "LoRA", "W", record.turn[1]),
            Group("dora", "DoRA", "delta", record.turn[0]),
            Group("target", say("target"), "ink", record.target_turn, outline=True),
        ),
    )  # fmt: skip
    turn_error = Lines(
        "turn_error", say("Error in direction, mean over the rows"),
        y_label=say("degrees ({starts} seeds)", starts=record.starts), series=curves(record.turn_error), span=4, row=1,
    )  # fmt: skip
    loss_left = Lines(
        "loss_left", say("Remaining loss"), y_label=say("fraction ({starts} seeds)", starts=record.starts), scale="log",
        series=curves(record.left), span=4, row=1,
    )  # fmt: skip
    deltas = (
        HeatMap(
            f"delta_{name.lower()}", say("ΔW of {name}", name=name), colour,
            np.where(np.abs(delta) > 1e6, np.nan, delta), limit=record.limit, span=2, row=1,
        )
        for (name, colour), delta in zip(LOOK.items(), record.delta, strict=True)
    )  # fmt: skip
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float),
        start=len(record.steps) - 1, seconds_per_frame=1 / 12,
        narration=tuple(_narrate(record, t) for t in range(len(record.steps))),
        panels=(length, turn, turn_error, loss_left, *deltas),
    )  # fmt: skip


def _degrees(value: float) -> str:
    return say("less than 0.05°") if value < STILL else decimal(f"{value:.1f}°")


def _narrate(record: RowParts, t: int) -> str:
    if record.steps[t] == 0:
        return say("Step 0: every row has the magnitude and the direction that it has in W.")
    dora, lora = (_degrees(float(record.turn[k, t].mean())) for k in range(2))
    goal = _degrees(float(record.target_turn.mean()))
    return say(
        "Step {step}, mean rotation of rows (initialisation shown): DoRA {dora}, LoRA {lora}, target {goal}.",
        step=record.steps[t], dora=dora, lora=lora, goal=goal,
    )  # fmt: skip


def takeaway(record: RowParts) -> str:
    """Who turned what need not turn, and what was left."""
    if np.isnan(record.left[1, :, -1]).all():
        return say("Most adapters of both kinds diverged: lower the learning rate.")
    left_dora, left_lora = (share_of_loss(float(share)) for share in record.left[1, :, -1])
    off, off_lora = (_median(record, k) for k in range(2))
    goal = float(record.target_turn.mean())
    told = {"longer": number(100 * float(np.abs(record.target_length - 1).max())), "goal": _degrees(goal)}
    if goal < STILL:
        said = say("The target rotates no row and changes their magnitudes by up to {longer} %.", **told)
    else:
        said = say(
            "The target rotates its rows by {goal} on average and changes magnitudes by up to {longer} %.", **told
        )
    return said + " " + say(
        "DoRA of rank {rank} ended {off} off in direction, with {left} of the loss remaining; LoRA {off_lora} off, "
        "with {left_lora} (medians).",
        rank=record.rank, off=off, left=left_dora, off_lora=off_lora, left_lora=left_lora,
    )  # fmt: skip


def _median(record: RowParts, k: int) -> str:
    middle = float(record.turn_error[1, k, -1])
    return say("nothing finite") if np.isnan(middle) else _degrees(middle)


def detail(record: RowParts) -> str:
    """The ranges over the initialisations, whether magnitudes of their own help, and what diverged."""
    told = []
    if np.isfinite(record.turn_error[:, :, -1]).all():
        dora, lora = (ranged(record.turn_error[:, k, -1], _degrees) for k in range(2))
        told.append(
            say("Error in direction over {starts} initialisations: DoRA {dora}, LoRA {lora}.", starts=record.starts,
                dora=dora, lora=lora)
        )  # fmt: skip
    dora_left, lora_left = record.left[1, :, -1]
    if dora_left < 0.97 * lora_left and lora_left > 1e-4:
        told.append(say("Trained magnitudes help here."))
    elif not dora_left < lora_left and dora_left > 1e-4:
        told.append(say("Trained magnitudes bring nothing here: LoRA's product is enough."))
    if record.diverged:
        told.append(
            say("{diverged} of {adapters} adapters diverged.", diverged=record.diverged, adapters=2 * record.starts)
        )
    return " ".join(told)


def verdict(record: RowParts) -> Verdict:
    """Where the target rotates no row, DoRA's rows end less rotated than LoRA's, by more than is seen."""
    dora, lora = (float(x) for x in record.turn_error[1, :, -1])
    goal = float(record.target_turn.mean())
    evidence = {"target_turn": goal, "dora": dora, "lora": lora, "rank": record.rank}
    if np.isnan((dora, lora)).any():
        return undecided(say("most adapters of one kind diverged"), **evidence)
    if goal >= STILL:
        return false_here(
            say("the target also rotates its rows, by {goal} on average", goal=_degrees(goal)), **evidence
        )
    told = {"dora": _degrees(dora), "lora": _degrees(lora)}
    if lora - dora < STILL:
        return false_here(
            say("in the median, the rows ended rotated by {dora} with DoRA, by {lora} with LoRA", **told), **evidence
        )
    return true_here(
        say("in the median, the rows ended rotated by {dora} with DoRA, by {lora} with LoRA", **told), **evidence
    )


def table(record: RowParts) -> dict[str, np.ndarray]:
    """Every row's length and turn at the end, a row a row."""
    return {
        "row": np.arange(1, len(record.target_turn) + 1),
        "target_length": record.target_length,
        "target_turn_degrees": record.target_turn,
        "dora_length": record.length[0, -1],
        "dora_turn_degrees": record.turn[0, -1],
        "lora_length": record.length[1, -1],
        "lora_turn_degrees": record.turn[1, -1],
    }


def maths(record: RowParts, settings: Settings) -> str:
    """DoRA's rule and its gradients, and the longest rows at the end."""
    e, v = settings.experiment, VARIANTS["dora"]
    return say(
        r"""
$$
W' = \operatorname{{diag}}\!\Big(\frac{{m}}{{\|V\|_\text{{row}}}}\Big)\,V, \qquad V = W + s\,{B}{A}, \qquad
m_0 = \|W\|_\text{{row}}
$$

$m$ has one magnitude for each of the {d_out} rows, so DoRA of rank {rank} trains {dora} parameters here, LoRA
{lora}. Its gradient is $\nabla m_i = \langle G_i, V_i/\|V_i\|\rangle$; that of $V$ is
$(m_i/\|V_i\|)\,G_i$, because the norm is held out of the gradient, as the paper suggests (§4.3) and PEFT does; with it
the part of $G_i$ along $V_i$ would be removed. The row norms of the whole weight are $|m|$ at every step: the longest
row ended at {length} times its length in $W$, the target's longest is at
{target_length}. $\Delta W = W' - W$ may have full rank for any $r$.

**{title}**: {authors} {year}, [arXiv:{arxiv}](https://arxiv.org/abs/{arxiv}). The paper calls the norms
column-wise, of a weight written the other way round: one for each output.""",
        B=tint("B", "B"), A=tint("A", "A"), d_out=e.d_out, rank=e.rank, dora=v.parameters(e),
        lora=VARIANTS["lora"].parameters(e), length=number(float(record.length[0, -1].max())),
        target_length=number(float(record.target_length.max())), title=v.title, authors=v.authors, year=v.year,
        arxiv=v.arxiv,
    )  # fmt: skip


def trained(settings: Settings, lab: Lab) -> Run:
    """DoRA and LoRA on this task."""
    return lab.train(row_sweep(settings.experiment), settings.device, records=61)


def measure(settings: Settings, lab: Lab) -> RowParts:
    """Train both, and take every row apart into length and direction."""
    return row_parts(trained(settings, lab))


def _turned(e: Experiment, _: Any) -> tuple[float, float]:
    """What DoRA and LoRA leave of the loss on the other kind of target."""
    task = "row_rescale" if e.task == "rotation" else "rotation"
    dora, lora = row_parts(train(row_sweep(replace(e, task=task)), records=2)).left[1, :, -1]
    return float(dora), float(lora)


def _ask(seen: Seen, found: Any) -> Measured:
    dora, lora = found
    if not np.isfinite((dora, lora)).all():
        raise Unanswerable(say("It diverged: lower the learning rate, and the question will appear."))
    words = (say("DoRA, less than half"), say("LoRA, less than half"), say("neither: within a factor of two"))
    value = words[0 if 2 * dora < lora else 1 if 2 * lora < dora else 2]
    turned = seen.experiment.task != "rotation"
    other = (
        say("rotates the outputs of W, which changes directions and magnitudes of its rows")
        if turned
        else say("rescales the rows of W and rotates none")
    )
    told = say("DoRA left {dora} % and LoRA {lora} % of the loss, medians of 8 initialisations.", dora=word(100 * dora),
               lora=word(100 * lora))  # fmt: skip
    return Measured(value, words, told, {"other": other})


LESSON = Lesson(
    hero="turn",
    id="dora", menu=to_say("DoRA"), title=to_say("DoRA: change a row's magnitude or its direction?"),
    claim=to_say(
        "If only magnitudes must change, DoRA, which trains one per row, ends with less rotation of the rows than LoRA "
        "of the same rank."
    ),
    place=20,
    default=Experiment(
        task="row_rescale", rank=4, target_rank=4, alpha=8.0, lr=0.12, steps=200, schedule="linear", noise=0.0
    ),
    controls=(TARGETS, CONTROLS["rank"], CONTROLS["steps"]),
    more=tuple(CONTROLS[name] for name in ("optimizer", "lr", "alpha", "noise", "condition")), measure=measure,
    film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="turn", table=table,
    exports=lambda record, settings, lab: trained(settings, lab),
    question=Question(
        to_say("Now the target {other}. Which method leaves less of the loss?"),
        to_say(
            "DoRA's trained magnitudes help if the target changes magnitudes. A rotation has to pass through the low "
            "rank in both methods."
        ),
        _ask,
        _turned,
    ),
)  # fmt: skip
