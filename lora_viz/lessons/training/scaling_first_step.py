"""The first update against the rank: its size for each rule, optimiser and start, and the slopes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown
from lora_viz.core.experiment import Experiment
from lora_viz.core.run import FirstUpdates
from lora_viz.core.seeds import spread
from lora_viz.export.scripts.script import Scripts
from lora_viz.export.scripts.starts import first_update_script
from lora_viz.film.film import Film
from lora_viz.film.panels import Dash, Field, Lines, Readout, Row, Series, band
from lora_viz.film.style import LETTERS, number, percent
from lora_viz.i18n.language import decimal, say, to_say
from lora_viz.layer.first_step import first_updates
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.sentences import sentences
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here

__all__ = ["PART", "RANKS", "RULES", "STARTS", "FirstUpdate", "first_update", "signed"]

RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
# What s, and what the standard deviation of A's entries, is proportional to: the power of r.
RULES = {"lora": ("α/r", -1.0), "rslora": ("α/√r", -0.5), "constant": (to_say("constant"), 0.0)}
STARTS = {
    "B_zero": (to_say("Kaiming"), 0.0),
    "variance_1_over_r": ("N(0, 1/r)", -0.5),
    "gaussian": (to_say("std 1/r"), -1.0),
}
FREE = 0.1  # a slope on log axes below which a step is independent of the rank
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
ROWS = tuple((optimizer, init) for optimizer in OPTIMIZERS for init in STARTS)[::-1]  # of the map, the lowest first
LOOKS: dict[str, tuple[str, Dash]] = {"lora": ("delta", "solid"), "rslora": ("ink", "dash"), "constant": ("W", "dot")}


class FirstUpdate(NamedTuple):
    """(low, median, high) over the starts' seeds of what is shown, and of the fitted log–log slopes of all.

    ``progress`` is −⟨ΔW₁, G⟩/‖G‖, ``size`` ‖ΔW₁‖, and ``grad`` means ‖∇B‖ at step 0; slopes are least-squares fits of
    log y to log r, one a seed. ``theory`` holds what the slopes should be: integers and halves for progress and ‖∇B‖,
    the same fit to the expected ‖ΔW₁‖ for the size.
    """

    ranks: Int[np.ndarray, "R"]
    progress: Float[np.ndarray, "3 S R"]
    size: Float[np.ndarray, "3 S R"]
    progress_slope: Float[np.ndarray, "3 O I S"]
    size_slope: Float[np.ndarray, "3 O I S"]
    grad_slope: Float[np.ndarray, "3 I S"]
    progress_theory: Float[np.ndarray, "O I S"]
    size_theory: Float[np.ndarray, "O I S"]
    grad_theory: Float[np.ndarray, "I S"]
    rules: tuple[str, ...]
    optimizers: tuple[str, ...]
    inits: tuple[str, ...]
    optimizer: str
    init: str
    seeds: int


def first_update(updates: FirstUpdates, e: Experiment) -> FirstUpdate:
    """Fit all slopes; show those of ``e``'s optimizer and start (of the first start, if ``e``'s is not among them)."""
    init = e.init if e.init in updates.inits else updates.inits[0]
    optimizer = "sgd" if e.optimizer == "sgd" else "adam"
    o, i = updates.optimizers.index(optimizer), updates.inits.index(init)
    rule = np.array([RULES[name][1] for name in updates.rules])
    start = np.array([STARTS[name][1] for name in updates.inits])[:, None]
    r = updates.ranks.astype(float)
    # the expected ‖u A‖ for Gaussian A: its rows agree along G, and add at random across it
    expected = np.sqrt(np.stack([r * (r + e.d_in + 1), r * (e.d_in + 2 / np.pi * (r - 1))]))
    power = np.stack([2 * (rule + start), rule + start])
    return FirstUpdate(
        ranks=updates.ranks, progress=spread(updates.progress[o, i], axis=-1), size=spread(updates.size[o, i], axis=-1),
        progress_slope=spread(_slope(updates.progress, r), axis=-1),
        size_slope=spread(_slope(updates.size, r), axis=-1), grad_slope=spread(_slope(updates.grad_B, r), axis=-1),
        progress_theory=power + 1,
        size_theory=power + _slope(expected[:, :, None], r)[:, 0][:, None, None],
        grad_theory=rule + start + 0.5, rules=updates.rules, optimizers=updates.optimizers, inits=updates.inits,
        optimizer=optimizer, init=init, seeds=updates.size.shape[-1],
    )  # fmt: skip


def _slope(y: Float[np.ndarray, "*shape R N"], r: Float[np.ndarray, "R"]) -> Float[np.ndarray, "*shape N"]:
    x = np.log(r) - np.log(r).mean()
    return np.einsum("r,...rn->...n", x, np.log(y)) / np.sum(x**2)


def signed(slope: float) -> str:
    """A slope with its sign, two decimals; what rounds to zero has none."""
    text = f"{slope:+.2f}"
    return decimal("0.00" if float(text) == 0 else text.replace("-", "−"))


def film(record: FirstUpdate) -> Film:
    """The playhead runs over the ranks; the slopes of all combinations stand beside the theory's."""
    o, i = record.optimizers.index(record.optimizer), record.inits.index(record.init)
    pairs = [(record.optimizers.index(optimizer), record.inits.index(init)) for optimizer, init in ROWS]

    def label(a: int, b: int) -> str:
        mark = "▸ " if (a, b) == (o, i) else ""
        return f"{mark}{OPTIMIZERS[record.optimizers[a]]}, {say(STARTS[record.inits[b]][0])}"

    def series(values: Float[np.ndarray, "3 S R"], slopes: Float[np.ndarray, "S"]) -> tuple[Series, ...]:
        return tuple(
            Series(
                rule,
                say("{rule} (slope {slope})", rule=say(RULES[rule][0]), slope=signed(float(slopes[k]))),
                LOOKS[rule][0], dash=LOOKS[rule][1], **band(values[:, k]),
            )
            for k, rule in enumerate(record.rules)
        )  # fmt: skip

    slopes = np.stack([record.progress_slope[1, a, b] for a, b in pairs])
    return Film(
        axis=to_say("rank"), of_last=True, values=record.ranks.astype(float), start=len(record.ranks) // 2,
        seconds_per_frame=0.5,
        narration=tuple(_narrate(record, t) for t in range(len(record.ranks))),
        panels=(
            Lines(
                "useful_part", say("Useful part of the first update (drag here)"), y_label=say("−⟨ΔW₁, G⟩/‖G‖, log"),
                scale="log", x_scale="log", series=series(record.progress, record.progress_slope[1, o, i]),
            ),
            Lines(
                "size", say("Norm of the first update ‖ΔW₁‖"), y_label=say("Frobenius norm, log"), scale="log",
                x_scale="log", series=series(record.size, record.size_slope[1, o, i]),
            ),
            Field(
                "slopes", say("Measured slope of the useful part; 0: independent of the rank"), values=np.abs(slopes),
                x_labels=tuple(say(RULES[rule][0]) for rule in record.rules),
                y_labels=tuple(label(a, b) for a, b in pairs), x_title=say("scaling rule"),
                y_title=say("optimiser, A's start; colour: |slope|"),
                regions=np.arange(slopes.size, dtype=float).reshape(slopes.shape),
                region_names=tuple(signed(float(x)) for x in slopes.ravel()), row=1, span=7,
            ),
            Readout(
                "slopes_shown",
                say("Slopes for {optimizer}: α/r, α/√r, constant", optimizer=OPTIMIZERS[record.optimizer]),
                (
                    *_rows(
                        "useful_part", say("useful part"), record.progress_slope[1, o, i], record.progress_theory[o, i],
                    ),
                    *_rows("size", "‖ΔW₁‖", record.size_slope[1, o, i], record.size_theory[o, i]),
                    *_rows("grad_b", "‖∇B‖", record.grad_slope[1, i], record.grad_theory[i]),
                ),
                row=1, span=5,
            ),
        ),
    )  # fmt: skip


