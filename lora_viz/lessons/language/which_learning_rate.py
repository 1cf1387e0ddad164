"""Which learning rate? LoRA of three ranks and full fine-tuning of a chat model over many rates, with five seeds."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, first_place
from lora_viz.film.film import Film
from lora_viz.film.panels import Dash, Lines, Passage, Passages, Series
from lora_viz.film.style import amount, number, tint
from lora_viz.i18n.language import decimal, listed, say, to_say
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.chat_panels import about_the_model, shown
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.chat_sets import HELD_OUT
from lora_viz.networks.recorded_many_chats import ManyChats, OneRun, recorded_many

__all__ = ["PART"]

METHODS = ("r_1", "r_8", "r_64", "full")
DASHES: tuple[Dash, ...] = ("dot", "dash", "solid", "solid")
LEARNT = 0.02  # nats a token


def _named(method: str) -> str:
    return say("full fine-tuning") if method == "full" else method.replace("_", " = ")


def _rate(lr: float) -> str:
    return decimal(f"{lr:.6f}".rstrip("0"))


def _of(record: ManyChats, method: str) -> tuple[OneRun, ...]:
    return tuple(sorted((run for run in record.runs if run.name == method), key=lambda run: run.lr))


def _rates(record: ManyChats) -> Float[np.ndarray, "T"]:
    return np.array(sorted({run.lr for run in record.runs}))


def enough(record: ManyChats, method: str) -> OneRun:
    """At the lowest rate with which every answer of every seed has the style."""
    return next(run for run in _of(record, method) if run.style.min() == len(HELD_OUT))


def film(record: ManyChats) -> Film:
    """The playhead runs over the learning rate: style, loss and forgetting of every method, and one answer of each."""
    rates = _rates(record)

    def curves(what: str) -> tuple[Series, ...]:
        found = []
        for method, dash in zip(METHODS, DASHES, strict=True):
            held = {run.lr: getattr(run, what).astype(float) for run in _of(record, method)}
            values = np.array([held.get(lr, np.full(record.seeds, np.nan)) for lr in rates])
            values[~np.isfinite(values)] = np.nan
            low, middle, high = np.min(values, axis=1), np.median(values, axis=1), np.max(values, axis=1)
            found.append(Series(method, _named(method), "W" if method == "full" else "delta", middle, low=low,
                                high=high, dash=dash, dots=True))  # fmt: skip
        return tuple(found)

    base = Series("base", say("base"), "ink", np.full(len(rates), record.base), dash="dashdot")
    answers = []
    for method in METHODS:
        held = {run.lr: shown(run.answers[0]) for run in _of(record, method)}
        answers.append(Passage(method, _named(method), tuple(held.get(lr, say("(not tried)")) for lr in rates),
                               colour="W" if method == "full" else "delta"))  # fmt: skip
    return Film(
        axis=to_say("learning rate η"), values=rates, start=int(np.argmin(np.abs(rates - 1e-4))),
        seconds_per_frame=2.0, narration=tuple(_narrate(record, float(lr)) for lr in rates),
        panels=(
            Lines("style", say("Pirate answers, median and range of {seeds} seeds", seeds=record.seeds),
                  y_label=say("of {all}", all=len(HELD_OUT)), series=curves("style"), x_scale="log", span=7,
                  reach=float(len(HELD_OUT))),
            Passages("answers", HELD_OUT[0], tuple(answers), span=5, tall=2),
            Lines("loss", say("Loss on the answers"), y_label=say("nats per token"), series=curves("loss"), scale="log",
                  x_scale="log", span=4, row=1),
            Lines("perplexity", say("Perplexity of a neutral text"), y_label=say("lower is better, log"),
                  series=(*curves("lost"), base), scale="log", x_scale="log", span=3, row=1),
        ),
    )  # fmt: skip


def _narrate(record: ManyChats, lr: float) -> str:
    held = {run.name: run for run in record.runs if run.lr == lr}
    told = [f"{np.median(held[m].style):.0f}" if m in held else "—" for m in METHODS]
    return say("η = {lr}. Pirate answers, r = 1, 8, 64: {ranks}; full: {full}.", lr=_rate(lr),
               ranks=", ".join(told[:3]), full=told[3])  # fmt: skip


def verdict(record: ManyChats) -> Verdict:
    """The claim holds where LoRA's lowest sufficient rate is at least ten times that of full, more at less rank."""
    least = {method: enough(record, method).lr for method in METHODS}
    times = [least[method] / least["full"] for method in METHODS[:3]]
    told = say("with r = 1, 8, 64 the lowest rate that makes every answer a pirate's is {one}, {eight}, {many} times "
               "that of full fine-tuning", one=number(times[0]), eight=number(times[1]),
               many=number(times[2]))  # fmt: skip
    if min(times) >= 9.9 and times[0] > times[1] > times[2]:
        return true_here(told, **least)
    return false_here(told, **least)


