"""Which rank do other digits need? Head, LoRA and full fine-tuning of a small network on real images, as they learn."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float, Int

from lora_viz.core.seeds import spread
from lora_viz.core.spectra import ranks
from lora_viz.film.panels import Answers, Curve, Curves, Film, Lines, Pictures, Readout, Row, Series
from lora_viz.film.style import IDENTITY, number, plotly_layout
from lora_viz.i18n.language import say, to_say
from lora_viz.networks.digits import CHANGED, RANKS, DigitsRun, changed

__all__ = ["DigitsAdapt", "digits_adapt", "film", "plot_digits_adapt", "table", "takeaway"]

LEVELS = np.linspace(0.1, 1.0, 46)
NEAR = 0.01  # within a point of full fine-tuning: about the standard error of 500 test images


class DigitsAdapt(NamedTuple):
    """Accuracies on the changed (``new``) and the upright (``old``) digits: (low, median, high) over the members.

    ``kept`` is the frontier: the best old accuracy (median) seen so far with at least LEVELS of new; NaN where no such
    moment was. ``sigma`` is the spectrum of ΔW of the first hidden layer in the first member, ``effective`` its
    effective rank and ``last_effective`` the median of both layers over the members at the end. ``exact`` is the
    spectrum of the ΔW that needs no training: W₁(P − I) for moved pixels, −2W₁ for inverted ones, 0 for new names.
    ``enough`` is the least rank within a point of full fine-tuning at the end, 0 where there is none.
    """

    change: str
    steps: Int[np.ndarray, "T"]
    methods: tuple[str, ...]
    new: Float[np.ndarray, "3 T M"]
    old: Float[np.ndarray, "3 T M"]
    base_new: float
    base_old: float
    kept: Float[np.ndarray, "T M L"]
    sigma: Float[np.ndarray, "T M k"]
    effective: Float[np.ndarray, "T M"]
    last_effective: Float[np.ndarray, "2 M"]
    exact: Float[np.ndarray, "k"]
    trainable: Int[np.ndarray, "M"]
    images: Float[np.ndarray, "K 8 8"]
    truth: Int[np.ndarray, "K"]
    before: Int[np.ndarray, "K"]
    predicted: Int[np.ndarray, "T M K"]
    right: Bool[np.ndarray, "T M K"]
    members: int
    enough: int


def digits_adapt(run: DigitsRun) -> DigitsAdapt:
    """Medians and ranges over the members, the frontier, and the kinds of rank of the updates."""
    new, old = (spread(x, axis=2, worst="least") for x in (run.new, run.old))
    reached = run.new[..., None] >= LEVELS  # T M S L; NaN reaches nothing
    best = np.maximum.accumulate(np.where(reached, run.old[..., None], -1.0), axis=0)
    kept = np.median(best, axis=2)
    effective = np.array([[_effective(s) for s in at] for at in run.sigma[:, :, 0]])
    last = np.array([[[_effective(s) for s in m] for m in layer] for layer in run.last_sigma.transpose(2, 0, 1, 3)])
    lora, full = new[1, -1, 1:-1], new[1, -1, -1]
    near = np.flatnonzero(lora >= full - NEAR)
    return DigitsAdapt(
        change=run.experiment.change,
        steps=run.steps,
        methods=run.methods,
        new=new,
        old=old,
        base_new=float(np.median(run.base_new)),
        base_old=float(np.median(run.base_old)),
        kept=np.where(kept < 0, np.nan, kept),
        sigma=run.sigma[:, :, 0],
        effective=effective,
        last_effective=np.median(last, axis=1),
        exact=np.linalg.svd(_exact(run), compute_uv=False),
        trainable=run.trainable,
        images=run.shown,
        truth=run.truth,
        before=run.before,
        predicted=run.predicted,
        right=run.predicted == run.truth,
        members=run.new.shape[2],
        enough=int(RANKS[near[0]]) if len(near) else 0,
    )


def _effective(sigma: Float[np.ndarray, "k"]) -> float:
    return ranks(sigma, bound=len(sigma)).effective if np.isfinite(sigma).all() else float("nan")


def _exact(run: DigitsRun) -> Float[np.ndarray, "h d"]:
    """The ΔW of the first layer that undoes the change before anything else is asked."""
    match run.experiment.change:
        case "inverted":
            return -2 * run.base_weight
        case "relabelled":
            return np.zeros_like(run.base_weight)
    pixels = np.eye(64)
    moved, _ = changed(pixels, np.zeros(64, dtype=np.int64), run.experiment.change, run.experiment.seed)
    return run.base_weight @ (moved - pixels)


Dash = Literal["solid", "dash", "dot", "dashdot"]
_LOOKS: dict[str, tuple[str, Dash]] = {
    "head": ("faint", "dashdot"),
    "r=1": ("delta", "dot"),
    "r=4": ("delta", "dash"),
    "r=16": ("delta", "solid"),
}


def film(record: DigitsAdapt) -> Film:
    """The playhead runs over the steps: learning curves, accuracy against rank, what is kept, spectra and readings."""
    place = {name: m for m, name in enumerate(record.methods)}
    looks: dict[str, tuple[str, Dash]] = {**_LOOKS, "full": ("W", "solid")}
    lora = slice(1, 1 + len(RANKS))
    frames = len(record.steps)

    def level(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T R"]:
        return np.repeat(values[:, None], len(RANKS), axis=1)

    spectra = np.where(record.sigma > 1e-6 * record.sigma.max(axis=2, keepdims=True), record.sigma, np.nan)
    return Film(
        axis=to_say("step"),
        values=record.steps.astype(float),
        start=frames - 1,
        seconds_per_frame=0.3,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            Lines(
                id="accuracy",
                title=say("Test accuracy on {digits}", digits=say(CHANGED[record.change])),
                y_label=say("median, range of {members}", members=record.members),
                x_scale="sqrt",
                reach=1.0,
                span=5,
                series=tuple(
                    Series(
                        id=_id(name),
                        name=_way(name),
                        colour=colour,
                        dash=dash,
                        y=record.new[1, :, place[name]],
                        low=record.new[0, :, place[name]],
                        high=record.new[2, :, place[name]],
                    )
                    for name, (colour, dash) in looks.items()
                ),
            ),
            Curves(
                id="against_rank",
                title=say("Accuracy against rank, now"),
                x=np.array(RANKS, dtype=float),
                x_label=say("rank r"),
                y_label=say("accuracy"),
                x_scale="log",
                reach=1.0,
                span=4,
                series=(
                    Curve(
                        id="lora",
                        name="LoRA",
                        colour="delta",
                        dots=True,
                        y=record.new[1, :, lora],
                        low=record.new[0, :, lora],
                        high=record.new[2, :, lora],
                    ),
                    Curve(id="full", name=say("full"), colour="W", y=level(record.new[1, :, -1])),
                    Curve(id="head", name=_way("head"), colour="faint", y=level(record.new[1, :, 0]), dash="dashdot"),
                    Curve(
                        id="upright",
                        name=say("LoRA, upright"),
                        colour="clean",
                        y=record.old[1, :, lora],
                        dots=True,
                        dash="dot",
                    ),
                ),
            ),
            Curves(
                id="frontier",
                title=say("Old kept at new learnt"),
                x=LEVELS,
                x_label=say("new ≥"),
                y_label=say("upright"),
                reach=1.0,
                span=3,
                series=tuple(
                    Curve(
                        id=_id(name),
                        name=_way(name),
                        colour=looks[name][0],
                        dash=looks[name][1],
                        y=record.kept[:, place[name]],
                    )
                    for name in ("r=1", "r=16", "full")
                ),
            ),
            Curves(
                id="singular_values",
                title=say("Singular values of ΔW₁, first network"),
                x=np.arange(1, record.sigma.shape[2] + 1, dtype=float),
                x_label="i",
                y_label=say("σᵢ, log"),
                scale="log",
                span=4,
                row=1,
                series=(
                    *(
                        Curve(
                            id=_id(name),
                            name=_way(name),
                            colour=looks[name][0],
                            dash=looks[name][1],
                            y=spectra[:, place[name]],
                            dots=name == "r=1",
                        )
                        for name in ("r=1", "r=4", "r=16", "full")
                    ),
                    Curve(
                        id="exact",
                        name=say("exact answer"),
                        colour="ink",
                        y=np.where(record.exact > 1e-6, record.exact, np.nan),
                        dash="dash",
                    ),
                ),
            ),
            Pictures(
                id="pictures",
                title=say("Test images, and what each says"),
                images=record.images,
                span=5,
                row=1,
                rows=(
                    Answers(
                        id="before",
                        name=say("before"),
                        text=(_said(record.before),),
                        right=(_true(record.before == record.truth),),
                    ),
                    *(
                        Answers(
                            id=_id(name),
                            name=_way(name),
                            colour=looks[name][0] if name != "head" else "ink",
                            text=tuple(_said(record.predicted[t, place[name]]) for t in range(frames)),
                            right=tuple(_true(record.right[t, place[name]]) for t in range(frames)),
                        )
                        for name in ("head", "r=1", "r=4", "r=16", "full")
                    ),
                ),
            ),
            Readout(
                id="readings",
                title=say("Trains · bytes · eff. rank ΔW₁"),
                span=3,
                row=1,
                rows=tuple(
                    Row(
                        id=_id(name),
                        label=_way(name),
                        colour=_colour(name),
                        text=tuple(_reading(record, t, m) for t in range(frames)),
                    )
                    for name, m in place.items()
                    if name != "r=2"
                ),
            ),
        ),
    )


def _way(name: str) -> str:
    """What a way of adapting is called: a rank as it is, the two others in words."""
    return {"head": say("head only"), "full": say("full")}.get(name, name)


def _said(digits: Int[np.ndarray, "K"]) -> tuple[str, ...]:
    return tuple(str(int(d)) for d in digits)


def _true(right: Bool[np.ndarray, "K"]) -> tuple[bool, ...]:
    return tuple(bool(r) for r in right)


def _colour(name: str) -> str:
    return {"head": "ink", "full": "W"}.get(name, "delta")


def _reading(record: DigitsAdapt, t: int, m: int) -> str:
    size = int(record.trainable[m])
    rank = say("none") if record.methods[m] == "head" else number(float(record.effective[t, m]))
    return f"{size:,} · {4 * size / 1000:.1f} kB · {rank}"


def percent(share: float) -> str:
    """Without a false digit: 500 test images."""
    return "—" if np.isnan(share) else f"{100 * share:.1f} %"


def _narrate(record: DigitsAdapt, t: int) -> str:
    now, old = record.new[1, t], record.old[1, t]
    if t == 0:
        return say(
            "Before the first step every way reads {now}: B = 0, nothing has changed.", now=percent(float(now[-1]))
        )
    ways = ("head", "r=1", "r=8", "full")
    reached = [f"{_way(name)} {percent(float(now[record.methods.index(name)]))}" for name in ways]
    kept = percent(float(old[record.methods.index("r=8")]))
    return say(
        "Step {step}: {reached}. Upright digits with the adapter of rank 8: {kept}.",
        step=record.steps[t],
        reached=", ".join(reached),
        kept=kept,
    )


def takeaway(record: DigitsAdapt) -> str:
    """What was seen, in the run's own numbers."""
    last, old = record.new[:, -1], record.old[1, -1]
    if not np.isfinite(last[1]).all():
        gone = [_way(name) for name, v in zip(record.methods, last[1], strict=True) if not np.isfinite(v)]
        return say("{gone} ended in outputs that are no numbers: lower the learning rate.", gone=", ".join(gone))
    full, best = last[1, -1], float(last[1, 1:-1].max())
    rank8, size = record.methods.index("r=8"), record.trainable
    said = [
        say(
            "In this experiment full fine-tuning reads {full} of the {digits} (median of {members} networks, {low} to "
            "{high}), the head alone {head}.",
            full=percent(float(full)),
            digits=say(CHANGED[record.change]),
            members=record.members,
            low=percent(float(last[0, -1])),
            high=percent(float(last[2, -1])),
            head=percent(float(last[1, 0])),
        )
    ]
    if record.enough:
        m = record.methods.index(f"r={record.enough}")
        said.append(
            say(
                "LoRA comes within a point of full from rank {enough} on ({reached}), training {trained:,} of {all:,} "
                "numbers; rank 1 reads {least}.",
                enough=record.enough,
                reached=percent(float(last[1, m])),
                trained=size[m],
                all=size[-1],
                least=percent(float(last[1, 1])),
            )
        )
    else:
        said.append(
            say(
                "No rank up to {most} comes within a point of it: LoRA's best is {best}.",
                most=RANKS[-1],
                best=percent(best),
            )
        )
    if record.change == "inverted":
        said.append(say("The exact answer is ΔW₁ = −2W₁, of full rank, and biases that LoRA leaves alone."))
    if record.change == "relabelled":
        said.append(say("New names are the head's work: its rows change places, and no hidden weight need move."))
    said.append(
        say(
            "Upright digits fall from {before} to {adapted} (rank 8) and {full} (full); the adapter can be taken off "
            "again.",
            before=percent(record.base_old),
            adapted=percent(float(old[rank8])),
            full=percent(float(old[-1])),
        )
    )
    return " ".join(said)


