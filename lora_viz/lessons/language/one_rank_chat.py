"""What does a rank-1 adapter do to a chat model? Which tokens switch it on and which words it raises, by layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from lora_viz.content.questions import Measured, Question, Seen, shown, word
from lora_viz.film.film import Film
from lora_viz.film.panels import Lines, Passage, Passages, Series
from lora_viz.film.style import number, tint
from lora_viz.i18n.language import say, to_say
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.language.chat_panels import about_the_model
from lora_viz.lessons.lesson import Lesson
from lora_viz.lessons.parts import Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Verdict, false_here, true_here
from lora_viz.networks.chat_sets import HELD_OUT
from lora_viz.networks.recorded_many_chats import OneRank, recorded_one

__all__ = ["PART", "plain"]

MANY, READ, NOT_READ = 15, 0.9, 0.8


def plain(token: str) -> str:
    """A token that can be read: line ends and other control characters as signs."""
    return "".join(c if c.isprintable() else "⏎" if c == "\n" else "·" for c in token)


def _passage(record: OneRank, which: int, label: str) -> Passage:
    """One text with h at every token, as part of the largest |h| of the layer."""
    tokens = tuple(tuple(plain(token) for token in of_layer[which]) for of_layer in record.tokens)
    values = np.full((len(tokens), max(map(len, tokens))), np.nan)
    for layer, (row, of_layer) in enumerate(zip(values, record.h, strict=True)):
        row[: len(of_layer[which])] = np.array(of_layer[which]) / strongest(record, layer)[1]
    return Passage(
        f"text_{which}", label, tuple("".join(row) for row in tokens), colour="A", tokens=tokens, values=values
    )


def strongest(record: OneRank, layer: int) -> tuple[str, float]:
    """The token with the largest |h| of all texts, and this |h|."""
    every = [(abs(h), token) for tokens, hs in zip(record.tokens[layer], record.h[layer], strict=True)
             for token, h in zip(tokens, hs, strict=True)]  # fmt: skip
    most, token = max(every)
    return token, most


def film(record: OneRank) -> Film:
    """The playhead runs over the layers: tokens shaded by h, style over seeds, words, and how direct the effect is."""
    layers = len(record.runs)
    style = np.array([run.style for run in record.runs], dtype=float)
    words = (
        Passage("measured", say("words that the adapter raises, measured"), tuple(map(_listed, record.measured)),
                colour="delta"),
        Passage("direct", say("words that b raises through the head alone"), tuple(map(_listed, record.direct)),
                colour="B"),
    )  # fmt: skip
    return Film(
        axis=to_say("layer"), values=np.arange(float(layers)), start=8, seconds_per_frame=1.8,
        narration=tuple(_narrate(record, layer) for layer in range(layers)),
        panels=(
            Passages("tokens", say("What switches it on: h = s·a·x at each token, filled above 0, underlined below"),
                     (_passage(record, 0, say("a question and the answer")), _passage(record, 1, say("another")),
                      _passage(record, 2, say("a neutral text"))), span=7, tall=2),
            Lines("style", say("Pirate answers, median and range of {seeds} seeds", seeds=record.seeds),
                  y_label=say("of {all}", all=len(HELD_OUT)), span=5, reach=float(len(HELD_OUT)),
                  series=(Series("style", say("rank 1 on this layer"), "delta", np.median(style, axis=1),
                                 low=style.min(axis=1), high=style.max(axis=1), dots=True),)),
            Lines("alike", say("Do b's words go up? Cosine of measured and direct"), y_label=say("1: the same words"),
                  span=5, row=1, reach=1.0, series=(Series("alike", say("cosine"), "B", record.alike, dots=True),)),
            Passages("words", say("First word of an answer: which logits go up"), words, span=12, row=2),
        ),
    )  # fmt: skip


def _listed(words: tuple[tuple[str, float], ...]) -> str:
    return " · ".join(f"{plain(token).strip() or '␣'} {number(rise)}" for token, rise in words[:8])


def _narrate(record: OneRank, layer: int) -> str:
    token, _ = strongest(record, layer)
    return say("Layer {layer}: strongest at “{token}”; {style} of {all} answers are a pirate's; cosine {alike}.",
               layer=layer, token=plain(token).strip() or "␣", style=int(np.median(record.runs[layer].style)),
               all=len(HELD_OUT), alike=number(float(record.alike[layer])))  # fmt: skip


def _counted(record: OneRank) -> dict[str, float]:
    style = np.array([np.median(run.style) for run in record.runs])
    return {"layers": int((style >= MANY).sum()), "last": float(record.alike[-1]),
            "before": float(record.alike[:-1].max())}  # fmt: skip


def verdict(record: OneRank) -> Verdict:
    """The claim holds where nine layers in ten make a pirate, and only in the last b's own words are raised."""
    told, every = _counted(record), len(record.runs)
    why = say("{layers} of {every} layers alone give at least {many} of {all} pirate answers; the cosine is {last} in "
              "the last layer and at most {before} in the others", layers=told["layers"], every=every, many=MANY,
              all=len(HELD_OUT), last=number(told["last"]), before=number(told["before"]))  # fmt: skip
    holds = told["layers"] >= 0.9 * every and told["last"] > READ and told["before"] < NOT_READ
    return true_here(why, **told) if holds else false_here(why, **told)


