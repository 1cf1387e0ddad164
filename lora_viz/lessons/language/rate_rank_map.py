"""Ranks over learning rates, every cell a trained adapter of a chat model: where it learns, and where it breaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, Unanswerable
from lora_viz.film.film import Film
from lora_viz.film.panels import Field, Lines, Passage, Passages, Series
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import decimal, listed, say, to_say
from lora_viz.lessons.controls import Choice, Control
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.chat_panels import about_the_model, shown
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.chat_map import RANKS, RATES, ChatMap, chat_map, recorded_chat_map
from lora_viz.networks.chat_sets import HELD_OUT
from lora_viz.networks.smollm2 import find_smollm2

__all__ = ["PART"]

REGIONS = (to_say("not yet"), to_say("in style"), to_say("forgets"), to_say("broken"))
MANY, FORGETS = len(HELD_OUT) // 2, 2.0  # answers that are a style; times the base's perplexity that is forgetting
RECORDED, EVERY = "recorded", "all"
HERE = {
    RECORDED: to_say("all seven modules, recorded"), "all": to_say("all seven modules, now"),
    "attention": to_say("attention, now"), "mlp": to_say("the MLP, now"), "q_v": to_say("q and v, now"),
}  # fmt: skip


class Chosen(NamedTuple):
    """A plane, of all seeds or one of them, and the cell, (row, column), that is looked at."""

    plane: ChatMap
    cell: tuple[int, int]

    def median(self, what: str) -> Float[np.ndarray, "T m n"]:
        """Over seeds, NaN where most of them have no number."""
        values = np.where(np.isnan(held := getattr(self.plane, what).astype(float)), np.inf, held)
        found = np.median(values, axis=0)
        return np.where(np.isfinite(found), found, np.nan)

    @property
    def region(self) -> Int[np.ndarray, "T m n"]:
        """In which of REGIONS every cell is at every step. Broken: the loss is not below what it was at step 0."""
        style, loss, lost = (self.median(what) for what in ("style", "loss", "perplexity"))
        learnt = style >= MANY
        broken = ~learnt & ~(loss < loss[:1])
        broken[0] = False
        forgets = learnt & ~(lost <= FORGETS * self.plane.base)
        return np.select([broken, forgets, learnt], [3, 2, 1], default=0)

    def complete(self) -> list[tuple[float, float] | None]:
        """The lowest and the highest rate of each rank at which every answer of the median seed has the style."""
        every = self.median("style")[-1] >= len(HELD_OUT)
        return [(float(rates[0]), float(rates[-1])) if len(rates := self.plane.rates[row]) else None for row in every]


def _mark(lr: float) -> str:
    return f"{lr:.6f}".rstrip("0")


def _rate(lr: float) -> str:
    return decimal(_mark(lr))


def _seeds(record: Chosen) -> str:
    seeds = len(record.plane.style)
    return say("one seed") if seeds == 1 else say("median of {seeds} seeds", seeds=seeds)


def _cell(record: Chosen) -> str:
    row, column = record.cell
    return say("rank {rank}, η = {lr}", rank=int(record.plane.ranks[row]), lr=_rate(record.plane.rates[column]))


def film(record: Chosen) -> Film:
    """The map of styles over the steps, what is forgotten, and the chosen adapter's answer and loss."""
    plane, (row, column), region = record.plane, record.cell, record.region
    axes: dict[str, Any] = {
        "x_labels": tuple(map(_mark, plane.rates)), "y_labels": tuple(str(int(r)) for r in plane.ranks),
        "x_title": say("learning rate η"), "y_title": say("rank r"), "chosen": record.cell, "picks": True,
    }  # fmt: skip
    counts = [[int((frame == k).sum()) for k in range(len(REGIONS))] for frame in region]
    told = tuple(
        say("Step {step}, of {all} adapters: in style {good}, forgets {forgets}, broken {broken}, not yet {waits}.",
            step=step, all=region[0].size, waits=waits, good=good, forgets=forgets, broken=broken)
        for step, (waits, good, forgets, broken) in zip(plane.steps, counts, strict=True)
    )  # fmt: skip
    states = (say(REGIONS[int(k)]) for k in region[:, row, column])
    losses = plane.loss[:, :, row, column]
    known = np.isfinite(losses).all(axis=0)
    low, middle, high = (np.where(known, f(losses, axis=0), np.nan) for f in (np.min, np.median, np.max))
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=plane.steps.astype(float),
        start=len(plane.steps) - 1, seconds_per_frame=0.8, narration=told,
        panels=(
            Field("style", say("Pirate answers of {all}, {seeds} (click a cell)", all=len(HELD_OUT),
                               seeds=_seeds(record)),
                  values=record.median("style"), limits=(0.0, float(len(HELD_OUT))), colour="delta",
                  regions=region.astype(float), region_names=tuple(map(say, REGIONS)),
                  caption=tuple(say("chosen: {cell}: {state}", cell=_cell(record), state=state) for state in states),
                  span=7, tall=2, **axes),
            Passages("answers", HELD_OUT[0],
                     (Passage("chosen", _cell(record), tuple(shown(at[row][column]) for at in plane.answers),
                              colour="delta"),), span=5),
            Field("perplexity", say("Perplexity of a neutral text, {seeds}", seeds=_seeds(record)),
                  values=record.median("perplexity"), limits=(plane.base, 1000 * plane.base), scale="log", span=5,
                  row=1, **axes),
            Lines("loss", say("The chosen adapter: {cell}", cell=_cell(record)), y_label=say("nats per token"),
                  series=(Series("loss", say("loss on the answers"), "delta", middle, low=low, high=high, dots=True),),
                  scale="log", span=12, row=2),
        ),
    )  # fmt: skip


