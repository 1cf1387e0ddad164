"""Does dropout or weight decay help an adapter? Names of another country, eight seeds, three sizes of data."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.film.film import Film
from lora_viz.film.panels import Lines, Passage, Passages, Series
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.networks.names import LANGUAGES, names_of
from lora_viz.networks.names_regularised import (
    BATCH,
    LR,
    RANK,
    SIZES,
    STEPS,
    STRENGTHS,
    Regularised,
    recorded_regularised,
    regularised,
)

__all__ = ["LESSON"]

KINDS = {"dropout": to_say("dropout"), "weight_decay": to_say("weight decay")}
ENOUGH = 5  # seeds


def measure(settings: Settings, lab: Lab) -> Regularised:
    """What was recorded over eight seeds; with other names, one seed trained now."""
    kind, language, examples = settings["regulariser"], settings["language"], int(settings["examples"])
    for record in recorded_regularised():
        if (record.kind, record.language, record.examples) == (kind, language, examples):
            return record
    return lab.follow(regularised, kind, language, examples, 0)


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(name.capitalize() or "—" for name in names)


def film(record: Regularised) -> Film:
    """The playhead runs over the strength: losses on three lists of names, the size of ΔW, and names written."""
    frames = len(record.strength)

    def curve(id: str, name: str, colour: str, values: Float[np.ndarray, "S K"]) -> Series:
        return Series(id, name, colour, np.median(values, axis=0), low=values.min(axis=0), high=values.max(axis=0),
                      dots=True)  # fmt: skip

    def base(value: float) -> Series:
        return Series("base", say("base"), "W", np.full(frames, value), dash="dash")

    said = tuple(map(_names, record.said))
    return Film(
        axis=to_say("dropout p") if record.kind == "dropout" else to_say("weight decay λ"),
        values=record.strength, start=0, seconds_per_frame=2.0,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            Lines("new_loss", say("Loss on names of the language"), y_label=say("nats per letter"), span=7,
                  x_scale="sqrt",
                  series=(curve("new", say("held out"), "delta", record.new),
                          curve("learnt", say("trained on"), "A", record.learnt), base(record.base_new))),
            Passages("names", say("Five names, the same random numbers"),
                     (Passage("base", say("base, English"), (_names(record.base_said),), colour="W"),
                      Passage("adapted", say("adapted"), said, colour="delta")), span=5),
            Lines("old_loss", say("Loss on English names: what is forgotten"), y_label=say("nats per letter"), span=4,
                  row=1, x_scale="sqrt", series=(curve("old", say("English"), "delta", record.old),
                                                 base(record.base_old))),
            Lines("nuclear", say("Nuclear norm of ΔW, all matrices"), y_label="Σσ", span=4, row=1, x_scale="sqrt",
                  series=(curve("nuclear", "Σσ", "delta", record.nuclear),)),
            Lines("spread", say("Effective number of singular values"), y_label="(Σσ)²/Σσ²", span=4, row=1,
                  x_scale="sqrt", reach=float(RANK), series=(curve("spread", say("mean"), "delta", record.spread),)),
        ),
    )  # fmt: skip


def _narrate(record: Regularised, t: int) -> str:
    return say("{kind} {strength}: held-out loss {new}, English {old}, nuclear norm {nuclear}.",
               kind=say(KINDS[record.kind]), strength=number(float(record.strength[t])),
               new=number(float(np.median(record.new[:, t]))), old=number(float(np.median(record.old[:, t]))),
               nuclear=number(float(np.median(record.nuclear[:, t]))))  # fmt: skip


def _best(record: Regularised) -> tuple[int, int, float]:
    """The strength with the lowest median on held-out names; in how many seeds it beats none, and by how much."""
    best = int(np.median(record.new, axis=0).argmin())
    gain = record.new[:, 0] - record.new[:, best]
    return best, int((gain > 0).sum()), float(np.median(gain))


def verdict(record: Regularised) -> Verdict:
    """The claim holds where in every seed the strongest beats none on both losses, and the rank goes as it says."""
    better, less, lower = (
        int((values[:, -1] < values[:, 0]).sum()) for values in (record.new, record.old, record.spread)
    )
    told = {"better": better, "less": less, "lower": lower}
    why = say("with {kind} {strength}, the loss on held-out names is lower than with none in {better} of {seeds} "
              "seeds, that on English names in {less}, and "
              "the effective number of singular values in {lower}", kind=say(KINDS[record.kind]),
              strength=number(float(record.strength[-1])), seeds=record.seeds, **told)  # fmt: skip
    if record.seeds < ENOUGH:
        return undecided(say("with these names one seed was trained, and a comparison needs several"), **told)
    rank = lower == (record.seeds if record.kind == "weight_decay" else 0)
    return true_here(why, **told) if better == less == record.seeds and rank else false_here(why, **told)


def takeaway(record: Regularised) -> str:
    """What was measured, in its own numbers."""
    best, wins, gain = _best(record)
    kind, size = say(KINDS[record.kind]), record.examples or len(names_of(record.language)[0])
    if best == 0:
        first = say("From {size} names: no {kind} is best on held-out names.", size=size, kind=kind)
    elif record.seeds == 1:
        first = say(
            "From {size} names, with one seed: {kind} {strength} is best on held-out names, by {gain} nats.",
            size=size,
            kind=kind,
            strength=number(float(record.strength[best])),
            gain=number(gain),
        )
    else:
        first = say("From {size} names: {kind} {strength} is best on held-out names, by {gain} nats, in {wins} of "
                    "{seeds} seeds.", size=size, kind=kind, strength=number(float(record.strength[best])),
                    gain=number(gain), wins=wins, seeds=record.seeds)  # fmt: skip
    ends = np.median(record.nuclear, axis=0)[[0, -1]]
    old = np.median(record.old, axis=0)[[0, -1]]
    second = say("Strongest against none: English loss {old_most} and {old}, nuclear norm {most} and {none}.",
                 none=number(float(ends[0])), most=number(float(ends[1])), old=number(float(old[0])),
                 old_most=number(float(old[1])))  # fmt: skip
    return f"{first} {second}"


def detail(record: Regularised) -> str:
    """Every strength against none, seed by seed; the losses where there is one seed."""
    if record.seeds == 1:
        losses = "; ".join(
            say("{strength}: {new} on held-out names, {old} on English ones", strength=number(float(strength)),
                new=number(float(new)), old=number(float(old)))
            for strength, new, old in zip(record.strength, record.new[0], record.old[0], strict=True)
        )  # fmt: skip
        return say("Losses of the one seed: {told}.", told=losses)
    told = "; ".join(
        say("{strength}: lower on held-out names in {new}, on English ones in {old} of {seeds} seeds",
            strength=number(float(record.strength[k])), new=int((record.new[:, k] < record.new[:, 0]).sum()),
            old=int((record.old[:, k] < record.old[:, 0]).sum()), seeds=record.seeds)
        for k in range(1, len(record.strength))
    )  # fmt: skip
    return say("Against none: {told}.", told=told)


def maths(record: Regularised) -> str:
    """Where dropout acts, and what decay does to a product."""
    return say(
        r"""
