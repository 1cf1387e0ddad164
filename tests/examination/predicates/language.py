"""The section Language models: each claim counted again from what is shown."""

from __future__ import annotations

import itertools
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


@claim_of("which_learning_rate")
def lora_needs_a_higher_rate(played: Played[Any]) -> bool | None:
    """From the table: the lowest rate at which a method's rows all have 20 answers in the style."""
    table = played.table
    least = {}
    for method in ("r_1", "r_8", "r_64", "full"):
        own = table["method"] == method
        least[method] = min(
            lr
            for lr in set(table["learning_rate"][own])
            if (table["pirate_answers"][own & (table["learning_rate"] == lr)] == 20).all()
        )
    times = [round(least[name] / least["full"]) for name in ("r_1", "r_8", "r_64")]
    return times == sorted(times, reverse=True) and len(set(times)) == 3 and times[-1] >= 10


@claim_of("rate_rank_map")
def the_working_rates_fall_with_the_rank(played: Played[Any]) -> bool | None:
    """From the table: the rates at which the median of the seeds has all 20 answers, of neighbouring ranks."""
    table, ends = played.table, []
    for rank in sorted(set(table["rank"].tolist())):
        at = table["rank"] == rank
        rates = sorted(set(table["learning_rate"][at].tolist()))
        whole = [lr for lr in rates if np.median(table["pirate_answers"][at & (table["learning_rate"] == lr)]) == 20]
        if not whole:
            return False
        ends.append((whole[0], whole[-1]))
    pairs = list(itertools.pairwise(ends))
    never_up = all(b[0] <= a[0] and b[1] <= a[1] for a, b in pairs)
    return never_up and ends[-1][0] < ends[0][0] and ends[-1][1] < ends[0][1]


def _lost(played: Played[Any], place: str) -> dict[int, float]:
    table, lr = played.table, played.settings["chat_rate"]
    own = (table["place"] == place) & (table["learning_rate"] == lr)
    return dict(zip(table["seed"][own].tolist(), table["perplexity"][own].tolist(), strict=True))


@claim_of("attention_or_mlp")
def the_mlp_forgets_less(played: Played[Any]) -> bool | None:
    """Seed by seed from the table."""
    attention, mlp = (_lost(played, name) for name in ("attention", "mlp"))
    return all(mlp[seed] < attention[seed] for seed in attention)


@claim_of("which_layers")
def early_layers_forget_least(played: Played[Any]) -> bool | None:
    """Seed by seed from the table: whose perplexity is the lowest."""
    every = {name: _lost(played, name) for name in set(played.table["place"])}
    return all(min(every, key=lambda name: every[name][seed]) in ("0_4", "5_9") for seed in every["0_4"])


@claim_of("mix_and_stack")
def one_style_rules(played: Played[Any]) -> bool | None:
    """From the table's least counts: 18 of 20 pirates up to a weight, 18 in JSON from a quarter later at most."""
    table = played.table
    mixed = [
        (w, p >= 18, j >= 18)
        for v, w, p, j in zip(
            *(table[n] for n in ("weight_pirate", "weight_json", "pirate_least", "json_least")), strict=True
        )
        if round(v + w, 6) == 1
    ]
    pirate, json = [w for w, p, _ in mixed if p], [w for w, _, j in mixed if j]
    return bool(pirate and json and 0 < min(json) - max(pirate) <= 0.25)


@claim_of("one_rank_chat")
def one_layer_is_enough(played: Played[Any]) -> bool | None:
    """From the table: medians of the counts by layer, and where the cosine is large."""
    table = played.table
    counts = np.stack([table[name] for name in table if name.startswith("pirate_answers_")])
    enough = int((np.sort(counts, axis=0)[len(counts) // 2] >= 15).sum())
    return enough >= 27 and table["cosine"][-1] > 0.9 and bool((table["cosine"][:-1] < 0.8).all())


@claim_of("one_rank_names")
def one_rank_moves_its_letters_everywhere(played: Played[Any]) -> bool | None:
    """From the table, place by place: the loss, and the correlation over the letters of what b says and what rises."""
    table = played.table
    if len(played.record.steps) == 1 or not all(
        np.isfinite(table[name]).all() for name in ("loss", "logit_measured", "logit_direct")
    ):
        return None
    for place in dict.fromkeys(table["place"].tolist()):
        own = table["place"] == place
        fell = (table["loss"][own] < table["loss_base"][own]).all()
        if not fell or np.corrcoef(table["logit_measured"][own], table["logit_direct"][own])[0, 1] <= 0:
            return False
    return True


@claim_of("dropout_or_decay")
def few_names_need_it(played: Played[Any]) -> bool | None:
    """From the table, seed by seed: the largest strength against 0."""
    table = played.table
    if len(set(table["seed"].tolist())) < 5:
        return None
    none, most = (table["strength"] == strength for strength in (0.0, table["strength"].max()))
    change = {name: table[name][most] - table[name][none] for name in table}
    rank = change["effective_number"] < 0
    as_said = rank.all() if played.settings["regulariser"] == "weight_decay" else not rank.any()
    return bool((change["loss_held_out"] < 0).all() and (change["loss_english"] < 0).all() and as_said)


@claim_of("names_mixed")
def half_of_each_is_better_than_neither(played: Played[Any]) -> bool | None:
    """From the table's middle row, against the curve of the base in the film."""
    record, table = played.record, played.table
    if record.first == record.second:
        return None
    half = table["weight_second"].tolist().index(0.5)
    return bool(
        table[f"loss_{record.first}_first"][half] < record.base[0]
        and table[f"loss_{record.second}_second"][half] < record.base[1]
    )