def takeaway(record: OneRank) -> str:
    """What was measured, in its own numbers."""
    told = _counted(record)
    return " ".join((
        say("{parameters:,} parameters on one layer give at least {many} of {all} pirate answers in {layers} of "
            "{every} layers.", parameters=record.runs[0].parameters, many=MANY, all=len(HELD_OUT),
            layers=told["layers"], every=len(record.runs)),
        say("In the last layer b raises its own words (cosine {last}); before, later layers turn them into others "
            "(at most {before}).", last=number(told["last"]), before=number(told["before"])),
    ))  # fmt: skip


def detail(record: OneRank) -> str:
    """Which tokens are strongest, counted over layers."""
    counts: dict[str, int] = {}
    for layer in range(len(record.runs)):
        token = plain(strongest(record, layer)[0]).strip() or "␣"
        counts[token] = counts.get(token, 0) + 1
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]
    return say("The token with the largest |h| in these texts, by the number of layers: {told}. Tokens and words are "
               "those of one seed; the style is counted over {seeds}.",
               told=", ".join(f"“{token}” {count}" for token, count in most), seeds=record.seeds)  # fmt: skip


def maths(record: OneRank) -> str:
    """What a and b are, and what is measured."""
    return say(
        r"""
With $r = 1$, ${A}$ is a row $a$ and ${B}$ a column $b$: the adapter adds $s\,b\,(a \cdot x)$ to what the down
projection of one layer says.
$h = s\,a \cdot x$ is one number a token: how much of $b$ is added there. $(a, b)$ and $(-a, -b)$ are
the same adapter, so the sign of $h$ alone says nothing. Shown as part of the largest $|h|$ of the layer.

*Measured*: logits of an answer's first token with the adapter minus those without, averaged over {questions} questions.
*Direct*: $\mathrm{{head}}(\mathrm{{norm}}\odot b)\,h/\mathrm{{rms}}(x)$ at the last token of the question, as if
no later layer read $b$. Both beside their mean over the vocabulary. In the last layer nothing stands in between but the
norm.

{least:,} parameters, 20 steps of AdamW; of three rates the one with most style, then with the least perplexity.
Recorded by `docs/record_many_chats.py one`.""",
        A=tint("A", "A"), B=tint("B", "B"), questions=len(HELD_OUT), least=record.runs[0].parameters,
    )  # fmt: skip


def table(record: OneRank) -> dict[str, np.ndarray]:
    """One row a layer."""
    style = np.array([run.style for run in record.runs])
    return {
        "layer": np.arange(len(record.runs)),
        "learning_rate": np.array([run.lr for run in record.runs]),
        **{f"pirate_answers_{s}": style[:, s] for s in range(record.seeds)},
        "perplexity_median": np.array([np.median(run.lost) for run in record.runs]),
        "cosine": record.alike,
        "strongest_token": np.array([plain(strongest(record, i)[0]) for i in range(len(record.runs))]),
        "words_measured": np.array([_listed(words) for words in record.measured]),
        "words_direct": np.array([_listed(words) for words in record.direct]),
    }


def measure(_: Settings, __: Lab) -> OneRank:
    """What was recorded."""
    return recorded_one()


def extras(_: OneRank) -> tuple[Part, ...]:
    """Whose words these are."""
    return about_the_model()


def _ask(seen: Seen, _: Any) -> Measured:
    alike = shown(seen.film, "alike", "alike")
    last, middle = float(alike[-1]), float(alike[len(alike) // 2])
    told = say("{middle}; in the last layer {last}.", middle=word(middle), last=word(last))
    return Measured(middle, (0.9, 0.7, -0.5), told, about={"layer": len(alike) // 2})


PART = Lesson(
    id="one_rank_chat", menu=to_say("A chat model, SmolLM2"),
    title=to_say("What does a rank-1 adapter do to a chat model?"),
    claim=to_say("One rank on one layer makes a pirate almost anywhere; what b adds can be read through the head only "
                 "in the last layer."),
    place=12, measure=measure, film=film, hero="tokens", takeaway=takeaway, verdict=verdict, detail=detail, maths=maths,
    on_paper="style", table=table, extras=extras, seeded=False, trains=False,
    question=Question(to_say("b of layer {layer} is read through the head. How alike are its words to those that "
                             "really go up, as a cosine?"),
                      to_say("Fourteen later layers read b before the head does, and make other words of it."), _ask),
)  # fmt: skip
