"""What happens when two adapters share one base? Switched, mixed, added, weighted; and averaged in the wrong place."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float

from lora_viz.core.seeds import spread
from lora_viz.core.spectra import ranks
from lora_viz.film.panels import Curve, Curves, Field, Film, Lines, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say
from lora_viz.networks.digits import CHANGED, PairRun

__all__ = ["AdaptersTogether", "adapters_together", "film", "plot_adapters_together", "table", "takeaway"]


Dash = Literal["solid", "dash", "dot", "dashdot"]


class AdaptersTogether(NamedTuple):
    """Accuracies are (low, median, high) over the members, on the first's, the second's and the upright digits.

    ``mixed`` and ``averaged`` run over the weight w of the second; ``worse`` is the median of the worse of both tasks
    at the grid's weights (v, w), ``added`` the accuracies of W + ΔW₁ + ΔW₂. ``sigma`` are the singular values of the
    mixed ΔW of the first layer in the first member, ``numerical`` their numerical rank (σ > 10⁻⁶ σ₁), ``sum_rank``
    that of ΔW₁ + ΔW₂. ``off`` is how far averaged factors are from the mixed ΔW, relative to it. ``chance`` is the
    overlap expected of random subspaces, r/d.
    """

    second: str
    rank: int
    weight: Float[np.ndarray, "T"]
    mixed: Float[np.ndarray, "3 T 3"]
    averaged: Float[np.ndarray, "3 T 3"]
    off: Float[np.ndarray, "3 T"]
    base: Float[np.ndarray, "3 3"]
    added: Float[np.ndarray, "3 3"]
    grid_weight: Float[np.ndarray, "V"]
    worse: Float[np.ndarray, "V V"]
    sigma: Float[np.ndarray, "T k"]
    numerical: tuple[int, ...]
    sum_rank: int
    inputs: float
    outputs: float
    chance: float
    reach: Float[np.ndarray, "2"]
    members: int


def adapters_together(run: PairRun) -> AdaptersTogether:
    """Medians and ranges over the members, and the spectrum of the mixture."""
    e = run.experiment
    delta = run.scaling * run.B @ run.A
    w = run.weight[:, None, None]
    sigma = np.linalg.svd((1 - w) * delta[0] + w * delta[1], compute_uv=False)
    together = np.linalg.svd(delta.sum(axis=0), compute_uv=False)
    one = int(np.argmin(np.abs(run.grid_weight - 1)))
    return AdaptersTogether(
        second=e.second,
        rank=e.rank,
        weight=run.weight,
        mixed=spread(run.mixed, axis=-1, worst="least"),
        averaged=spread(run.averaged, axis=-1, worst="least"),
        off=spread(np.nan_to_num(run.difference), axis=-1),
        base=spread(run.base, axis=-1, worst="least"),
        added=spread(run.grid[one, one], axis=-1, worst="least"),
        grid_weight=run.grid_weight,
        worse=np.median(run.grid[:, :, :2].min(axis=2), axis=-1),
        sigma=sigma[:, : 2 * e.rank + 2],
        numerical=tuple(ranks(s, bound=2 * e.rank).numerical for s in sigma),
        sum_rank=ranks(together, bound=2 * e.rank).numerical,
        inputs=float(np.median(run.inputs)),
        outputs=float(np.median(run.outputs)),
        chance=e.rank / run.A.shape[2],
        reach=np.median(run.reach, axis=1),
        members=run.mixed.shape[-1],
    )


def film(record: AdaptersTogether) -> Film:
    """The playhead runs over the weight of the second adapter: from the first alone to the second alone."""
    frames = len(record.weight)
    names = (say(ON[FIRST]), _on_second(record), say("on upright"))
    looks: tuple[tuple[str, Dash], ...] = (("delta", "solid"), ("delta", "dash"), ("clean", "dot"))
    kept = np.where(record.sigma > 1e-6 * record.sigma[:, :1], record.sigma, np.nan)
    labels = tuple(f"{v:g}" for v in record.grid_weight)
    one = int(np.argmin(np.abs(record.grid_weight - 1)))
    return Film(
        axis=to_say("weight of the second"),
        values=record.weight,
        start=frames // 2,
        seconds_per_frame=0.3,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            Lines(
                id="mixed",
                title=say("Mixed: W + (1−w) ΔW₁ + w ΔW₂"),
                y_label=say("accuracy, {members} networks", members=record.members),
                reach=1.0,
                span=5,
                series=tuple(
                    Series(
                        id=part,
                        name=name,
                        colour=c,
                        dash=dash,
                        y=record.mixed[1, :, i],
                        low=record.mixed[0, :, i],
                        high=record.mixed[2, :, i],
                    )
                    for i, (name, (c, dash)) in enumerate(zip(names, looks, strict=True))
                ),
            ),
            Lines(
                id="averaged",
                title=say("Wrong: A's and B's averaged"),
                y_label=say("share"),
                reach=1.0,
                span=4,
                series=(
                    *(
                        Series(
                            id=part,
                            name=name,
                            colour=c,
                            dash=dash,
                            y=record.averaged[1, :, i],
                            low=record.averaged[0, :, i],
                            high=record.averaged[2, :, i],
                        )
                        for i, (name, (c, dash)) in enumerate(zip(names[:2], looks[:2], strict=True))
                    ),
                    Series(
                        id="off",
                        name=say("ΔW off by"),
                        colour="alarm",
                        dash="dash",
                        y=record.off[1],
                        low=record.off[0],
                        high=record.off[2],
                    ),
                ),
            ),
            Readout(
                id="overlap",
                title=say("Do they share directions?"),
                span=3,
                rows=(
                    Row(id="inputs", label=say("inputs (rows of A)"), colour="A", text=(number(record.inputs),)),
                    Row(id="outputs", label=say("outputs (columns of B)"), colour="B", text=(number(record.outputs),)),
                    Row(id="random", label=say("random subspaces"), text=(number(record.chance),)),
                    Row(id="push_first", label=say("push by the other: 1st"), text=(_times(record.reach[0]),)),
                    Row(id="push_second", label=say("2nd"), text=(_times(record.reach[1]),)),
                ),
            ),
            Field(
                id="worse",
                title=say("The worse of both tasks, at any two weights"),
                values=record.worse,
                x_labels=labels,
                y_labels=labels,
                x_title=say("weight of the second ({change})", change=_second(record)),
                y_title=say("weight of the first ({change})", change=say(FIRST)),
                chosen=(one, one),
                caption=(say("outlined: both added whole"),),
                span=5,
                row=1,
            ),
            Curves(
                id="singular_values",
                title=say("Singular values of the mixed ΔW₁"),
                x=np.arange(1, record.sigma.shape[1] + 1, dtype=float),
                x_label="i",
                y_label=say("σᵢ, first network"),
                span=4,
                row=1,
                series=(Curve(id="mixed", name=say("mixed"), colour="delta", y=kept, dots=True),),
            ),
            Readout(
                id="ranks",
                title=say("Ranks add up"),
                span=3,
                row=1,
                rows=(
                    Row(id="bound", label=say("bound r of each"), text=(str(record.rank),)),
                    Row(
                        id="mixed",
                        label=say("numerical, mixed"),
                        colour="delta",
                        text=tuple(str(n) for n in record.numerical),
                    ),
                    Row(id="added", label=say("numerical, added"), colour="delta", text=(str(record.sum_rank),)),
                    Row(id="added_first", label=say("both added: 1st task"), text=(_percent(record.added[1, 0]),)),
                    Row(id="added_second", label=say("2nd task"), text=(_percent(record.added[1, 1]),)),
                ),
            ),
        ),
    )


FIRST = "rotated"
ON = {
    "rotated": to_say("on rotated"),
    "relabelled": to_say("on relabelled"),
    "permuted": to_say("on permuted"),
    "inverted": to_say("on inverted"),
}


def _second(record: AdaptersTogether) -> str:
    return say(record.second) if record.second != FIRST else say("rotated (2)")


def _on_second(record: AdaptersTogether) -> str:
    return say(ON[record.second]) if record.second != FIRST else say("on rotated (2)")


def _percent(share: float) -> str:
    return "—" if np.isnan(share) else f"{100 * share:.1f} %"


def _times(value: float) -> str:
    return "—" if np.isnan(value) else f"{number(float(value))}×"


def _narrate(record: AdaptersTogether, t: int) -> str:
    w, now = float(record.weight[t]), record.mixed[1, t]
    what = say("The first alone") if t == 0 else say("The second alone") if w == 1 else f"w = {w:.2f}"
    return say(
        "{what}: {first} of the {digits}, {second} of the {others} read right; with averaged factors {wrong_first} and "
        "{wrong_second}.",
        what=what,
        first=_percent(now[0]),
        digits=say(CHANGED[FIRST]),
        second=_percent(now[1]),
        others=say(CHANGED[record.second]) if record.second != FIRST else say("rotated digits (2)"),
        wrong_first=_percent(record.averaged[1, t, 0]),
        wrong_second=_percent(record.averaged[1, t, 1]),
    )


def takeaway(record: AdaptersTogether) -> str:
    """What was seen, in the run's own numbers."""
    middle = len(record.weight) // 2
    alone = record.mixed[1, 0, 0], record.mixed[1, -1, 1]
    if not np.isfinite(record.mixed).all():
        return say("An adapter ended in outputs that are no numbers: lower the learning rate.")
    best = np.unravel_index(int(np.argmax(record.worse)), record.worse.shape)
    v, w = (float(record.grid_weight[i]) for i in best)
    said = [
        say(
            "In this experiment switching works: alone, they read {first} and {second} of their own digits (medians of "
            "{members} networks), and with both off the base reads {base} of the upright ones, as before.",
            first=_percent(alone[0]),
            second=_percent(alone[1]),
            members=record.members,
            base=_percent(record.base[1, 2]),
        ),
        say(
            "Added, they read {first} and {second}; at the best two weights ({v:g} and {w:g}) the worse of both is "
            "{worse}.",
            first=_percent(record.added[1, 0]),
            second=_percent(record.added[1, 1]),
            v=v,
            w=w,
            worse=_percent(float(record.worse[best])),
        ),
    ]
    if record.sum_rank:
        said.append(
            say(
                "Ranks add up: {rank} + {rank} gives numerical rank {sum_rank}.",
                rank=record.rank,
                sum_rank=record.sum_rank,
            )
        )
        said.append(
            say(
                "Averaging A's and B's is not averaging products: at one half ΔW is {off:.0f} % off.",
                off=100 * record.off[1, middle],
            )
        )
    if record.second != FIRST and record.inputs < 3 * record.chance:
        said.append(
            say(
                "Overlap does not warn here: the input subspaces share {inputs} (random ones {chance}), yet the other "
                "adapter pushes the first's images {reach} as hard as its own does, because the images lie in both.",
                inputs=number(record.inputs),
                chance=number(record.chance),
                reach=_times(record.reach[0]),
            )
        )
    return " ".join(said)