Dropout sets each entry of the input of ${A}$ to 0 with probability $p$ and divides the others by $1-p$, in training
only; the frozen ${W}x$ sees all of $x$. AdamW's decay multiplies ${A}$ and ${B}$ by $1 - \eta\lambda$ at every step, so
it pulls ${dW} = s\,{B}{A}$ to 0, that is the model to its base. The smallest ${B}$, ${A}$ with a given product have
$\|{A}\|^2 + \|{B}\|^2 = 2\,\|{B}{A}\|_*$, twice its nuclear norm: a penalty on both factors is one on the sum of
singular values. AdamW's decay is not the gradient of that penalty, so whether rank falls is measured, not derived.

Rank {rank} on all seven modules, $s = 2$, {steps} AdamW steps of {batch} names, η = {lr:g} falling to 0; with η
falling, λ = 10 shrinks a factor that gets no gradient to {left} of itself. The same names in the same order at every
strength of a seed. Over 8 seeds for Italian names: `docs/measure_names.py decay`.""",
        A=tint("A", "A"), B=tint("B", "B"), W=tint("W", "W"), dW=tint("delta", r"\Delta W"), rank=RANK, steps=STEPS,
        batch=BATCH, lr=LR, left=number(float(np.prod([1 - LR * (1 - k / STEPS) * 10 for k in range(STEPS)]))),
    )  # fmt: skip


def table(record: Regularised) -> dict[str, np.ndarray]:
    """One row a strength and seed."""
    seeds, count = record.new.shape
    found: dict[str, np.ndarray] = {
        "strength": np.tile(record.strength, seeds),
        "seed": np.repeat(np.arange(seeds), count),
    }
    for name, values in (("held_out", record.new), ("trained_on", record.learnt), ("english", record.old)):
        found[f"loss_{name}"] = values.ravel()
    return found | {"nuclear_norm": record.nuclear.ravel(), "effective_number": record.spread.ravel()}


def _ask(seen: Seen, _: Any) -> Measured:
    nuclear = shown(seen.film, "nuclear", "nuclear")
    share = float(nuclear[-1] / nuclear[0])
    told = say("{share} of it.", share=word(share))
    return Measured(share, (1.0, 0.25 * share, 3.0), told)


LESSON = Lesson(
    id="dropout_or_decay", menu=to_say("Dropout or weight decay?"),
    title=to_say("Does dropout or weight decay help an adapter?"),
    claim=to_say("From few names, dropout or weight decay learns better and forgets less; only weight decay also "
                 "lowers the rank of ΔW."),
    place=15, measure=measure, film=film, hero="new_loss", verdict=verdict, takeaway=takeaway, detail=detail,
    maths=maths, on_paper="new_loss", table=table, seeded=False, trains=False,
    waits_for=to_say("Five adapters of a language model"),
    controls=(
        Choice(id="regulariser", label=to_say("What is added"), options=tuple(STRENGTHS), default="weight_decay",
               names=KINDS, help=to_say("The playhead runs over its strength.")),
        Choice(id="examples", label=to_say("Names to learn from"), options=SIZES, default=100,
               names={30: "30", 100: "100", 0: to_say("all")},
               help=to_say("The fewer there are, the more easily they are memorised.")),
        Choice(id="language", label=to_say("Language of the names"), options=tuple(LANGUAGES)[1:],
               names=dict(LANGUAGES), default="italian",
               help=to_say("Italian was recorded over eight seeds; any other is trained now, with one.")),
    ),
    question=Question(to_say("What fraction of the nuclear norm of ΔW remains at the strongest setting?"),
                      to_say("Decay shrinks A and B at every step; with dropout the names are fitted less closely."),
                      _ask),
)  # fmt: skip
