"""A tiny language model of names learns those of another country: the same random numbers, another name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.core.experiment import Experiment
from lora_viz.export.names_adapters import names_archive
from lora_viz.film.film import Film
from lora_viz.film.panels import Curve, Curves, Dash, Lines, Passage, Passages, Readout, Row, Series
from lora_viz.film.style import tint, to_a_tenth
from lora_viz.i18n.language import decimal, listed, say, to_say
from lora_viz.lessons.catalogue import CONTROLS
from lora_viz.lessons.controls import Choice
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Download, Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.llama import MODULES
from lora_viz.networks.names import DATA, LANGUAGES, SHAPE
from lora_viz.networks.names_training import NamesExperiment, NamesRun, adapt_names

__all__ = ["LESSON", "MODULE_SETS", "RANKS", "SHIPPED", "SHIPPED_ADAPTERS", "OneName", "one_name"]

RANKS = (1, 4, 16)
MODULE_SETS = {"all": MODULES, "q_v": ("q_proj", "v_proj"), "mlp": ("gate_proj", "up_proj", "down_proj")}
SHIPPED = DATA / "one_name.json"
SHIPPED_ADAPTERS = DATA / "one_name_adapters.npz"


class OneName(NamedTuple):
    """Losses in nats a letter at each recorded step and rank, and the names that were written there.

    ``new`` are held-out names of the language, ``old`` English ones; ``base_new`` and ``base_old`` what the base has.
    ``said[t][g]`` are some names of rank g at step t, always from the same random numbers; at step 0 they are the
    base's. ``copied`` is the share of names written at the end that stand in the training list, ``base_copied`` the
    base's. ``factors`` are A and B of each rank at the end, under PEFT's names.
    """

    language: str
    steps: Int[np.ndarray, "T"]
    new: Float[np.ndarray, "T G"]
    old: Float[np.ndarray, "T G"]
    base_new: float
    base_old: float
    said: tuple[tuple[tuple[str, ...], ...], ...]
    copied: Float[np.ndarray, "G"]
    base_copied: float
    parameters: Int[np.ndarray, "G"]
    seed: int
    factors: tuple[Mapping[str, np.ndarray], ...] = ()


def one_name(run: NamesRun) -> OneName:
    """What the lesson shows of a run."""
    return OneName(
        language=run.experiment.language,
        steps=run.steps,
        new=run.new,
        old=run.old,
        base_new=float(run.new[0, 0]),  # B = 0: at step 0 every adapter is the base
        base_old=float(run.old[0, 0]),
        said=run.said,
        copied=run.copied,
        base_copied=run.base_copied,
        parameters=run.parameters,
        seed=run.experiment.seed,
        factors=run.factors,
    )


def experiment(settings: Settings) -> NamesExperiment:
    """The training that these settings ask for."""
    e = settings.experiment
    specs = tuple(AdapterSpec(rank=r, modules=MODULE_SETS[settings["targets"]], lr=e.lr, seed=e.seed) for r in RANKS)
    return NamesExperiment(specs=specs, language=settings["language"], steps=e.steps, seed=e.seed)


def as_shipped(record: OneName) -> str:
    """The record as the file that the lesson opens with."""
    plain = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in record._asdict().items()
        if name != "factors"
    }
    return json.dumps(plain, indent=0) + "\n"


def ship_adapters(record: OneName, file: Path) -> None:
    """Its factors as the second file that the lesson opens with."""
    held = {f"{g}/{name}": value for g, factors in enumerate(record.factors) for name, value in factors.items()}
    np.savez_compressed(file, **held)  # type: ignore[arg-type]


def read_shipped() -> OneName:
    """What ``docs/make_names_shown.py`` wrote."""
    plain = json.loads(SHIPPED.read_text(encoding="utf-8"))
    for name in ("steps", "new", "old", "copied", "parameters"):
        plain[name] = np.array(plain[name])
    plain["said"] = tuple(tuple(tuple(names) for names in ranks) for ranks in plain["said"])
    with np.load(SHIPPED_ADAPTERS, allow_pickle=False) as file:
        held: list[dict[str, np.ndarray]] = [{} for _ in RANKS]
        for key in file.files:
            g, name = key.split("/", 1)
            held[int(g)][name] = file[key]
    return OneName(**plain, factors=tuple(held))


def measure(settings: Settings, lab: Lab) -> OneName:
    """As the lesson opens, read from its file, which a command writes; else trained now."""
    asked = experiment(settings)
    if SHIPPED.is_file() and asked == experiment(LESSON.settings()):
        return read_shipped()
    return one_name(lab.follow(adapt_names, asked))


DASHES: tuple[Dash, ...] = ("dot", "dash", "solid")


def _rank(r: int) -> str:
    return f"r = {r}"


def film(record: OneName) -> Film:
    """The playhead runs over the steps: names at the same random numbers, and both losses."""
    frames, at = len(record.steps), np.array(RANKS, dtype=float)
    language = say(LANGUAGES[record.language])

    def curves(values: Float[np.ndarray, "T G"], base: float) -> tuple[Series, ...]:
        own = (Series(f"r_{r}", _rank(r), "delta", values[:, g], dash=DASHES[g]) for g, r in enumerate(RANKS))
        return (*own, Series("base", say("base"), "W", np.full(frames, base)))

    rows = (
        Passage("base", say("base, English"), (_names(record.said[0][0]),), colour="W"),
        *(
            Passage(f"r_{r}", _rank(r), tuple(_names(at_step[g]) for at_step in record.said), colour="delta")
            for g, r in enumerate(RANKS)
        ),
    )
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float), start=frames - 1,
        seconds_per_frame=0.7, narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            Passages("names", say("Six names, the same random numbers in every row"), rows, span=7),
            Lines("new_loss", say("Loss on held-out names: {language}", language=language),
                  y_label=say("nats per letter"), span=5, series=curves(record.new, record.base_new)),
            Lines("old_loss", say("Loss on held-out names: English"), y_label=say("nats per letter"), span=5, row=1,
                  series=curves(record.old, record.base_old)),
            Curves("against_rank", say("Loss against rank, now"), x=at, x_label=say("rank r"),
                   y_label=say("nats per letter"), x_scale="log", span=4, row=1,
                   series=(Curve("new", language, "delta", record.new, dots=True),
                           Curve("old", say("English"), "W", record.old, dots=True))),
            Readout("readings", say("Parameters · names copied"),
                    tuple(Row(f"r_{r}", _rank(r), (f"{int(record.parameters[g]):,} · {to_a_tenth(record.copied[g])}",),
                              colour="delta") for g, r in enumerate(RANKS)), span=3, row=1),
        ),
    )  # fmt: skip


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(name.capitalize() or "—" for name in names)


def _narrate(record: OneName, t: int) -> str:
    step, first = record.steps[t], record.said[t]
    if t == 0:
        return say("Before the first step B = 0: every rank writes what the base writes.")
    told = ", ".join(f"{first[g][0].capitalize() or '—'} (r = {r})" for g, r in enumerate(RANKS))
    return say("Step {step}: {base} has become {told}.", step=step, base=record.said[0][0][0].capitalize(), told=told)


def verdict(record: OneName) -> Verdict:
    """The claim holds where every rank ended lower on the new names and higher on English ones."""
    language, last, old = say(LANGUAGES[record.language]), record.new[-1], record.old[-1]
    ends = {"new": tuple(last.tolist()), "old": tuple(old.tolist()),
            "base_new": record.base_new, "base_old": record.base_old}  # fmt: skip
    if len(record.steps) == 1 or not np.isfinite([last, old]).all():
        return undecided(say("there was no step, or a run diverged"), **ends)
    if (last < record.base_new).all() and (old > record.base_old).all():
        return true_here(
            say("with every rank the loss fell on {language} names and rose on English ones", language=language), **ends
        )
    return false_here(say("not every rank both gained on {language} names and lost on English ones", language=language),
                      **ends)  # fmt: skip


def takeaway(record: OneName) -> str:
    """What was seen, in the run's own numbers."""
    language, last, old = say(LANGUAGES[record.language]), record.new[-1], record.old[-1]
    if not np.isfinite([last, old]).all():
        gone = ", ".join(_rank(r) for g, r in enumerate(RANKS) if not np.isfinite([last[g], old[g]]).all())
        return say("{gone} diverged: its outputs became useless. Lower the learning rate.", gone=gone)
    return " ".join((
        say("With rank {low} and rank {high} the loss on held-out names ({language}) went from {base:.2f} to {one:.2f} "
            "and {most:.2f} nats per letter.", low=RANKS[0], high=RANKS[-1], language=language, base=record.base_new,
            one=last[0], most=last[-1]),
        say("On English names it was {base:.2f} before, and {one:.2f} and {most:.2f} after.", base=record.base_old,
            one=old[0], most=old[-1]),
    ))  # fmt: skip