def table(record: DigitsAdapt) -> dict[str, np.ndarray]:
    """The last step, one row a method."""
    return {
        "method": np.array(record.methods),
        "trainable": record.trainable,
        "bytes_float32": 4 * record.trainable,
        "new_low": record.new[0, -1],
        "new_median": record.new[1, -1],
        "new_high": record.new[2, -1],
        "old_median": record.old[1, -1],
        "effective_rank_layer_1": record.last_effective[0],
        "effective_rank_layer_2": record.last_effective[1],
    }


def plot_digits_adapt(record: DigitsAdapt, *, theme: str = "light") -> go.Figure:
    """Accuracy against rank at the last step, over head and full, and what is left of the old digits."""
    colours = IDENTITY[theme]
    figure = go.Figure()
    for name, values, colour in (
        (say("LoRA, changed digits"), record.new, "delta"),
        (say("LoRA, upright digits"), record.old, "clean"),
    ):
        low, middle, high = values[:, -1, 1:-1]
        figure.add_scatter(
            x=list(RANKS), y=middle, name=name, mode="lines+markers",
            line={"color": colours[colour], "width": 3},
            error_y={"type": "data", "symmetric": False, "array": high - middle, "arrayminus": middle - low},
        )  # fmt: skip
    for name, m, colour in ((say("full"), -1, "W"), (say("head only"), 0, "faint")):
        figure.add_hline(
            y=float(record.new[1, -1, m]), line={"color": colours[colour], "dash": "dash"}, annotation_text=name
        )
    figure.update_xaxes(title=say("rank r"), type="log", tickvals=list(RANKS))
    figure.update_yaxes(title=say("test accuracy"), range=[0, 1.02])
    figure.update_layout(
        **plotly_layout(
            title=say(
                "Adapted to {digits}, median and range of {members}",
                digits=say(CHANGED[record.change]),
                members=record.members,
            )
        )
    )
    return figure
