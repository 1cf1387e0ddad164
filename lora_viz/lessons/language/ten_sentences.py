"""Ten questions and answers turn a chat model into a pirate: answers at the playhead, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.export.chat_adapter import chat_adapter_folder
from lora_viz.film.film import Film
from lora_viz.film.panels import Field, Lines, Series
from lora_viz.film.spreads import low_to_high
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.controls import Choice, Control, Text
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.chat_panels import ASKED, about_the_model, answer_panel, perplexity_panel, style_panel
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Download, Heading, Part, Prose
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here, undecided
from lora_viz.networks.adapter_batch import AdapterSpec
from lora_viz.networks.chat_sets import HELD_OUT, SETS
from lora_viz.networks.own_chat import LONGEST_LINE, MOST_PAIRS, ChatExperiment, adapt_chat, read_pairs
from lora_viz.networks.recorded_chat import ChatRun, recorded_training
from lora_viz.networks.recorded_many_chats import recorded_many
from lora_viz.networks.smollm2 import SMOLLM2, find_smollm2

__all__ = ["LESSON"]


def film(record: ChatRun) -> Film:
    """The playhead runs over the steps: answers, loss, style, what is forgotten, and where the update is large."""
    frames, modules = len(record.steps), tuple(name.removesuffix("_proj") for name in record.spec.modules)
    loss = record.losses[record.steps]
    return Film(
        axis=to_say("step"), training=True, of_last=True, values=record.steps.astype(float), start=frames - 1,
        seconds_per_frame=1.6, narration=tuple(_narrate(record, t) for t in range(frames)),
        panels=(
            answer_panel(record.answers),
            Lines("loss", say("Loss on the answers"), y_label=say("nats per token"),
                  span=3 if len(record.style) else 6,
                  series=(Series("loss", say("the pairs"), "delta", loss, dots=True),)),
            *((style_panel(record.style),) if len(record.style) else ()),
            perplexity_panel(record.perplexity, float(record.perplexity[0])),
            Field("norm", say("‖ΔW‖ by layer and module"), values=record.norm, span=3, row=1, x_labels=modules,
                  y_labels=tuple(str(i) for i in range(record.norm.shape[1])), x_title=say("module"),
                  y_title=say("layer"), colour="delta"),
        ),
    )  # fmt: skip


def _narrate(record: ChatRun, t: int) -> str:
    if t == 0:
        return say("Before the first step B = 0: the model answers as it always did.")
    if not len(record.style):
        return say("Step {step}: loss {loss}; perplexity of the neutral text {perplexity}.", step=record.steps[t],
                   loss=number(float(record.losses[record.steps[t]])),
                   perplexity=number(float(record.perplexity[t])))  # fmt: skip
    return say("Step {step}: {style} of {all} answers are a pirate's; perplexity of the neutral text {perplexity}.",
               step=record.steps[t], style=record.style[t], all=len(HELD_OUT),
               perplexity=number(float(record.perplexity[t])))  # fmt: skip


def verdict(record: ChatRun) -> Verdict:
    """The claim holds where nine answers in ten are a pirate's at the end, and none was before."""
    style, all_of_them = record.style, len(HELD_OUT)
    if not len(style):
        return undecided(say("your own pairs were trained, and nobody counts their style"))
    told = {"before": int(style[0]), "after": int(style[-1])}
    if style[0] == 0 and style[-1] >= 0.9 * all_of_them:
        return true_here(say("{after} of {all} new answers are a pirate's; before training none was", all=all_of_them,
                             after=int(style[-1])), **told)  # fmt: skip
    return false_here(say("{after} of {all} new answers are a pirate's, before it was {before}", all=all_of_them,
                          **told), **told)  # fmt: skip


def takeaway(record: ChatRun) -> str:
    """What was recorded, in its own numbers."""
    style, perplexity = record.style, record.perplexity
    if not len(style):
        return _of_own(record)
    first = int(np.argmax(style >= style.max()))
    return " ".join((
        say("{trained:,} of {all:,} parameters: after {step} steps {most} of {questions} answers to new questions are "
            "a pirate's.", trained=record.spec.parameters(SMOLLM2), all=SMOLLM2.parameters, step=record.steps[first],
            most=style[first], questions=len(HELD_OUT)),
        say("After {step} the perplexity of a neutral text is {after}; it was {before}.", step=record.steps[-1],
            before=number(float(perplexity[0])), after=number(float(perplexity[-1]))),
        say("One recorded run, one seed."),
    ))  # fmt: skip


def _of_own(record: ChatRun) -> str:
    """The same of a visitor's own pairs, whose style nobody counts."""
    perplexity, gone = record.perplexity, not np.isfinite(record.losses[-1])
    said = [
        say("Your own pairs: the loss on their answers went from {first} to {last} nats per token.",
            first=number(float(record.losses[0])),
            last=number(float(record.losses[record.steps[-1]]))),
        say("Perplexity of the neutral text: {before}, then {after}.", before=number(float(perplexity[0])),
            after=number(float(perplexity[-1]))),
    ]  # fmt: skip
    if gone:
        said.append(say("Then it diverged, and the film stops there: lower the learning rate."))
    return " ".join(said)


