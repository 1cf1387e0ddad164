"""What ``docs/record_many_chats.py`` and ``docs/record_two_chats.py`` recorded of SmolLM2, over five seeds."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

__all__ = ["ManyChats", "OneRank", "OneRun", "TwoChats", "recorded_many", "recorded_one", "recorded_two"]

_DATA = Path(__file__).parent / "data" / "chat"


class OneRun(NamedTuple):
    """One way to train, with every seed: loss and perplexity before each step and after the last, NaN where there is no
    number; ``style`` counts the answers at the end that have it; ``answers`` at the end are the first seed's.
    """

    name: str
    rank: int
    lr: float
    parameters: int
    losses: Float[np.ndarray, "S T"]
    perplexity: Float[np.ndarray, "S T"]
    style: Int[np.ndarray, "S"]
    answers: tuple[str, ...]

    @property
    def lost(self) -> Float[np.ndarray, "S"]:
        """The perplexity at the end; ∞ where there is no number."""
        return np.nan_to_num(self.perplexity[:, -1], nan=np.inf)

    @property
    def loss(self) -> Float[np.ndarray, "S"]:
        """The loss at the end; ∞ where there is no number."""
        return np.nan_to_num(self.losses[:, -1], nan=np.inf)

    @property
    def diverged(self) -> int:
        """How many seeds end no lower than they began."""
        return int((self.loss >= self.losses[:, 0]).sum())


class ManyChats(NamedTuple):
    """All that was trained for one question; ``base`` is the base's perplexity, ``base_answers`` what it answers."""

    base: float
    base_answers: tuple[str, ...]
    steps: int
    seeds: int
    runs: tuple[OneRun, ...]


class TwoChats(NamedTuple):
    """Two adapters, a pirate's and one that answers in JSON, together.

    ``weights`` are the pirate's and the other's; every measured array is (seeds, mixtures), ``answers`` the first
    seed's. ``second_…`` are of the JSON learnt after the pirate: by the same adapter, and by a new one on top of it.
    """

    weights: Float[np.ndarray, "M 2"]
    pirate: Int[np.ndarray, "S M"]
    json: Int[np.ndarray, "S M"]
    perplexity: Float[np.ndarray, "S M"]
    answers: tuple[tuple[str, ...], ...]
    base: float
    second_pirate: Int[np.ndarray, "S 2"]
    second_json: Int[np.ndarray, "S 2"]
    second_perplexity: Float[np.ndarray, "S 2"]
    second_loss: Float[np.ndarray, "S 2"]  # on the pirate's pairs
    first_loss: Float[np.ndarray, "S"]  # on the same before the second stage
    base_loss: float


def recording(name: str) -> dict[str, Any]:
    """One file of data/chat, as it is written."""
    found: dict[str, Any] = json.loads((_DATA / f"{name}.json").read_text(encoding="utf-8"))
    return found


def one_run(held: dict[str, Any]) -> OneRun:
    """An entry of ``runs``."""
    return OneRun(
        name=held["name"], rank=held["rank"], lr=held["lr"], parameters=held["parameters"],
        losses=np.array(held["losses"], dtype=float), perplexity=np.array(held["perplexity"], dtype=float),
        style=np.array(held["style"]), answers=tuple(held["answers"]),
    )  # fmt: skip


@lru_cache(maxsize=4)
def recorded_many(name: str) -> ManyChats:
    """``rates_pirate``, ``places``, ``layers`` or ``one``."""
    held = recording(name)
    return ManyChats(held["base_perplexity"], tuple(held["base_answers"]), held["steps"], held["seeds"],
                     tuple(map(one_run, held["runs"])))  # fmt: skip


@lru_cache(maxsize=1)
def recorded_two() -> TwoChats:
    """The two adapters mixed, summed, and one after the other."""
    held = recording("two")

    def mixed(what: str) -> np.ndarray:
        return np.array([[row[what] for row in seed["mixed"]] for seed in held["seeds"]])

    def second(what: str) -> np.ndarray:
        return np.array([[seed["second"][way][what] for way in ("same", "new")] for seed in held["seeds"]])

    return TwoChats(
        weights=np.array(held["weights"]), pirate=mixed("pirate"), json=mixed("json"), perplexity=mixed("perplexity"),
        answers=tuple(tuple(row["answers"]) for row in held["seeds"][0]["mixed"]), base=held["base"]["perplexity"],
        second_pirate=second("pirate"), second_json=second("json"), second_perplexity=second("perplexity"),
        second_loss=second("loss_pirate"), first_loss=mixed("loss_pirate")[:, 0],
        base_loss=held["base"]["loss_pirate"],
    )  # fmt: skip


class OneRank(NamedTuple):
    """Rank 1 on the down projection of one layer, for every layer.

    Of the first seed: ``tokens`` of some texts, for each ``h`` = s·a·x; by how much the logits of an answer's first
    token are moved, averaged over the held-out questions and beside their mean over the vocabulary: ``measured``, and
    ``direct``, b through the norm and the head alone. Both hold the words that are raised most, with the rise;
    ``alike`` is the cosine of the two over the vocabulary.
    """

    base: float
    seeds: int
    runs: tuple[OneRun, ...]
    tokens: tuple[tuple[tuple[str, ...], ...], ...]
    h: tuple[tuple[tuple[float, ...], ...], ...]
    measured: tuple[tuple[tuple[str, float], ...], ...]
    direct: tuple[tuple[tuple[str, float], ...], ...]
    alike: Float[np.ndarray, "L"]


@lru_cache(maxsize=1)
def recorded_one() -> OneRank:
    """A run a layer, from the input to the output."""
    held, many = recording("one"), recorded_many("one")

    def words(which: str) -> tuple[tuple[tuple[str, float], ...], ...]:
        return tuple(tuple((word, float(rise)) for word, rise in run[which]) for run in held["runs"])

    return OneRank(
        base=many.base, seeds=many.seeds, runs=many.runs,
        tokens=tuple(tuple(map(tuple, run["tokens"])) for run in held["runs"]),
        h=tuple(tuple(map(tuple, run["h"])) for run in held["runs"]),
        measured=words("measured_up"), direct=words("direct_up"),
        alike=np.array([run["alike"] for run in held["runs"]], dtype=float),
    )  # fmt: skip