def _rows(id: str, name: str, found: Float[np.ndarray, "S"], theory: Float[np.ndarray, "S"]) -> tuple[Row, Row]:
    def text(slopes: Float[np.ndarray, "S"]) -> tuple[str]:
        return ("  ".join(signed(float(x)).rjust(5, "\u2007") for x in slopes),)

    return Row(id, name, text(found), colour="delta"), Row(f"{id}_theory", say("theory"), text(theory), colour="faint")


def _narrate(record: FirstUpdate, t: int) -> str:
    if t == 0:
        return say(
            "Rank {rank}: the useful part that those of the other ranks are compared with.", rank=record.ranks[0]
        )
    over, root, one = (percent(record.progress[1, k, t] / record.progress[1, k, 0]) for k in range(len(record.rules)))
    return say(
        "Rank {rank}: useful part as a share of rank 1's: α/r {over}, α/√r {root}, constant {one}.",
        rank=record.ranks[t], over=over, root=root, one=one,
    )  # fmt: skip


@sentences
def takeaway(record: FirstUpdate) -> Iterator[str]:
    """What was seen, in the run's own numbers."""
    o, i = record.optimizers.index(record.optimizer), record.inits.index(record.init)
    over, root, one = (signed(float(x)) for x in record.progress_slope[1, o, i])
    yield say(
        "With {optimizer} and A drawn as {start}, the useful part of the first update scales as r^{over} under α/r, "
        "r^{root} under α/√r and r^{one} with constant scaling.",
        optimizer=OPTIMIZERS[record.optimizer], start=say(STARTS[record.init][0]), over=over, root=root, one=one,
    )  # fmt: skip
    free = np.abs(record.progress_slope[1]) < FREE
    yield (
        say("{count} of {all} combinations are independent of the rank.", count=int(free.sum()), all=free.size)
        if free.sum() != 1
        else say("1 of {all} combinations is independent of the rank.", all=free.size)
    )