def _ends(record: Chosen) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """What is complete of the lowest rank and of the highest, if both ever are."""
    found = record.complete()
    first, last = found[0], found[-1]
    return None if first is None or last is None else (first, last)


def verdict(record: Chosen) -> Verdict:
    """Both ends of the rates that make every answer a pirate's fall with the rank, and never rise."""
    found, ends = record.complete(), _ends(record)
    if ends is None or None in found:
        return false_here(say("at some rank no rate makes every answer a pirate's"))
    (low, high), (least, most) = ends
    evidence = {"low": low, "high": high, "least": least, "most": most}
    told = say("from rank 1 to rank {rank} the lowest such rate goes from {low} to {least}, the highest from {high} "
               "to {most}", rank=int(record.plane.ranks[-1]), low=_rate(low), least=_rate(least), high=_rate(high),
               most=_rate(most))  # fmt: skip
    held = np.array([pair for pair in found if pair is not None])
    if (np.diff(held, axis=0) <= 0).all() and least < low and most < high:
        return true_here(told, **evidence)
    return false_here(told, **evidence)


def takeaway(record: Chosen) -> str:
    """What was measured, in its own numbers."""
    ends, last = _ends(record), record.region[-1]
    told = say("After {steps} steps, of {all} adapters: in style {good}, forget {forgets}, broken {broken}.",
               steps=int(record.plane.steps[-1]), all=last.size, good=int((last == 1).sum()),
               forgets=int((last == 2).sum()), broken=int((last == 3).sum()))  # fmt: skip
    if ends is None:
        return told
    return f"{told} " + say(
        "Every answer is a pirate's at η = {low} to {high} with rank 1, at {least} to {most} with rank {rank}.",
        low=_rate(ends[0][0]), high=_rate(ends[0][1]), least=_rate(ends[1][0]), most=_rate(ends[1][1]),
        rank=int(record.plane.ranks[-1]),
    )  # fmt: skip


def detail(record: Chosen) -> str:
    """The chosen cell, seed by seed."""
    row, column = record.cell
    style, lost = (getattr(record.plane, what)[:, -1, row, column] for what in ("style", "perplexity"))
    return say("The chosen adapter ({cell}) ends with {style} answers of {all} in the style, seed by seed, and a "
               "perplexity of {lost}; the base has {base}.", cell=_cell(record), all=len(HELD_OUT),
               style=listed(str(int(v)) for v in style),
               lost=listed(number(float(v)) if np.isfinite(v) else "∞" for v in lost),
               base=number(record.plane.base))  # fmt: skip


def maths(record: Chosen) -> str:
    """What is trained and what the regions mean."""
    return say(
        r"""
{adapters} adapters ${dW} = s\,{B}{A}$ with $s = 2$ at every rank, trained together over one frozen model: {steps}
steps of AdamW at a constant rate, without weight decay. A seed draws ${A}$ and which eight of the ten pairs are
trained on, the same for all cells.

**In style**: at least {many} of {all} held-out answers are a pirate's. **Forgets**: so, but the perplexity of the
neutral text is more than {times} times the base's. **Broken**: fewer are a pirate's, and the loss is not below that of
step 0. **Not yet**: all others.

With $s = \alpha/r$ held, $r$ rows of ${A}$ and columns of ${B}$ add up in one step, so ${dW}$ can move further at the
same η. With another rule for $s$ the map is another one. The recorded map: `docs/record_chat_map.py`.""",
        adapters=record.region[0].size, steps=int(record.plane.steps[-1]), many=MANY, all=len(HELD_OUT),
        times=number(FORGETS), A=tint("A", "A"), B=tint("B", "B"), dW=tint("delta", r"\Delta W"),
    )  # fmt: skip