def detail(record: OneName) -> str:
    """Every rank's losses, and how many names were copied."""
    language, copied = say(LANGUAGES[record.language]), float(record.copied.max())
    copies = (
        say("Of 200 names written at the end, at most {copied} are in the training list (the base: {base}): the style "
            "was learnt, not the list.", copied=to_a_tenth(copied), base=to_a_tenth(record.base_copied))
        if copied < 0.1
        else say("Of 200 names written at the end, up to {copied} are in the training list (the base: {base}).",
                 copied=to_a_tenth(copied), base=to_a_tenth(record.base_copied))
    )  # fmt: skip
    if not np.isfinite([record.new[-1], record.old[-1]]).all():
        return ""
    return " ".join((
        say("Losses at the end: {language} {new}; English {old}.", language=language, new=_listed(record.new[-1]),
            old=_listed(record.old[-1])),
        copies,
    ))  # fmt: skip


def _listed(losses: Float[np.ndarray, "G"]) -> str:
    return listed(f"{decimal(f'{loss:.2f}')} (r = {r})" for loss, r in zip(losses, RANKS, strict=True))


def table(record: OneName) -> dict[str, np.ndarray]:
    """One row a recorded step: losses and names of every rank."""
    found: dict[str, np.ndarray] = {"step": record.steps}
    for g, r in enumerate(RANKS):
        found[f"loss_{record.language}_r{r}"] = record.new[:, g]
        found[f"loss_english_r{r}"] = record.old[:, g]
        found[f"names_r{r}"] = np.array([" ".join(at[g]) for at in record.said])
    return found