@sentences
def detail(record: FirstUpdate) -> Iterator[str]:
    """Which combinations these are, the ranges over seeds, and how far all is from theory."""
    named = [
        say(
            "{optimizer}, {start}, {rule}", optimizer=OPTIMIZERS[record.optimizers[a]],
            start=say(STARTS[record.inits[b]][0]), rule=say(RULES[record.rules[k]][0]),
        )
        for a, b, k in np.argwhere(np.abs(record.progress_slope[1]) < FREE)
    ]  # fmt: skip
    if named:
        yield say("Independent of the rank: {named}.", named="; ".join(named))
    o, i = record.optimizers.index(record.optimizer), record.inits.index(record.init)
    low, _, high = record.progress_slope[:, o, i, 0]
    yield say(
        "Medians of {seeds} seeds; under α/r the slopes shown range from {low} to {high}.",
        seeds=record.seeds, low=signed(float(low)), high=signed(float(high)),
    ) if signed(float(low)) != signed(float(high)) else say("Medians of {seeds} seeds.",
    seeds=record.seeds)  # fmt: skip
    off = float(np.abs(record.progress_slope[1] - record.progress_theory).max())
    yield say("No median slope is further than {off} from theory.", off=number(off))


def verdict(record: FirstUpdate) -> Verdict:
    """Whether a step is independent of the rank changes with each of the three, the two others held."""
    free = np.abs(record.progress_slope[1]) < FREE
    changes = [int((free != free.take([0], axis=axis)).any(axis=axis).sum()) for axis in range(3)]
    evidence = {"optimiser": changes[0], "initialisation": changes[1], "rule": changes[2], "free": int(free.sum())}
    told = say(
        "with the other two held, changing the rule matters in {rule} of {rules} cases, the optimiser in {optimiser} "
        "of {optimisers}, the initialisation in {start} of {starts}",
        rule=changes[2], rules=free[..., 0].size, optimiser=changes[0], optimisers=free[0].size, start=changes[1],
        starts=free[:, 0].size,
    )  # fmt: skip
    return true_here(told, **evidence) if all(changes) else false_here(told, **evidence)


