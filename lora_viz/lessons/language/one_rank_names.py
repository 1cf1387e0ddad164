"""What does a rank-1 adapter of the names model do? Which letters switch it on, and which it makes likelier."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.film.film import Film
from lora_viz.film.panels import Bars, Group, Lines, Passage, Passages, Series
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.networks.names import LANGUAGES, SHAPE
from lora_viz.networks.names_one_rank import PLACES, READ, OneRankNames, one_rank_names, shipped_one_rank

__all__ = ["BEGINS", "PART"]

BEGINS = "▸"  # what is read before the first letter of a name
IDS = tuple(f"{module.removesuffix('_proj')}_{layer}" for layer, module in PLACES)
NAMES = {
    "o_0": to_say("layer 0, o (attention)"),
    "down_0": to_say("layer 0, down (MLP)"),
    "o_1": to_say("layer 1, o (attention)"),
    "down_1": to_say("layer 1, down (MLP)"),
    "o_2": to_say("layer 2, o (attention)"),
    "down_2": to_say("layer 2, down (MLP)"),
}


def measure(settings: Settings, lab: Lab) -> OneRankNames:
    """As the lesson opens, read from its file, which a command writes; else trained now."""
    asked, usual = _asked(settings), _asked(PART.settings())
    return shipped_one_rank() if asked == usual else lab.follow(one_rank_names, *asked)


def _asked(settings: Settings) -> tuple[str, int, float, int]:
    e = settings.experiment
    return settings["language"], e.steps, e.lr, e.seed


def _place(p: int) -> str:
    return say(NAMES[IDS[p]])


def _letter(i: int) -> str:
    return chr(96 + i) if i else say("the end")


def _read(i: int) -> str:
    return chr(96 + i) if i else BEGINS


def _order(values: Float[np.ndarray, "27"], count: int) -> list[int]:
    """The letters with the largest values, the largest first; those without a number are not among them."""
    return [int(i) for i in np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:count]]


def _raised(record: OneRankNames, t: int, p: int) -> tuple[str, str]:
    """Four letters that rise most where h is above 0, and four that fall most."""
    values = record.measured[t, p]
    return tuple(", ".join(map(_letter, _order(way * values, 4))) for way in (1.0, -1.0))  # type: ignore[return-value]


def _strongest(record: OneRankNames, t: int, p: int) -> str:
    return _read(_order(np.abs(record.read[t, p]), 1)[0])


def film(record: OneRankNames, settings: Settings) -> Film:
    """The playhead runs over the steps: letters shaded by h, which letters rise, losses and cosines."""
    p, frames = IDS.index(settings["place"]), len(record.steps)
    language = say(LANGUAGES[record.language])
    letters = (say("end"), *map(_letter, range(1, SHAPE.vocabulary)))

    def among(id: str, name: str, values: Float[np.ndarray, "T P"]) -> tuple[Series, ...]:
        low, middle, high = np.sort(values, axis=1)[:, [0, len(PLACES) // 2, -1]].T
        whole = np.where(np.isnan(values).any(1), np.nan, 1.0)
        return (
            Series("all", say("all six places: middle and range"), "faint", middle * whole, low=low * whole,
                   high=high * whole, dash="dash"),
            Series(id, name, "delta", values[:, p], dots=True),
        )  # fmt: skip

    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float), start=frames - 1,
        seconds_per_frame=0.9, narration=tuple(_narrate(record, t, p) for t in range(frames)),
        panels=(
            Passages("tokens", say("What switches it on: h = s·a·x·‖b‖ at each letter, filled above 0, underlined "
                                   "below"),
                     (_passage(record, p, "new", say("{language} names that were not in training", language=language)),
                      _passage(record, p, "old", say("English names"))), span=7, tall=2),
            Lines("new_loss", say("Loss on held-out names: {language}", language=language),
                  y_label=say("nats per letter"), span=5,
                  series=(*among("here", _place(p), record.loss),
                          Series("base", say("base"), "W", np.full(frames, record.base)))),
            Lines("alike", say("Do b's letters go up? Cosine of measured and direct"), span=5, row=1, reach=1.0,
                  y_label=say("1: the same letters"), series=among("here", _place(p), record.alike)),
            Bars("read", say("Mean of h after each letter"), labels=tuple(map(_read, range(SHAPE.vocabulary))),
                 bar_ids=_ids("after"), y_label="h", span=12, row=2,
                 groups=(Group("h", "h", "A", np.nan_to_num(record.read[:, p])),)),
            Bars("raised", say("Which letters it makes likelier: change of the logit at a usual h above 0"),
                 labels=letters, bar_ids=_ids("letter"), y_label=say("logit"), span=12, row=3,
                 groups=(Group("measured", say("measured"), "delta", np.nan_to_num(record.measured[:, p])),
                         Group("direct", say("b through the head alone"), "B", np.nan_to_num(record.direct[:, p]),
                               outline=True))),
        ),
    )  # fmt: skip


def _ids(what: str) -> tuple[str, ...]:
    return tuple(f"{what}_{chr(96 + i) if i else 'end'}" for i in range(SHAPE.vocabulary))


def _passage(record: OneRankNames, p: int, id: str, label: str) -> Passage:
    """The names of one list with h at every letter, as part of the largest |h| of the whole film."""
    names = record.names[:READ] if id == "new" else record.names[READ:]
    tokens = tuple(token for name in names for token in (BEGINS, *name))
    values = record.h[:, p, : len(tokens)] if id == "new" else record.h[:, p, -len(tokens) :]
    most = float(np.nanmax(np.abs(record.h[:, p]), initial=0.0)) or 1.0
    return Passage(id, label, ("".join(tokens),), colour="A", tokens=(tokens,), values=np.nan_to_num(values / most))


def _narrate(record: OneRankNames, t: int, p: int) -> str:
    if np.isnan(record.loss[t, p]):
        return say("The adapter has diverged.")
    if not np.isfinite(record.alike[t, p]):
        return say("Before the first step b = 0: nothing is added.")
    return say("Step {step}: strongest after “{read}”; where h is above 0, {up} rise.", step=record.steps[t],
               read=_strongest(record, t, p), up=_raised(record, t, p)[0])  # fmt: skip


def verdict(record: OneRankNames) -> Verdict:
    """The claim holds where all six losses fell, and each b's letters through the head rose on the whole."""
    told = {"most": float(record.loss[-1].max()), "base": record.base, "alike": float(record.alike[-1].min())}
    if not np.isfinite(list(told.values())).all():
        return undecided(say("there was no step, or an adapter diverged"), **told)
    why = say("the loss fell from {base} to at most {most} in each of the six places, with a cosine of at least "
              "{alike}", **{name: number(value) for name, value in told.items()})  # fmt: skip
    if told["most"] < told["base"] and told["alike"] > 0:
        return true_here(why, **told)
    return false_here(say("of six losses the largest went from {base} to {most}, and the least cosine is {alike}",
                          **{name: number(value) for name, value in told.items()}), **told)  # fmt: skip