def takeaway(record: ManyChats) -> str:
    """What was measured, in its own numbers."""
    eight, full = enough(record, "r_8"), enough(record, "full")
    less = int((full.lost < eight.lost).sum())
    rates = listed(_rate(enough(record, m).lr) for m in METHODS)
    return " ".join((
        say("Every answer is a pirate's from these rates on: {rates} (r = 1, 8, 64, full).", rates=rates),
        say("There full fine-tuning has a loss of {full}, r = 8 of {eight}; full forgot less in {less} of {seeds} "
            "seeds.", eight=number(float(np.median(eight.loss))), full=number(float(np.median(full.loss))),
            less=less, seeds=record.seeds),
    ))  # fmt: skip


def detail(record: ManyChats) -> str:
    """Who forgot more at equal loss, and where each method diverges."""
    lines = []
    for method in METHODS:
        runs, first = _of(record, method), enough(record, method)
        learnt = min((run for run in runs if np.median(run.loss) < LEARNT), key=lambda run: np.median(run.lost))
        gone = [run for run in runs if run.diverged]
        line = say("{method}: perplexity {there} where the style is first complete, {learnt} where the loss is below "
                   "{loss}", method=_named(method), there=number(float(np.median(first.lost))),
                   learnt=number(float(np.median(learnt.lost))), loss=number(LEARNT))  # fmt: skip
        for run in gone[:1]:
            line += say("; at η = {lr}, {gone} of {seeds} seeds end with a higher loss than they began",
                        gone=run.diverged, lr=_rate(run.lr), seeds=record.seeds)  # fmt: skip
        lines.append(f"- {line}")
    told = say("The base has perplexity {base}; all numbers are medians.", base=number(record.base))
    return "\n".join((told, "", *lines))


def maths(record: ManyChats) -> str:
    """What is trained, and why the rates differ."""
    return say(
        r"""
{steps} steps of AdamW at a constant rate, without weight decay; LoRA on all seven modules of all 30 layers, $s = 2$ at
every rank. A seed draws ${A}$ and which eight of the ten pairs are trained on, the same eight for all methods.

One step of Adam changes every trained parameter by about η. Full fine-tuning changes every entry of ${W}$ by η; in
LoRA, ${dW} = s\,{B}{A}$ with ${B} = 0$ at initialisation: after one step an entry of ${dW}$ is at most
$s\,\eta \sum_k |A_{{kj}}|$, a sum over $r$ rows. That bound grows with the rank and is small because the entries of
${A}$ are. It is a reason, not a proof: where the rates end up is what was measured. With another $s$, or
$s \propto 1/\sqrt r$, they lie elsewhere.

At equal loss full fine-tuning had forgotten less here: with ten pairs, twenty steps and this text. Other work measured
the opposite on longer training (Biderman et al. 2024). Recorded by `docs/record_many_chats.py rates pirate`.""",
        steps=record.steps, W=tint("W", "W"), A=tint("A", "A"), B=tint("B", "B"), dW=tint("delta", r"\Delta W"),
    )  # fmt: skip


def table(record: ManyChats) -> dict[str, np.ndarray]:
    """One row a method, rate and seed."""
    rows = [(run, s) for run in record.runs for s in range(record.seeds)]
    return {
        "method": np.array([run.name for run, _ in rows]),
        "learning_rate": np.array([run.lr for run, _ in rows]),
        "parameters": np.array([run.parameters for run, _ in rows]),
        "seed": np.array([s for _, s in rows]),
        "pirate_answers": np.array([run.style[s] for run, s in rows]),
        "loss": np.array([run.losses[s, -1] for run, s in rows]),
        "perplexity": np.array([run.perplexity[s, -1] for run, s in rows]),
    }


def measure(_: Settings, __: Lab) -> ManyChats:
    """What was recorded."""
    return recorded_many("rates_pirate")


def extras(_: ManyChats) -> tuple[Part, ...]:
    """Whose words these are."""
    return about_the_model()


def _ask(seen: Seen, _: Any) -> Measured:
    style: Any = seen.film.panel("style")
    at = {method: first_place(style.part(method).low >= len(HELD_OUT)) for method in ("full", "r_8")}
    rates = {method: float(seen.film.values[t]) for method, t in at.items()}
    told = say("From η = {lr} on: {times} times.", lr=_rate(rates["r_8"]), times=amount(rates["r_8"] / rates["full"]))
    return Measured(_rate(rates["r_8"]), tuple(_rate(rates["full"] * times) for times in (0.3, 1, 3)), told,
                    about={"full": _rate(rates["full"])})  # fmt: skip


PART = Lesson(
    id="which_learning_rate", menu=to_say("Which learning rate?"),
    title=to_say("Which learning rate does a chat model's adapter need?"),
    claim=to_say("With s = 2, LoRA needs ten to a hundred times the learning rate of full fine-tuning, and the "
                 "factor is larger at a smaller rank."),
    place=8, measure=measure, film=film, hero="style", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="style", table=table, extras=extras, seeded=False, trains=False,
    question=Question(to_say("Full fine-tuning makes every answer a pirate's from η = {full} on, with every seed. From "
                             "which rate on does LoRA with r = 8?"),
                      to_say("B starts at 0 and A is small: one step of Adam moves ΔW less than it moves W itself."),
                      _ask),
)  # fmt: skip
