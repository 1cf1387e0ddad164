"""Two languages' adapters of the names model together: mixed by weight, and switched in the middle of a name."""

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
from lora_viz.networks.names import LANGUAGES
from lora_viz.networks.names_mixed import LETTERS, LR, RANK, STEPS, MixedNames, mixed_names, shipped_mix

__all__ = ["PART"]


def measure(settings: Settings, lab: Lab) -> MixedNames:
    """As the lesson opens, read from its file, which a command writes; else both trained now."""
    first, second, seed = settings["first"], settings["second"], settings.experiment.seed
    held = shipped_mix()
    if (first, second, seed) == (held.first, held.second, 0):
        return held
    return lab.follow(mixed_names, first, second, seed)


def _joined(names: tuple[str, ...]) -> str:
    return ", ".join(name.capitalize() or "—" for name in names)


def film(record: MixedNames) -> Film:
    """The playhead runs over the weight of the second adapter: names, and the losses on three lists."""
    frames = len(record.weight)
    first, second = say(LANGUAGES[record.first]), say(LANGUAGES[record.second])

    def losses(id: str, title: str, values: Float[np.ndarray, "T"], base: float, row: int, span: int) -> Lines:
        return Lines(id, title, y_label=say("nats per letter"), span=span, row=row, series=(
            Series("mixed", say("mixed"), "delta", values, dots=True),
            Series("base", say("base"), "W", np.full(frames, base), dash="dash"),
        ))  # fmt: skip

    rows = (
        Passage("base", say("base, English"), (_joined(record.base_said),), colour="W"),
        Passage("first", first, (_joined(record.said[0]),), colour="A"),
        Passage("mixed", say("mixed"), tuple(map(_joined, record.said)), colour="delta"),
        Passage("second", second, (_joined(record.said[-1]),), colour="B"),
        Passage("switched", say("{first}, from letter {letter} on {second}", first=first, second=second,
                                letter=LETTERS + 1), (_joined(record.switched),)),
    )  # fmt: skip
    return Film(
        axis=to_say("weight of the second adapter"), values=record.weight, start=frames // 2, seconds_per_frame=1.2,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            Passages("names", say("Six names, the same random numbers in every row"), rows, span=7, tall=2),
            losses("first_loss", say("Loss on held-out names: {language}", language=first), record.loss_first,
                   float(record.base[0]), 0, 5),
            losses("second_loss", say("Loss on held-out names: {language}", language=second), record.loss_second,
                   float(record.base[1]), 1, 5),
            losses("old_loss", say("Loss on held-out names: English"), record.loss_english, float(record.base[2]), 2,
                   12),
        ),
    )  # fmt: skip


def _narrate(record: MixedNames, t: int) -> str:
    return say("{second} {weight}: loss {one} ({first}), {other} ({second}), {english} (English).",
               first=say(LANGUAGES[record.first]), second=say(LANGUAGES[record.second]),
               weight=number(float(record.weight[t])), one=number(float(record.loss_first[t])),
               other=number(float(record.loss_second[t])), english=number(float(record.loss_english[t])))  # fmt: skip


def _half(record: MixedNames) -> dict[str, float]:
    half = int(np.argmin(np.abs(record.weight - 0.5)))
    return {"first": float(record.loss_first[half]), "second": float(record.loss_second[half]),
            "base_first": float(record.base[0]), "base_second": float(record.base[1])}  # fmt: skip


def verdict(record: MixedNames) -> Verdict:
    """The claim holds where half of each has a lower loss than the base on both lists."""
    if record.first == record.second:
        return undecided(say("both adapters learnt the same language"), first=record.first)
    told = _half(record)
    why = say("the loss of the half-and-half mixture is {first} ({one}) and {second} ({other}), that of the base "
              "{base_first} and {base_second}", one=say(LANGUAGES[record.first]), other=say(LANGUAGES[record.second]),
              **{name: number(value) for name, value in told.items()})  # fmt: skip
    better = told["first"] < told["base_first"] and told["second"] < told["base_second"]
    return true_here(why, **told) if better else false_here(why, **told)


