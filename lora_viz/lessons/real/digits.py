"""Head, LoRA of several ranks and full fine-tuning of a small network that learns other digits, as they train."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.core.seeds import spread
from lora_viz.core.spectra import ranks
from lora_viz.export.network_files import network_home
from lora_viz.export.scripts.digits import digits_script
from lora_viz.export.scripts.script import Scripts
from lora_viz.film.film import Film
from lora_viz.film.panels import Answers, Curve, Curves, Lines, Pictures, Readout, Row, Series, band
from lora_viz.film.style import number, tint, to_a_tenth
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.networks.adapting import adapt_digits
from lora_viz.networks.digits import CHANGED, RANKS, DigitsExperiment, DigitsRun, changed
from lora_viz.networks.minilm_evidence import median_error, minilm_evidence

__all__ = ["LESSON", "DigitsAdapt", "digits_adapt"]

ENOUGH = (4, 8)  # the least rank that is within a point, over eight seeds
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
LOOKS: dict[str, tuple[str, Dash]] = {
    "head": ("faint", "dashdot"),
    "r=1": ("delta", "dot"),
    "r=4": ("delta", "dash"),
    "r=16": ("delta", "solid"),
    "full": ("W", "solid"),
}


def film(record: DigitsAdapt) -> Film:
    """The playhead runs over the steps: learning curves, accuracy against rank, what is kept, spectra and readings."""
    place = {name: m for m, name in enumerate(record.methods)}
    lora = slice(1, 1 + len(RANKS))
    frames = len(record.steps)

    def level(values: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T R"]:
        return np.repeat(values[:, None], len(RANKS), axis=1)

    def curve(name: str, y: Float[np.ndarray, "T M k"], *, dots: bool = False) -> Curve:
        colour, dash = LOOKS[name]
        return Curve(_id(name), _way(name), colour, y[:, place[name]], dash=dash, dots=dots)

    def answers(name: str) -> Answers:
        said, right = record.predicted[:, place[name]], record.right[:, place[name]]
        colour = LOOKS[name][0] if name != "head" else "ink"
        return Answers(_id(name), _way(name), tuple(map(_said, said)), tuple(map(_true, right)), colour=colour)

    spectra = np.where(record.sigma > 1e-6 * record.sigma.max(axis=2, keepdims=True), record.sigma, np.nan)
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float), start=frames - 1,
        seconds_per_frame=0.3, narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            Lines("accuracy", say("Test accuracy on {digits}", digits=say(CHANGED[record.change])),
                  y_label=say("median, range of {members}", members=record.members), x_scale="sqrt", reach=1.0, span=5,
                  series=tuple(Series(_id(name), _way(name), colour, dash=dash, **band(record.new[:, :, place[name]]))
                               for name, (colour, dash) in LOOKS.items())),
            Curves("against_rank", say("Accuracy against rank, now"), x=np.array(RANKS, dtype=float),
                   x_label=say("rank r"), y_label=say("accuracy"), x_scale="log", reach=1.0, span=4,
                   series=(Curve("lora", "LoRA", "delta", dots=True, **band(record.new[:, :, lora])),
                           Curve("full", say("full FT"), "W", level(record.new[1, :, -1])),
                           Curve("head", _way("head"), "faint", level(record.new[1, :, 0]), dash="dashdot"),
                           Curve("upright", say("LoRA, upright"), "clean", record.old[1, :, lora], dots=True,
                                 dash="dot"))),
            Curves("frontier", say("Old kept at new learnt"), x=LEVELS, x_label=say("new ≥"), y_label=say("upright"),
                   reach=1.0, span=3, series=tuple(curve(name, record.kept) for name in ("r=1", "r=16", "full"))),
            Curves("singular_values", say("Singular values of ΔW₁, first network"),
                   x=np.arange(1, record.sigma.shape[2] + 1, dtype=float), x_label="i", y_label=say("σᵢ, log"),
                   scale="log", span=4, row=1,
                   series=(*(curve(name, spectra, dots=name == "r=1") for name in ("r=1", "r=4", "r=16", "full")),
                           Curve("exact", say("exact target"), "ink",
                                 np.where(record.exact > 1e-6, record.exact, np.nan), dash="dash"))),
            Pictures("pictures", say("Test images, and what each recognises"), images=record.images, span=5, row=1,
                     rows=(Answers("before", say("before"), (_said(record.before),),
                                   (_true(record.before == record.truth),)), *map(answers, LOOKS))),
            Readout("readings", say("Trains · bytes · eff. rank ΔW₁"),
                    tuple(Row(_id(name), _way(name), tuple(_reading(record, t, m) for t in range(frames)),
                              colour=_colour(name)) for name, m in place.items() if name != "r=2"), span=3, row=1),
        ),
    )  # fmt: skip


def _id(name: str) -> str:
    return name.replace("=", "_")


def _way(name: str) -> str:
    """What a way of adapting is called: a rank as it is, the two others in words."""
    return {"head": say("head only"), "full": say("full FT")}.get(name, name)


def _said(digits: Int[np.ndarray, "K"]) -> tuple[str, ...]:
    return tuple(str(int(d)) for d in digits)


def _true(right: Bool[np.ndarray, "K"]) -> tuple[bool, ...]:
    return tuple(bool(r) for r in right)


def _colour(name: str) -> str:
    return {"head": "ink", "full": "W"}.get(name, "delta")


def _reading(record: DigitsAdapt, t: int, m: int) -> str:
    size = int(record.trainable[m])
    rank = say("none") if record.methods[m] == "head" else number(float(record.effective[t, m]))
    return say("{size:,} · {kilobytes:.1f} kB · {rank}", size=size, kilobytes=4 * size / 1000, rank=rank)


def _narrate(record: DigitsAdapt, t: int) -> str:
    now, old = record.new[1, t], record.old[1, t]
    if t == 0:
        return say("Step 0: every method recognises {now}, because B = 0.", now=to_a_tenth(float(now[-1])))
    head, one, eight, full = (to_a_tenth(float(now[record.methods.index(m)])) for m in ("head", "r=1", "r=8", "full"))
    return say(
        "Step {step}: head {head}, r = 1 {one}, r = 8 {eight}, full FT {full}; upright at r = 8: {kept}.",
        step=record.steps[t], head=head, one=one, eight=eight, full=full,
        kept=to_a_tenth(float(old[record.methods.index("r=8")])),
    )  # fmt: skip


def _gone(record: DigitsAdapt) -> tuple[str, ...]:
    """The ways that ended in outputs that are not finite."""
    return tuple(_way(m) for m, v in zip(record.methods, record.new[1, -1], strict=True) if not np.isfinite(v))


@sentences
def takeaway(record: DigitsAdapt) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    last = record.new[1, -1]
    if gone := _gone(record):
        yield say("Outputs that are not finite: {gone}. Lower the learning rate.", gone=", ".join(gone))
        return
    yield say(
        "Full fine-tuning recognises {full} of the {digits}, training only the head {head}.",
        full=to_a_tenth(float(last[-1])), digits=say(CHANGED[record.change]), head=to_a_tenth(float(last[0])),
    )  # fmt: skip
    if record.enough:
        m = record.methods.index(f"r={record.enough}")
        yield say(
            "LoRA comes within one percentage point at rank {enough} ({reached}), training {trained:,} of {all:,} "
            "parameters.",
            enough=record.enough, reached=to_a_tenth(float(last[m])), trained=record.trainable[m],
            all=record.trainable[-1],
        )  # fmt: skip
    else:
        yield say(
            "No rank up to {most} comes within one percentage point; LoRA's best is {best}.", most=RANKS[-1],
            best=to_a_tenth(float(last[1:-1].max())),
        )  # fmt: skip


@sentences
def detail(record: DigitsAdapt) -> Iterator[str]:
    """The spread, what the exact target is, and what is forgotten."""
    last, old = record.new[:, -1], record.old[1, -1]
    if _gone(record):
        return
    low, high, least = (to_a_tenth(float(x)) for x in (last[0, -1], last[2, -1], last[1, 1]))
    if low == high:
        yield say(
            "Medians of {members} networks; full fine-tuning recognises {low} in each of them. Rank 1 recognises "
            "{least}.",
            members=record.members, low=low, least=least,
        )  # fmt: skip
    else:
        yield say(
            "Medians of {members} networks; full fine-tuning ranges from {low} to {high}. Rank 1 recognises {least}.",
            members=record.members, low=low, high=high, least=least,
        )  # fmt: skip
    if record.change == "inverted":
        yield say(
            "The exact target is ΔW₁ = −2W₁, of full rank, together with biases that LoRA does not train. Rank is not "
            "the only cause: with this recipe, rank 64 does not reach full fine-tuning either."
        )
    if record.change == "relabelled":
        yield say(
            "New names could be learnt by the head alone, by exchanging its rows; no hidden weight has to change."
        )
    yield say(
        "Upright digits fall from {before} to {adapted} (rank 8) and {full} (full fine-tuning). The adapter can be "
        "removed again.",
        before=to_a_tenth(record.base_old), adapted=to_a_tenth(float(old[record.methods.index("r=8")])),
        full=to_a_tenth(float(old[-1])),
    )  # fmt: skip


def verdict(record: DigitsAdapt) -> Verdict:
    """The least rank within a point of full fine-tuning is 4 or 8 for rotated digits, and none for inverted ones."""
    last = record.new[1, -1]
    best = float(np.nanmax(last[1:-1])) if np.isfinite(last[1:-1]).any() else float("nan")
    evidence = {"change": record.change, "enough": record.enough, "full": float(last[-1]), "best": best}
    if gone := _gone(record):
        return undecided(say("outputs that are not finite: {gone}", gone=", ".join(gone)), **evidence)
    told = (
        say("LoRA comes within one percentage point of full fine-tuning ({full}) at rank {enough}",
            full=to_a_tenth(float(last[-1])), enough=record.enough)
        if record.enough
        else say("LoRA's best is {best}, against {full} for full fine-tuning",
                 best=to_a_tenth(best), full=to_a_tenth(float(last[-1])))
    )  # fmt: skip
    match record.change:
        case "rotated":
            return true_here(told, **evidence) if record.enough in ENOUGH else false_here(told, **evidence)
        case "inverted":
            return true_here(told, **evidence) if not record.enough else false_here(told, **evidence)
    return undecided(say("these are the {digits}; {told}", digits=say(CHANGED[record.change]), told=told), **evidence)


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


def maths(record: DigitsAdapt, settings: Settings) -> str:
    """The update that needs no training, the kinds of rank of what was learnt, and how it was trained."""
    far = minilm_evidence()
    return say(
        r"""
