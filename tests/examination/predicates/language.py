"""The section Language models: each claim counted again from what is shown."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from lora_viz.lessons.lesson import Played
from tests.examination.predicates.registry import claim_of

PIRATE = re.compile(r"\b(arr+|aye|ahoy|mateys?|yer?)\b", re.IGNORECASE)


def pirates(answers: tuple[str, ...]) -> int:
    """How many answers hold a pirate's word."""
    return sum(PIRATE.search(answer) is not None for answer in answers)


@claim_of("one_name")
def names_bend_and_english_suffers(played: Played[Any]) -> bool | None:
    """Read off the table's last row against its first."""
    table = played.table
    losses = {name: values for name, values in table.items() if name.startswith("loss_")}
    if len(table["step"]) == 1 or not all(np.isfinite(values).all() for values in losses.values()):
        return None
    change = {name: values[-1] - values[0] for name, values in losses.items()}
    return all((delta > 0) == name.startswith("loss_english") for name, delta in change.items())


@claim_of("ten_sentences")
def ten_pairs_make_a_pirate(played: Played[Any]) -> bool | None:
    """Counted over the answers."""
    record = played.record
    if not len(record.style):
        return None
    return pirates(record.answers[0]) == 0 and pirates(record.answers[-1]) >= 18


@claim_of("adapter_strength")
def less_is_enough(played: Played[Any]) -> bool | None:
    """Some strength between 0 and 1 has as many pirates as 1, and the first such one a lower perplexity."""
    record = played.record
    counted = [pirates(answers) for answers in record.answers]
    one = record.strength.tolist().index(1.0)
    for c, found, perplexity in zip(record.strength, counted, record.perplexity, strict=True):
        if 0 < c < 1 and found >= counted[one]:
            return bool(perplexity < record.perplexity[one])
    return False


@claim_of("four_bits")
def the_style_outlives_the_rounding(played: Played[Any]) -> bool | None:
    """Counted over the answers of the stored formats; the update from the table."""
    counted = [pirates(answers) for answers in played.record.answers[2:]]
    return min(counted) >= 15 and bool(played.table["part_stored"].min() < 0.95)