def maths(record: OneName, settings: Settings) -> str:
    """The model, the adapters, how names are written, and what holds over seeds."""
    return say(
        r"""
A Llama of {all:,} parameters, {layers} layers of width {width}, reads a name letter by letter and gives a probability
to each of 26 letters and the end. It was pretrained on 7,047 English names. Each adapter adds
$s\,{B}{A}x$ to the frozen ${W}x$ of its modules, $s = {scaling:g}$, $B = 0$ at initialisation; AdamW, η = {lr:g}
falling to 0, {batch} names per step. The {ranks} adapters share every product with the frozen weights and train as one
batch.

A letter is drawn by one random number u in [0, 1): the first letter at which the probabilities, added up in the order
of the alphabet, exceed u. No temperature. The random numbers are the same for every row, step and language, so a name
changes only where the probabilities do.

{seeds}

A loss of one nat per letter less means that the right letter is e ≈ 2.7 times as probable. Names are from faker (MIT);
the base model and its lists are described in lora_viz/networks/data/names/README.md.""",
        all=SHAPE.parameters, layers=SHAPE.layers, width=SHAPE.width, B=tint("B", "B"), A=tint("A", "A"),
        W=tint("W", "W"), scaling=2.0, lr=settings.experiment.lr, batch=16, ranks=len(RANKS), seeds=_over_seeds(),
    )  # fmt: skip


def _over_seeds() -> str:
    return say(
        "Over 5 seeds, with Italian and with Finnish names, 10 runs with the settings that the page opens with: in "
        "each of them the larger rank ended lower on the new names and higher on English ones, with Italian names by "
        "0.10 and 0.13 nats between ranks 1 and 16 (medians; `python docs/measure_names.py ranks 0 1 2 3 4`)."
    )


def extras(record: OneName) -> tuple[Part, ...]:
    """The adapters to take along."""
    specs = tuple(AdapterSpec(rank=r) for r in RANKS)
    return (Download("adapters", say("The three adapters and their model as PEFT and transformers read them"),
                     partial(names_archive, specs, record.factors), "names.zip"),)  # fmt: skip


def _ask(seen: Seen, _: Any) -> Measured:
    base = float(shown(seen.film, "old_loss", "base")[-1])
    ends = [float(shown(seen.film, "old_loss", f"r_{r}")[-1]) for r in RANKS]
    told = say("From {base} to {end} nats per letter with rank 16; to {least} with rank 1.", base=word(base),
               end=word(ends[-1]), least=word(ends[0]))  # fmt: skip
    return Measured(ends[-1], (base, base / 2, 2 * ends[-1]), told)


LESSON = Lesson(
    id="one_name", menu=to_say("Adapters of a name model"), title=to_say("What does an adapter do to a name?"),
    claim=to_say("A few thousand trained parameters make a model of English names write foreign ones from the same "
                 "random numbers, and it forgets English."), place=14,
    default=Experiment(steps=100, lr=0.005), seeded=True,
    controls=(
        Choice(id="language", label=to_say("Names to learn"), options=tuple(LANGUAGES)[1:], names=dict(LANGUAGES),
               default="italian", help=to_say("The random numbers stay the same: change it and compare.")),
        Choice(id="targets", label=to_say("Modules with an adapter"), options=tuple(MODULE_SETS), default="all",
               names={"all": to_say("all seven"), "q_v": to_say("q and v"), "mlp": to_say("the MLP's three")},
               help=to_say("Which of the linear layers of every block get A and B.")),
        CONTROLS["steps"].only(50, 100, 200),
        CONTROLS["lr"].only(0.001, 0.002, 0.005, 0.01, 0.02, 0.05),
    ),
    waits_for=to_say("Three adapters of a language model"),
    measure=measure, film=film, hero="names", verdict=verdict, takeaway=takeaway, detail=detail, maths=maths,
    on_paper="against_rank", table=table, extras=extras,
    question=Question(to_say("The adapter of rank 16 has learnt the other names. What is its loss on English ones, in "
                             "nats per letter?"),
                      to_say("Nothing kept English in place: training asked for the other names alone."), _ask),
)  # fmt: skip