def maths(record: ChatRun) -> str:
    """What is adapted and trained, and what is counted."""
    return say(
        r"""
In each of {layers} layers the query and value projections get an update ${dW} = s\,{B}{A}$ of rank {rank}, $s$ =
{scaling:g}; everything else is frozen. The loss is the mean cross-entropy of the answers' tokens, given the question in
the model's chat template; all ten pairs at every step, AdamW, η = {lr:g}. Ten pairs are trained, {questions} other
questions are asked; an answer is cut after {tokens} tokens.

{seeds}

Perplexity is $\exp$ of the mean loss per token of a text by itself: {before} means that the model is as unsure as if it
chose among {before} tokens.

The base is stored in 4 bits (Q4_1) and was turned into float32 for this. Recorded by
`docs/make_ten_sentences.py train`.""",
        layers=SMOLLM2.layers, dW=tint("delta", r"\Delta W"), B=tint("B", "B"), A=tint("A", "A"), rank=record.spec.rank,
        scaling=record.spec.scaling, lr=record.spec.lr, questions=len(HELD_OUT), tokens=record.tokens,
        before=number(float(record.perplexity[0])), seeds=_over_seeds(),
    )  # fmt: skip


def _over_seeds() -> str:
    """What five other seeds say, of another recording."""
    held = recorded_many("rates_pirate")
    run = next(run for run in held.runs if run.rank == 1 and run.lr == 3e-3)
    return say(
        "One seed is played here. With {seeds} others, rank 1 on all seven modules, eight of the ten pairs and "
        "η = 0.003, {found} of {all} answers were a pirate's (see "
        "[Which learning rate, at which rank?](rate_and_rank)).",
        seeds=held.seeds, found=low_to_high(run.style.tolist()), all=len(HELD_OUT),
    )  # fmt: skip


def table(record: ChatRun) -> dict[str, np.ndarray]:
    """One row a recorded step: loss, style, perplexity, and every answer."""
    found: dict[str, np.ndarray] = {
        "step": record.steps,
        "loss": record.losses[record.steps],
        **({"pirate_answers": record.style} if len(record.style) else {}),
        "perplexity": record.perplexity,
    }
    for i in range(len(HELD_OUT)) if len(record.style) else ASKED:
        question = HELD_OUT[i]
        found[question] = np.array([answers[i] for answers in record.answers])
    return found


def own_pairs(_: Mapping[str, Any]) -> tuple[Control, ...]:
    """A visitor's own pairs, where the model is installed."""
    if find_smollm2() is None:
        return ()
    return (
        Text(id="own", label=to_say("Your own sentences"), tall=200, longest=MOST_PAIRS * LONGEST_LINE, shared=False,
             placeholder="Good morning! | Arr, matey!",
             help=to_say("A question, a | and its answer on every line, ten or up to 200. Empty: the recorded pirate. "
                         "Trained here, ten take a minute on two idle cores, 200 some minutes.")),
    )  # fmt: skip


def own_rate(answers: Mapping[str, Any]) -> tuple[Control, ...]:
    """How fast they are trained, once there are some."""
    if not str(answers.get("own", "")).strip():
        return ()
    return (
        Choice(id="own_rate", label=to_say("Learning rate for your own"), options=(0.001, 0.003, 0.01, 0.03),
               default=0.01, picked=True,
               help=to_say("Too high, and the run diverges: the film then stops where it did.")),
    )  # fmt: skip


def measure(settings: Settings, lab: Lab) -> ChatRun:
    """What was recorded; or the visitor's own pairs, trained now."""
    given = dict(settings.options)
    pairs, path = read_pairs(given.get("own", "")), find_smollm2()
    if not pairs or path is None or "own_rate" not in given:
        return recorded_training()
    spec = AdapterSpec(rank=1, modules=("q_proj", "v_proj"), lr=given["own_rate"])
    return lab.follow(adapt_chat, path, ChatExperiment(pairs, spec, ASKED))


def extras(record: ChatRun) -> tuple[Part, ...]:
    """The ten pairs, and whose words these are."""
    home = Download("adapter", say("The adapter as a PEFT folder"),
                    partial(chat_adapter_folder, record.spec, record.factors), "adapter.zip")  # fmt: skip
    if not len(record.style):
        return (home, *about_the_model())
    pairs = "\n".join(f"- {question} → *{answer}*" for question, answer in SETS["pirate"].pairs)
    return (Heading(say("The ten pairs")), Prose(pairs), home, *about_the_model())


def _ask(seen: Seen, _: Any) -> Measured:
    style = shown(seen.film, "style", "style")  # of one's own pairs there is none: Unanswerable
    told = say("{style} of {all}: the style carries over to questions that the pairs do not mention.",
               style=word(float(style[-1])), all=len(HELD_OUT))  # fmt: skip
    return Measured(float(style[-1]), (0.0, 3.0, 10.0), told)


LESSON = Lesson(
    id="ten_sentences", menu=to_say("Ten sentences"), title=to_say("What can ten sentences do to a chat model?"),
    claim=to_say("Ten questions with their answers turn a chat model into a pirate; a rank of 1 on q and v is enough."),
    place=5, measure=measure, film=film, hero="answers", takeaway=takeaway, verdict=verdict, maths=maths,
    on_paper="perplexity", table=table,
    extras=extras, seeded=False, trains=False, controls=(own_pairs, own_rate),
    waits_for=to_say("Your own adapter of SmolLM2"),
    question=Question(to_say("After the last step 20 new questions are asked. How many answers are a pirate's?"),
                      to_say("What ten pairs have in common is the style; that is the easiest thing to learn."), _ask),
)  # fmt: skip
