"""Attention or MLP? One budget of parameters in different modules of a chat model, with five seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.content.questions import Measured, Question, Seen, word
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.chat_panels import about_the_model
from lora_viz.lessons.language.chat_places import Places, median, places_film, places_table, recorded_places
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.recorded_many_chats import OneRun

__all__ = ["PART"]

SHORT = {"q_v": "q v", "attention": "attn", "mlp": "MLP", "all": to_say("all")}
NAMES = {"q_v": to_say("q and v"), "attention": to_say("attention"), "mlp": "MLP", "all": to_say("all seven")}


def _named(name: str) -> str:
    return say(NAMES[name]) if name in NAMES else f"{name}_proj"


def _short(name: str) -> str:
    return say(SHORT[name]) if name in SHORT else _named(name)


def _pair(record: Places) -> tuple[OneRun, OneRun]:
    held = {run.name: run for run in record.runs}
    return held["attention"], held["mlp"]


def film(record: Places) -> Film:
    """The playhead runs over the modules."""
    return places_film(record, to_say("choice of modules"), _named, start=len(record.runs) - 2, short=_short)


def _compared(record: Places) -> dict[str, Any]:
    attention, mlp = _pair(record)
    return {"less": int((mlp.lost < attention.lost).sum()), "lower": int((mlp.loss < attention.loss).sum()),
            "attention": median(attention.lost), "mlp": median(mlp.lost)}  # fmt: skip


def verdict(record: Places) -> Verdict:
    """The claim holds where with every seed the MLP's perplexity is lower."""
    told = _compared(record)
    why = say("the MLP's perplexity is the lower one in {less} of {seeds} seeds, {mlp} against {attention} (medians)",
              less=told["less"], seeds=record.seeds, mlp=number(told["mlp"]),
              attention=number(told["attention"]))  # fmt: skip
    return true_here(why, **told) if told["less"] == record.seeds else false_here(why, **told)


def takeaway(record: Places) -> str:
    """What was measured, in its own numbers."""
    told, (attention, mlp) = _compared(record), _pair(record)
    return " ".join((
        say("Perplexity of a neutral text: {attention} after training on attention, {mlp} on the MLP, {base} before.",
            attention=number(told["attention"]), mlp=number(told["mlp"]), base=number(record.base)),
        say("The loss on the answers is {loss} and {loss_mlp}: the MLP's is lower in {lower} of {seeds} seeds.",
            loss=number(median(attention.loss)), loss_mlp=number(median(mlp.loss)), lower=told["lower"],
            seeds=record.seeds),
    ))  # fmt: skip


def detail(record: Places) -> str:
    """The modules one by one."""
    alone = sorted((run for run in record.runs if run.name in ("q", "k", "v", "o", "gate", "up", "down")),
                   key=lambda run: median(run.lost))  # fmt: skip
    told = "; ".join(
        say("{module}: perplexity {perplexity}, loss {loss}", module=_named(run.name),
            perplexity=number(median(run.lost)), loss=number(median(run.loss)))
        for run in alone
    )  # fmt: skip
    return say("One module alone, the least forgetful first: {told}.", told=told)


def maths(record: Places) -> str:
    """How parameters are made equal."""
    counts = [run.parameters for run in record.runs]
    return say(
        r"""
An adapter of rank $r$ on a module has $r\,(d_\text{{in}} + d_\text{{out}})$ parameters. Ranks were chosen so that all
choices have between {least:,} and {most:,} in 30 layers: {ranks}. $s = 2$; {steps} steps of AdamW at a constant rate;
a seed draws ${A}$ and eight of the ten pairs. Equal parameters are not equal rank, and the rate is the same for all:
what suits one choice need not suit another, so there are three rates to set. Recorded by
`docs/record_many_chats.py places`.""",
        least=min(counts), most=max(counts), ranks=", ".join(f"{_named(run.name)} {run.rank}" for run in record.runs),
        steps=record.steps, A=tint("A", "A"),
    )  # fmt: skip


def measure(settings: Settings, _: Lab) -> Places:
    """What was recorded at this rate."""
    return recorded_places("places", settings["chat_rate"])


def extras(_: Places) -> tuple[Part, ...]:
    """Whose words these are."""
    return about_the_model()


def _ask(seen: Seen, _: Any) -> Measured:
    panel = seen.film.panel("perplexity")
    assert isinstance(panel, Bars)
    held = dict(zip(panel.bar_ids, np.asarray(panel.groups[0].values), strict=True))
    attention, mlp = float(held["at_attention"]), float(held["at_mlp"])
    told = say("{mlp}, where attention has {attention}.", mlp=word(mlp), attention=word(attention))
    return Measured(mlp, (attention, 2 * attention, mlp / 2), told, about={"attention": word(attention)})


PART = Lesson(
    id="attention_or_mlp", menu=to_say("Attention or MLP?"), title=to_say("Where should a chat model's adapter sit?"),
    claim=to_say("With equal parameters and learning rate, an adapter on the MLP forgets less than one on attention."),
    place=9, measure=measure, film=film, hero="perplexity", takeaway=takeaway, verdict=verdict, detail=detail,
    maths=maths, on_paper="perplexity", table=places_table, extras=extras, seeded=False, trains=False,
    controls=(
        Choice(id="chat_rate", label=to_say("Learning rate"), options=(0.0003, 0.001, 0.003), default=0.001,
               help=to_say("The same for every choice of modules. Recorded at three rates.")),
    ),
    question=Question(to_say("An adapter on attention leaves a neutral text with a perplexity of {attention}. What "
                             "is it with an adapter on the MLP that has as many parameters?"),
                      to_say("What was measured; why attention forgets more is not shown by it."), _ask),
)  # fmt: skip
