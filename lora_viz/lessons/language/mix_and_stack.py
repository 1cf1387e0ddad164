"""Two adapters of one chat model: mixed by weight, added up, and one learnt after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, Lines, Series
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.chat_panels import about_the_model, answer_panel
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.chat_sets import HELD_OUT
from lora_viz.networks.recorded_many_chats import TwoChats, recorded_two

__all__ = ["PART"]


def order(record: TwoChats) -> np.ndarray:
    """Places of the mixtures w, 1 − w, the pirate's alone first."""
    places = np.flatnonzero(np.isclose(record.weights.sum(axis=1), 1.0))
    return places[np.argsort(record.weights[places, 1])]


def summed(record: TwoChats) -> int:
    """Place of both at full strength."""
    return int(np.flatnonzero(np.isclose(record.weights.sum(axis=1), 2.0))[0])


def _band(id: str, name: str, colour: str, values: Float[np.ndarray, "S T"]) -> Series:
    return Series(
        id, name, colour, np.median(values, axis=0), low=values.min(axis=0), high=values.max(axis=0), dots=True
    )


def film(record: TwoChats) -> Film:
    """The playhead runs over the weight of the second adapter: answers, both styles, what is forgotten."""
    at = order(record)
    weight, frames = record.weights[at, 1], len(at)
    labels = (say("both added up"), say("pirate, then JSON by the same adapter"), say("pirate, then JSON by a new one"))
    both = summed(record)

    def after(mixed: Int[np.ndarray, "S M"], second: Int[np.ndarray, "S 2"]) -> Float[np.ndarray, "3"]:
        return np.array([np.median(mixed[:, both]), *np.median(second, axis=0)], dtype=float)

    return Film(
        axis=to_say("weight of JSON"), values=weight, start=frames // 2, seconds_per_frame=1.6,
        narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            answer_panel([record.answers[i] for i in at], span=7),
            Lines("style", say("Answers in each style, median and range of seeds"),
                  y_label=say("of {all}", all=len(HELD_OUT)), span=5, reach=float(len(HELD_OUT)),
                  series=(_band("pirate", say("pirate"), "delta", record.pirate[:, at] * 1.0),
                          _band("json", "JSON", "B", record.json[:, at] * 1.0))),
            Lines("perplexity", say("Perplexity of a neutral text"), y_label=say("lower is better"), span=5, row=1,
                  series=(_band("mixed", say("mixed"), "delta", record.perplexity[:, at]),
                          Series("base", say("base"), "W", np.full(frames, record.base), dash="dash"))),
            Bars("one_after_the_other", say("Added up, and one after the other: answers in each style"), labels=labels,
                 bar_ids=("both", "same", "new"), y_label=say("of {all}", all=len(HELD_OUT)), span=12, row=2,
                 groups=(Group("json", "JSON", "B", after(record.json, record.second_json)),
                         Group("pirate", say("pirate"), "delta", after(record.pirate, record.second_pirate)))),
        ),
    )  # fmt: skip


def _narrate(record: TwoChats, t: int) -> str:
    place = order(record)[t]
    return say("{one} pirate and {other} JSON: {pirate} of {all} answers are a pirate's, {json} JSON.",
               one=number(float(record.weights[place, 0])), other=number(float(record.weights[place, 1])),
               pirate=int(np.median(record.pirate[:, place])), json=int(np.median(record.json[:, place])),
               all=len(HELD_OUT))  # fmt: skip


def _flip(record: TwoChats) -> tuple[float, float]:
    """The last weight of JSON at which every seed has nine pirates in ten, the first with nine JSON in ten."""
    at, most = order(record), 0.9 * len(HELD_OUT)
    weight = record.weights[at, 1]
    pirate, json = (values[:, at].min(axis=0) >= most for values in (record.pirate, record.json))
    return (
        float(weight[pirate].max()) if pirate.any() else np.nan,
        float(weight[json].min()) if json.any() else np.nan,
    )


def verdict(record: TwoChats) -> Verdict:
    """The claim holds where one style rules up to some weight and the other from at most a quarter later on."""
    last, first = _flip(record)
    told = {"pirate_up_to": last, "json_from": first}
    words = say("with every seed at least {most} of {all} answers are a pirate's up to a JSON weight of {last}; from "
                "{first} on they are JSON", most=round(0.9 * len(HELD_OUT)), all=len(HELD_OUT), last=number(last),
                first=number(first))  # fmt: skip
    return true_here(words, **told) if 0 < first - last <= 0.25 else false_here(words, **told)