def table(record: AdaptersTogether) -> dict[str, np.ndarray]:
    """Accuracies over the weight of the second adapter."""
    return {
        "weight_of_second": record.weight,
        "mixed_first_task": record.mixed[1, :, 0],
        "mixed_second_task": record.mixed[1, :, 1],
        "mixed_upright": record.mixed[1, :, 2],
        "averaged_factors_first_task": record.averaged[1, :, 0],
        "averaged_factors_second_task": record.averaged[1, :, 1],
        "averaged_factors_delta_off": record.off[1],
        "numerical_rank_mixed": np.array(record.numerical),
    }


def plot_adapters_together(record: AdaptersTogether, *, theme: str = "light") -> go.Figure:
    """Both tasks over the weight, mixed and with averaged factors."""
    colours = IDENTITY[theme]
    figure = go.Figure()
    for i, (task, dash) in enumerate(((say(FIRST), "solid"), (_second(record), "dash"))):
        for name, values, colour in (
            (say("{digits}, mixed", digits=task), record.mixed, "delta"),
            (say("{digits}, factors averaged", digits=task), record.averaged, "alarm"),
        ):
            figure.add_scatter(
                x=record.weight, y=values[1, :, i], name=name, mode="lines",
                line={"color": colours[colour], "dash": dash, "width": 3},
            )  # fmt: skip
    figure.update_layout(
        **plotly_layout(
            title=say("Two adapters of rank {rank} on one base", rank=record.rank),
            xaxis={"title": say("weight of the second")},
            yaxis={"title": say("test accuracy"), "range": [0, 1.02]},
        )
    )
    return figure
