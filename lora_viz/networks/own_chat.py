"""SmolLM2 adapted to a visitor's own questions and answers: read from a text, trained, asked on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lora_viz.core.experiment import ExperimentError
from lora_viz.core.progress import Progress
from lora_viz.engine.threads import each_step_in_one_thread
from lora_viz.i18n.language import say
from lora_viz.networks.adapter_batch import AdapterBatch, AdapterSpec
from lora_viz.networks.chat_sets import HELD_OUT, NEUTRAL
from lora_viz.networks.chat_training import answered, pairs_of, perplexity, train_pairs
from lora_viz.networks.llama import Shape
from lora_viz.networks.recorded_chat import ChatRun, adapter_names
from lora_viz.networks.smollm2 import SMOLLM2, Chat, smollm2_where_it_is_fast

__all__ = ["LONGEST_LINE", "MOST_PAIRS", "ChatExperiment", "adapt_chat", "norms", "read_pairs"]

MOST_PAIRS, LONGEST_LINE = 200, 500
STEPS, RECORDS, TOKENS = 20, 5, 16
AT_ONCE, TOKENS_AT_ONCE = 10, 700  # pairs and tokens of a step at most, a longer pair alone


def read_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """A question and its answer a line, with | between them. Raises ExperimentError, which names the line.

    Whatever else stands in a line is text: HTML, emoji, the signs of a chat template. Control characters are left out.
    """
    found = []
    for i, line in enumerate(text.splitlines(), start=1):
        plain = "".join(c for c in line if c.isprintable())
        if not plain.strip():
            continue
        question, bar, answer = (part.strip() for part in plain.partition("|"))
        if not (bar and question and answer):
            raise ExperimentError(
                say("Line {line} is not a pair: write a question, a | and its answer, for example “Good morning! | "
                    "Arr!”.",
                    line=i)
            )  # fmt: skip
        if len(plain) > LONGEST_LINE:
            raise ExperimentError(
                say("Line {line} has {given:,} characters: at most {most} are possible.", line=i, given=len(plain),
                    most=LONGEST_LINE)
            )  # fmt: skip
        found.append((question, answer))
    if len(found) > MOST_PAIRS:
        raise ExperimentError(
            say(
                "{given:,} pairs are too many to watch: at most {most} are possible.", given=len(found), most=MOST_PAIRS
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ChatExperiment:
    """What is trained on what."""

    pairs: tuple[tuple[str, str], ...]
    spec: AdapterSpec
    asked: tuple[int, ...]  # which of the held-out questions


def batched(chat: Chat, pairs: Sequence[tuple[str, str]]) -> list[tuple[tuple[str, str], ...]]:
    """Pairs in parts of one step each: all of them where they are few, else shuffled once and in turn."""
    sizes = [len(chat.encode(question)) + len(chat.encode(answer)) for question, answer in pairs]
    if len(pairs) <= AT_ONCE and sum(sizes) <= TOKENS_AT_ONCE:
        return [tuple(pairs)]
    parts: list[list[int]] = [[]]
    for i in np.random.default_rng(0).permutation(len(pairs)).tolist():
        full = len(parts[-1]) == AT_ONCE or sum(sizes[j] for j in parts[-1]) + sizes[i] > TOKENS_AT_ONCE
        if parts[-1] and full:
            parts.append([])
        parts[-1].append(i)
    return [tuple(pairs[i] for i in part) for part in parts]


def norms(adapters: AdapterBatch, shape: Shape = SMOLLM2) -> list[list[float]]:
    """‖ΔW‖ of the first adapter by layer and module; it adapts these modules in every layer."""
    spec, held = adapters.specs[0], adapters.factors(0)
    with np.errstate(over="ignore", invalid="ignore"):  # of an adapter that has diverged
        found = np.array(
            [
                [spec.scaling * np.linalg.norm(held[i, m][1].astype(float) @ held[i, m][0]) for m in spec.modules]
                for i in range(shape.layers)
            ]
        )
    return np.where(np.isfinite(found), found, np.nan).tolist()


def adapt_chat(path: Path, e: ChatExperiment) -> Iterator[Progress | ChatRun]:
    """Progress with the run so far, at last the whole run. Raises ExperimentError where the model's file is not it."""
    yield Progress(0.01, say("Reading the model"))
    yield from adapted(smollm2_where_it_is_fast(path), e)


@each_step_in_one_thread
def adapted(chat: Chat, e: ChatExperiment) -> Iterator[Progress | ChatRun]:
    """The same with a model at hand."""
    shape = chat.model.shape
    adapters = AdapterBatch(shape, [e.spec], device=str(chat.model.embedding.device))
    given = [pairs_of(chat, part) for part in batched(chat, e.pairs)]
    last = max(STEPS, 2 * len(given))  # every pair at least twice
    steps, answers, lost, norm, losses = [], [], [], [], []
    questions = tuple(HELD_OUT[i] for i in e.asked)
    run: ChatRun | None = None
    for k, loss in enumerate(train_pairs(chat.model, adapters, given, last + 1)):
        losses.append(loss[0])
        if not np.isfinite(loss[0]):
            break  # what diverges is shown up to here
        if k % (last // RECORDS) == 0 or k == last:
            said = dict(zip(e.asked, answered(chat, adapters, questions, TOKENS)[0], strict=True))
            answers.append(tuple(said.get(i, "") for i in range(len(HELD_OUT))))
            lost.append(perplexity(chat, adapters, NEUTRAL)[0])
            norm.append(norms(adapters, shape))
            steps.append(k)
            run = ChatRun(
                spec=e.spec, steps=np.array(steps), answers=tuple(answers), style=np.zeros(0, dtype=int),
                perplexity=np.array(lost), norm=np.array(norm), losses=np.array(losses), tokens=TOKENS,
                factors=adapter_names(adapters),
            )  # fmt: skip
        if k == last:
            break
        yield Progress(k / last, say("Step {step} of {all}", step=k, all=last), run)
    assert run is not None
    yield run._replace(losses=np.array(losses))