def takeaway(record: MixedNames) -> str:
    """What was measured, in its own numbers."""
    told = _half(record)
    first, second = say(LANGUAGES[record.first]), say(LANGUAGES[record.second])
    return " ".join((
        say("{language}: {own} with its own adapter, {half} mixed by half, {base} before.", language=first,
            own=number(float(record.loss_first[0])), half=number(told["first"]), base=number(told["base_first"])),
        say("{language}: {own} with its own adapter, {half} mixed by half, {base} before.", language=second,
            own=number(float(record.loss_second[-1])), half=number(told["second"]), base=number(told["base_second"])),
        say("Nats per letter; one seed."),
    ))  # fmt: skip


def maths(record: MixedNames) -> str:
    """What is mixed, and what is switched."""
    return say(
        r"""
Two adapters of rank {rank} on all seven modules, trained apart on the same base: {steps} steps of 16 names, η = {lr:g}
falling to 0. Mixed: ${W} + s\,\big((1-w)\,{B}_1{A}_1 + w\,{B}_2{A}_2\big)$. Switched: the first adapter writes
{letters} letters, the second goes on; what the first has read stays in keys and values, so the second continues a
beginning that another wrote. A letter is the first at which the added probabilities exceed a random number, the same in
every row.

{seeds}""",
        rank=RANK, steps=STEPS, lr=LR, letters=LETTERS, W=tint("W", "W"), A=tint("A", "A"), B=tint("B", "B"),
        seeds=_over_seeds(),
    )  # fmt: skip


def _over_seeds() -> str:
    return say(
        "Over 5 seeds of four pairs of languages (Italian and Finnish, Turkish and Zulu, Italian and Icelandic, Zulu "
        "and Finnish), half of each had a lower loss than the base on both lists in all 20 runs "
        "(`python docs/measure_names.py mixed 0 1 2 3 4`)."
    )


def table(record: MixedNames) -> dict[str, np.ndarray]:
    """One row a weight."""
    return {
        "weight_second": record.weight,
        f"loss_{record.first}_first": record.loss_first,
        f"loss_{record.second}_second": record.loss_second,
        "loss_english": record.loss_english,
        "names": np.array([" ".join(names) for names in record.said]),
    }


def _ask(seen: Seen, _: Any) -> Measured:
    loss, base = (shown(seen.film, "first_loss", name) for name in ("mixed", "base"))
    half = float(loss[len(loss) // 2])
    told = say("{half}; with its own adapter {own}, with the other alone {other}.", half=word(half), own=word(loss[0]),
               other=word(loss[-1]))  # fmt: skip
    return Measured(half, (float(base[0]) * 1.2, float(loss[0] + loss[-1]), float(loss[0]) / 1.2), told,
                    about={"base": word(base[0])})  # fmt: skip


PART = Lesson(
    id="names_mixed", menu=to_say("Two languages in one name"), title=to_say("What do two languages write together?"),
    claim=to_say("An equal mixture of two languages' adapters predicts the names of both languages better than the "
                 "base does."),
    place=16, measure=measure, film=film, hero="names", verdict=verdict, takeaway=takeaway, maths=maths,
    on_paper="first_loss", table=table, waits_for=to_say("Two adapters of a language model"), seeded=True,
    trains=False,
    controls=(
        Choice(id="first", label=to_say("First language"), options=tuple(LANGUAGES)[1:], names=dict(LANGUAGES),
               default="italian", help=to_say("Its adapter is trained alone.")),
        Choice(id="second", label=to_say("Second language"), options=tuple(LANGUAGES)[1:], names=dict(LANGUAGES),
               default="finnish", help=to_say("Its adapter too; then both are mixed.")),
    ),
    question=Question(to_say("The base has a loss of {base} on the first language's names. What is the loss with "
                             "half of each adapter?"),
                      to_say("The weights are mixed evenly, the loss is not: half of an adapter is most of its effect "
                             "here."), _ask),
)  # fmt: skip