Turning or shuffling an image moves its pixels: $x' = P x$ with a permutation $P$. So ${dW}_1 = {W}_1 (P^\top - I)$
undoes it exactly and without training. Here that exact target has numerical rank {exact} (dashed; for inverted
pixels it is $-2{W}_1$ with a bias, for new names $0$). Training need not be exact: the update of full fine-tuning has
effective rank {first} in the first and
{second} in the second hidden layer (exp of the entropy of $\sigma/\sum\sigma$,
median of {members} networks).

A perceptron of 64, 64, 64 and 10 units, pretrained on upright digits. LoRA on both hidden layers, head frozen,
$s = \alpha/r$, η = {lr:g} falling to 0; full fine-tuning with 0.3 η and all biases. Each rate is one choice,
not the best of many: with another, the curves move by some points. 1,297 images train, 500 test: a standard error of
about 1 point. Images: Alpaydin & Kaynak 1998, UCI.

Over 8 seeds, 40 networks, with the settings that the page opens with, the smallest rank within one percentage point of
full fine-tuning was 8 seven times and 4 once for rotated digits, 4 every time for permuted ones, and none for inverted
ones.

**Another network.** A [real transformer](minilm) with an easier task ends at {lora} errors with rank 1
and at {full} with all weights (medians of {seeds} seeds), so there a rank of 1 or 2 is enough.""",
        dW=tint("delta", r"\Delta W"), W=tint("W", "W"),
        exact=int((record.exact > 1e-6 * max(1e-9, record.exact[0])).sum()),
        first=number(float(record.last_effective[0, -1])), second=number(float(record.last_effective[1, -1])),
        members=record.members, lr=settings.experiment.lr, lora=median_error(far.lora[0]),
        full=median_error(far.full), seeds=len(far.full),
    )  # fmt: skip


def adapted(settings: Settings, lab: Lab) -> DigitsRun:
    """Five networks, adapted in every way."""
    e = settings.experiment
    wanted = DigitsExperiment(change=settings["change"], alpha=float(e.alpha), lr=e.lr, steps=e.steps, seed=e.seed)
    return lab.follow(adapt_digits, wanted)


def measure(settings: Settings, lab: Lab) -> DigitsAdapt:
    """Adapt the networks, and compare the ways."""
    return digits_adapt(adapted(settings, lab))


def exports(record: DigitsAdapt, settings: Settings, lab: Lab) -> Scripts:
    """A script and the network itself for every way of adapting."""
    run = adapted(settings, lab)
    return Scripts(partial(digits_script, run), {say("Way of adapting"): run.ways}, partial(network_home, run))


def _ask(seen: Seen, _: Any) -> Measured:
    found = (shown(seen.film, "singular_values", way)[-1] for way in ("r_16", "full"))
    sixteen, full = (_effective(sigma[np.isfinite(sigma)]) for sigma in found)
    told = say("The update's effective rank was {sixteen}; "
               "that of full fine-tuning's ΔW₁ was {full}.", sixteen=word(sixteen),
               full=word(full))  # fmt: skip
    return Measured(round(sixteen), (16, 10, round(full), 64), told)


LESSON = Lesson(
    hero="against_rank",
    id="digits", menu=to_say("Digits"), title=to_say("Digits: which rank does a real network need?"),
    claim=to_say("With this recipe, LoRA matches full fine-tuning on rotated digits from rank 4 or 8 on; on inverted "
                 "ones "
                 "at no rank up to 16."), place=10, default=Experiment(alpha=16.0, lr=0.01, steps=300),
    controls=(CONTROLS["change"], CONTROLS["steps"].only(100, 300, 500), CONTROLS["lr"].only(0.002, 0.005, 0.01, 0.02)),
    more=(CONTROLS["alpha"].only(4.0, 16.0, 64.0),), waits_for=to_say("Five networks, seven ways of adapting each"),
    measure=measure, film=film, takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="against_rank", table=table, exports=exports,
    question=Question(to_say("The adapter of rank 16 has been trained. What is the effective rank of its update in the "
                             "first hidden layer, to the nearest whole number?"),
                      to_say("r is an upper bound. How many directions are used depends on the data and the "
                             "initialisation, and can be far fewer."), _ask),
)  # fmt: skip