def table(record: Chosen) -> dict[str, np.ndarray]:
    """The last step, one row a seed and cell."""
    plane = record.plane
    seeds, _, m, n = plane.style.shape
    return {
        "seed": np.repeat(np.arange(seeds), m * n),
        "rank": np.tile(np.repeat(plane.ranks, n), seeds),
        "learning_rate": np.tile(plane.rates, seeds * m),
        "pirate_answers": plane.style[:, -1].ravel(),
        "loss": plane.loss[:, -1].ravel(),
        "perplexity": plane.perplexity[:, -1].ravel(),
    }


def trained_here(_: Mapping[str, Any]) -> tuple[Control, ...]:
    """What may be trained anew, where a GPU and the model are."""
    if find_smollm2() is None or not torch.cuda.is_available():
        return ()
    return (
        Choice(id="map_place", label=to_say("Adapters on"), options=tuple(HERE), default=RECORDED, names=HERE,
               help=to_say("Trained on this machine's GPU with one seed in a minute or two; recorded: five seeds.")),
    )  # fmt: skip


def which_seed(answers: Mapping[str, Any]) -> tuple[Control, ...]:
    """All recorded seeds together, or one of them."""
    if answers.get("map_place", RECORDED) != RECORDED:
        return ()
    names = {EVERY: to_say("median"), **{seed: seed for seed in "12345"}}
    return (
        Choice(id="map_seed", label=to_say("Seed"), options=(EVERY, *"12345"), default=EVERY, names=names,
               help=to_say("The median of five seeds, or one of them. A seed draws A and which pairs are trained on. "
                           "The answer on the screen is always the first seed's.")),
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> Chosen:
    """What was recorded; or a plane trained now, where there is a GPU."""
    given = dict(settings.options)
    place, path, seed = given.get("map_place", RECORDED), find_smollm2(), given.get("map_seed", EVERY)
    here = place != RECORDED and path is not None
    plane = lab.follow(chat_map, path, place, 0) if here else recorded_chat_map()
    if not here and seed != EVERY:
        one = slice(int(seed) - 1, int(seed))
        plane = plane._replace(style=plane.style[one], loss=plane.loss[one], perplexity=plane.perplexity[one])
    return Chosen(plane, (RANKS.index(given["map_rank"]), RATES.index(given["map_rate"])))


def pick(record: Chosen, row: int, column: int) -> dict[str, Any]:
    """The settings that choose this cell."""
    return {"map_rank": int(record.plane.ranks[row]), "map_rate": float(record.plane.rates[column])}


def extras(_: Chosen) -> tuple[Part, ...]:
    """Whose words these are."""
    return about_the_model()


def _ask(seen: Seen, _: Any) -> Measured:
    field = seen.film.panel("style")
    assert isinstance(field, Field)
    every = np.asarray(field.values)[-1] >= len(HELD_OUT)
    if not (every[0].any() and every[-1].any()):
        raise Unanswerable(say("At rank 1 or at the highest rank no rate makes every answer a pirate's here."))
    one, most = (field.x_labels[int(row.argmax())] for row in (every[0], every[-1]))
    told = say("From η = {most} on: at the highest rank less is enough.", most=decimal(most))
    wrong = (decimal(one), _rate(float(one) * 2), _rate(float(most) / 3))
    about = {"one": decimal(one), "rank": field.y_labels[-1]}
    return Measured(decimal(most), tuple(w for w in wrong if w != decimal(most)), told, about)


PART = Lesson(
    id="rate_rank_map", menu=to_say("Map of rank and learning rate"),
    title=to_say("Rank × learning rate: where does a chat model learn, and where does it break?"),
    claim=to_say("With s = 2, a higher rank needs a lower learning rate to take on a style, and breaks the model at a "
                 "lower one."),
    place=8, measure=measure, film=film, hero="style", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="style", table=table, extras=extras, seeded=False, trains=False, on_pick=pick,
    waits_for=to_say("98 adapters of SmolLM2"),
    controls=(trained_here,),
    more=(
        which_seed,
        Choice(id="map_rank", label=to_say("Rank of the chosen cell"), options=RANKS, default=8, picked=True,
               help=to_say("Whose answer and loss are shown beside the map; a click on a cell chooses too.")),
        Choice(id="map_rate", label=to_say("Its learning rate"), options=RATES, default=RATES[4], picked=True,
               help=to_say("Whose answer and loss are shown beside the map; a click on a cell chooses too.")),
    ),
    question=Question(to_say("At rank 1 every answer is a pirate's from η = {one} on. From which rate on at rank "
                             "{rank}?"),
                      to_say("Each rank is another column of B and row of A that moves by η in every step."), _ask),
)  # fmt: skip