def takeaway(record: TwoChats) -> str:
    """What was measured, in its own numbers."""
    last, first = _flip(record)
    at = order(record)
    alone = np.median(record.perplexity[:, at[[0, -1]]], axis=0)
    return " ".join((
        say("The style changes between {last} and {first} of JSON.", last=number(last), first=number(first)),
        say("If both are added at full strength, the perplexity is {sum}; alone it is {one} and {other}.",
            sum=number(float(np.median(record.perplexity[:, summed(record)]))), one=number(float(alone[0])),
            other=number(float(alone[1]))),
        say("JSON learnt after the pirate leaves {left} pirate answers of {all}.", all=len(HELD_OUT),
            left=int(record.second_pirate.max())),
    ))  # fmt: skip


def detail(record: TwoChats) -> str:
    """The second stage: what survives of the first."""
    loss, lost = np.median(record.second_loss, axis=0), np.median(record.second_perplexity, axis=0)
    worse = int((record.second_perplexity[:, 1] > record.second_perplexity[:, 0]).sum())
    return say(
        "Second stage: the loss on the pirate's pairs was {first} after the first stage (base: {base}). Trained on "
        "with the same adapter it ends at {same}, with a new adapter on top of the frozen first at {new}. Perplexity: "
        "{lost} and {lost_new}; the new adapter forgot more in {worse} of {seeds} seeds. A new adapter on a first that "
        "was merged is the same as on a first that is frozen.",
        first=number(float(np.median(record.first_loss))), base=number(record.base_loss), same=number(float(loss[0])),
        new=number(float(loss[1])), lost=number(float(lost[0])), lost_new=number(float(lost[1])), worse=worse,
        seeds=len(record.pirate),
    )  # fmt: skip


def maths(record: TwoChats) -> str:
    """What a mixture is."""
    return say(
        r"""
Two adapters of rank 8 on all seven modules, trained alone on the same base, 20 steps, η = 0.001, $s$ = 2. Mixed:
${W} + s\,(w_1 {B}_1{A}_1 + w_2 {B}_2{A}_2)$, the products weighted, not ${A}$ and ${B}$: weighting those gives
$w_1^2$, $w_2^2$ and two cross terms. A mixture has rank 16. Added up, $w_1 = w_2 = 1$.

The weights of ${dW}$ are mixed evenly; the answers are not, since the likeliest token either begins with a brace or
with "Arr", and the rest of the answer follows its beginning. A pirate counts by a pirate's word, JSON by how the answer
begins. {seeds} seeds; a seed draws ${A}$ and eight of the ten pairs. Recorded by `docs/record_two_chats.py`.""",
        W=tint("W", "W"), A=tint("A", "A"), B=tint("B", "B"), dW=tint("delta", r"\Delta W"), seeds=len(record.pirate),
    )  # fmt: skip


def table(record: TwoChats) -> dict[str, np.ndarray]:
    """One row a mixture: medians, least and most over the seeds; the first seed's answers."""
    found: dict[str, np.ndarray] = {"weight_pirate": record.weights[:, 0], "weight_json": record.weights[:, 1]}
    for name in ("pirate", "json", "perplexity"):
        values = getattr(record, name)
        found |= {f"{name}_median": np.median(values, axis=0), f"{name}_least": values.min(axis=0),
                  f"{name}_most": values.max(axis=0)}  # fmt: skip
    for i, question in enumerate(HELD_OUT):
        found[question] = np.array([answers[i] for answers in record.answers])
    return found


def measure(_: Settings, __: Lab) -> TwoChats:
    """What was recorded."""
    return recorded_two()


def extras(_: TwoChats) -> tuple[Part, ...]:
    """Whose words these are."""
    return about_the_model()


def _ask(seen: Seen, _: Any) -> Measured:
    half = int(np.argmin(np.abs(seen.film.values - 0.5)))
    pirate, json = (float(shown(seen.film, "style", name)[half]) for name in ("pirate", "json"))
    told = say("{pirate} of {all}; {json} are JSON.", pirate=word(pirate), json=word(json), all=len(HELD_OUT))
    return Measured(pirate, (5.0, 10.0, 20.0), told)


PART = Lesson(
    id="mix_and_stack", menu=to_say("Swap, mix, stack"), title=to_say("What do two adapters say together?"),
    claim=to_say("Mixing two adapters by weight does not mix their answers: they switch from one style to the other "
                 "within a quarter of the weight."),
    place=11, measure=measure, film=film, hero="style", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="style", table=table, extras=extras, seeded=False, trains=False,
    question=Question(to_say("Half of a pirate's adapter and half of one that answers in JSON: how many of 20 answers "
                             "are a pirate's?"),
                      to_say("The first token decides, and the likeliest one wins: half the weight is not half the "
                             "answers."), _ask),
)  # fmt: skip