def takeaway(record: OneRankNames, settings: Settings) -> str:
    """What was seen, in the run's own numbers."""
    p = IDS.index(settings["place"])
    if np.isnan(record.loss[-1, p]):
        return say("The adapter diverged: its outputs became useless. Lower the learning rate.")
    if not np.isfinite(record.alike[-1, p]):
        return say("There was no step: b = 0, and nothing is added.")
    up, down = _raised(record, -1, p)
    told = {"parameters": int(record.parameters[p]), "base": record.base, "end": record.loss[-1, p]}
    lower = record.loss[-1, p] < record.base
    return " ".join((
        say("{parameters} parameters in one module lower the loss on held-out names from {base:.2f} to {end:.2f} nats "
            "per letter.", **told) if lower else
        say("{parameters} parameters in one module: the loss on held-out names went from {base:.2f} to {end:.2f} nats "
            "per letter.", **told),
        say("The adapter is strongest after “{read}”.", read=_strongest(record, -1, p)),
        say("Where h is above 0, the letters {up} rise and {down} fall.", up=up, down=down),
    ))  # fmt: skip


def detail(record: OneRankNames) -> str:
    """Every place: its loss and its cosine."""
    if not np.isfinite([*record.loss[-1], *record.alike[-1]]).all():
        return ""
    found = zip(record.loss[-1], record.alike[-1], strict=True)
    told = "; ".join(f"{_place(p)} {number(loss)} / {number(alike)}" for p, (loss, alike) in enumerate(found))
    return say("Loss in nats per letter (base: {base:.2f}) and cosine of every place at the end: {told}.",
               base=record.base, told=told)  # fmt: skip