def maths(record: FirstUpdate) -> str:
    """The first step in closed form, and the powers of r in it."""
    lora = record.progress_slope[1, 0, 0, 0]
    return say(
        r"""
$$
{B}_1 = -\eta\,s\,{G}{A}^\top \ \text{{(SGD)}}, \qquad
{B}_1 = -\eta\,\mathrm{{sign}}({G}{A}^\top) \ \text{{(Adam)}}, \qquad {dW}_1 = s\,{B}_1{A}
$$

$$
-\langle {dW}_1, {G}\rangle \propto \eta\,s^2\,r\,\mathrm{{Var}}({A}) \ \text{{(SGD)}}, \qquad
\propto \eta\,s\,r\,\mathrm{{Var}}({A})^{{1/2}} \ \text{{(Adam)}}
$$

The libraries draw $A$ with variance $1/(3d)$ for any $r$, so under $\alpha/r$ SGD's first step falls as
$r^{{-1}}$ (here {lora}), and $\alpha/\sqrt r$ makes it level (Kalajdzievski 2023, rsLoRA). For Adam the
useful part is level under $\alpha/r$, though $\|{dW}_1\|$ is not. A textbook's $N(0, 1/r)$ *and* $\alpha/r$ count the
same thing twice. With ${B} = 0$ the output at step 0 is that of $W$ for any $r$: there is nothing to normalise before
the first step. SGD's $\|{dW}_1\|$ bends: $\mathbb E\|{G}{A}^\top{A}\|^2 = \mathrm{{Var}}({A})^2\,r\,(r+d+1)\,\|{G}\|^2$
for Gaussian ${A}$, so while $r \ll d$ its slope is half a power below that of the useful part.""",
        **LETTERS,
        lora=signed(float(lora)),
    )


def _updates(settings: Settings, lab: Lab) -> FirstUpdates:
    e = settings.experiment
    return lab.compute(first_updates, e, ranks=tuple(r for r in RANKS if r <= e.d_in), inits=tuple(STARTS))


def measure(settings: Settings, lab: Lab) -> FirstUpdate:
    """Take the first step at every rank, under every rule, from every start."""
    return first_update(_updates(settings, lab), settings.experiment)


def scripts(record: FirstUpdate, settings: Settings, lab: Lab) -> Scripts:
    """The scripts that take these first steps again."""
    script = partial(first_update_script, _updates(settings, lab), settings.experiment)
    return Scripts(script, {say("How A starts"): record.inits, say("Rule"): record.rules})


def _ask(seen: Seen, _: Any) -> Measured:
    usual = (seen.experiment.optimizer, seen.experiment.init) == ("adam", "gaussian")
    optimizer, init = ("sgd", "variance_1_over_r") if usual else ("adam", "gaussian")
    slopes = np.abs(shown(seen.film, "slopes")[ROWS.index((optimizer, init))])
    rules = [say(name) for name, _ in RULES.values()]
    told = ", ".join(
        say("{slope} under {rule}", rule=rule, slope=number(round(float(slope), 2)))
        for rule, slope in zip(rules, slopes, strict=True)
    )
    return Measured(
        rules[int(slopes.argmin())],
        tuple(rules),
        say("The magnitude of the slope was {told}; 0 is independent of the rank.", told=told),
        {"optimizer": OPTIMIZERS[optimizer], "start": say(STARTS[init][0])},
    )


PART = Lesson(
    id="scaling_first_step", menu=to_say("The first step"),
    title=to_say("Scaling: does the first step depend on the rank?"),
    claim=to_say(
        "Whether the first step is independent of the rank depends on three things: the scaling rule, the optimiser "
        "and "
        "the initialisation of A."
    ),
    place=50,
    default=Experiment(
        task="full_rank", spectrum="flat", d_in=128, d_out=128, samples=64, rank=1, alpha=16.0, optimizer="sgd",
        lr=0.001,
    ),
    controls=(
        CONTROLS["optimizer"].only("sgd", "adam"),
        replace(
            CONTROLS["init"].only(*STARTS), label=to_say("Initialisation of A"),
            help=to_say(
                "B is 0 in all cases. Kaiming: PEFT's default, uniform within ±1/√d_in. Variance 1/r: the textbook "
                "choice. Gaussian: the PEFT option of that name, with standard deviation 1/r."
            ),
            names={"B_zero": to_say("Kaiming"), "gaussian": to_say("Gaussian")},
        ),
    ),
    more=(
        replace(CONTROLS["d_in"].only(64, 128, 256), help=to_say("The ranks shown go up to this.")),
        *(CONTROLS[name] for name in ("alpha", "spectrum", "noise")),
    ),
    measure=measure, film=film,
    hero="useful_part", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths, on_paper="useful_part",
    exports=scripts,
    question=Question(
        to_say(
            "{optimizer}, with A drawn as {start}: under which rule does the useful part of the first step depend "
            "least on "
            "the rank?"
        ),
        to_say("No rule is right for all: SGD's step contains s², Adam's s, and the scale of A may change with the "
               "rank."),
        _ask,
    ),
)  # fmt: skip