def maths(record: OneRankNames, settings: Settings) -> str:
    """What a and b are, and what is measured."""
    return say(
        r"""
With $r = 1$, ${A}$ is a row $a$ and ${B}$ a column $b$: the adapter adds $s\,b\,(a \cdot x)$ to what one module says,
so it can push a state along one direction only, forwards or backwards. What is shown as $h = s\,(a \cdot x)\,\|b\|$ is
how far. $(a, b)$ and $(-a, -b)$ are the same adapter: the sign is chosen so that the $h$ furthest from 0 is positive.

*Measured*: the slope of each letter's logit, with the adapter minus without, against $h$: least squares over all
letters of 96 held-out names, times the root mean square of $h$. *Direct*: the same of
$\mathrm{{head}}(\mathrm{{norm}}\odot b)$ over the root mean square of the state, as if no later layer read $b$. Both
are shown beside their mean over letters. After the last down projection only the norm stands in between. It divides by
a length to which $b$ has added, so what the base says becomes smaller too: even there the two are not the same.

Six adapters, one in each module that writes into the states, are trained apart as one batch: AdamW, {steps} steps of 16
names, η = {lr:g} falling to 0, $s = 2$.

{seeds}""",
        A=tint("A", "A"), B=tint("B", "B"), steps=settings.experiment.steps, lr=settings.experiment.lr,
        seeds=_over_seeds(),
    )  # fmt: skip


def _over_seeds() -> str:
    return say(
        "Over 5 seeds of each of five countries, 25 runs with the settings that the page opens with: in each of them "
        "all six losses fell and all six cosines were above 0. The median cosine of a place is 0.75 to 0.88, the least "
        "of all 0.42 (`python docs/measure_names.py one 0 1 2 3 4`)."
    )


def table(record: OneRankNames) -> dict[str, np.ndarray]:
    """One row a place and a letter, at the end."""
    count = SHAPE.vocabulary

    def each(values: Any) -> np.ndarray:
        return np.repeat(np.asarray(values), count)

    return {
        "place": each(IDS), "loss_base": each([record.base] * len(IDS)), "loss": each(record.loss[-1]),
        "cosine": each(record.alike[-1]), "letter": np.tile(("end", *map(chr, range(97, 123))), len(IDS)),
        "mean_h_after_it": record.read[-1].ravel(), "logit_measured": record.measured[-1].ravel(),
        "logit_direct": record.direct[-1].ravel(),
    }  # fmt: skip


def _ask(seen: Seen, _: Any) -> Measured:
    loss, base = (shown(seen.film, "new_loss", name) for name in ("here", "base"))
    told = say("From {base} to {end} nats per letter.", base=word(base[-1]), end=word(loss[-1]))
    return Measured(float(loss[-1]), (float(base[-1]), 1.5 * float(base[-1]), float(loss[-1]) / 2), told,
                    about={"base": word(base[-1])})  # fmt: skip


PART = Lesson(
    id="one_rank_names", menu=to_say("A model of names"), title=to_say("What does a rank-1 adapter do to names?"),
    claim=to_say("Wherever it sits, a rank-1 adapter lowers the loss on another country's names, and the letters that "
                 "b raises through the head mostly rise."), place=12,
    default=Experiment(steps=100, lr=0.02), seeded=True,
    controls=(
        Choice(id="language", label=to_say("Names to learn"), options=tuple(LANGUAGES)[1:], names=dict(LANGUAGES),
               default="italian", help=to_say("Change it and compare which letters rise.")),
        Choice(id="place", label=to_say("Module with the adapter"), options=IDS, default=IDS[-1],
               names=NAMES,
               help=to_say("All six are trained; this one is shown.")),
        CONTROLS["steps"].only(50, 100, 200),
        CONTROLS["lr"].only(0.005, 0.01, 0.02, 0.05),
    ),
    waits_for=to_say("Six rank-1 adapters of a language model"),
    measure=measure, film=film, hero="tokens", verdict=verdict, takeaway=takeaway, detail=detail, maths=maths,
    on_paper="raised", table=table,
    question=Question(to_say("One rank on this module is trained. The base has a loss of {base}. What is it now, in "
                             "nats per letter?"),
                      to_say("One direction is enough for much: it is added after every letter, as far as a·x says."),
                      _ask),
)  # fmt: skip
