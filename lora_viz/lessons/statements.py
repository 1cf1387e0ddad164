"""What a lesson states, as values: a text, whether it holds in the run shown, and the numbers that decide it.

The claim under a title is written once, for every setting; its verdict is computed from the record and says in words
whether the run shown bears it out. Everything else that a lesson says is listed as statements too, so that a test or
an examination can walk all of it without a screen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from lora_viz.i18n.language import say

__all__ = ["Kind", "Statement", "Undecidable", "Verdict", "false_here", "true_here", "undecided"]

Kind = Literal["claim", "takeaway", "detail", "maths", "narration", "part", "help", "question", "answer"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a claim holds in the run shown, why, and the values of the record that decide it, each by a name.

    ``holds`` is None where this run cannot tell. ``why`` is a clause without its first capital and its full stop, in
    the language spoken.
    """

    holds: bool | None
    why: str
    evidence: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), hash=False)

    @property
    def text(self) -> str:
        """The whole sentence, for whoever reads the claim."""
        if self.holds is None:
            return say("This run cannot tell: {why}.", why=self.why)
        return say("Holds in this run: {why}.", why=self.why) if self.holds else say("Not here: {why}.", why=self.why)


def true_here(why: str, /, **evidence: Any) -> Verdict:
    """The claim holds in this run, and so one sees it."""
    return Verdict(True, why, MappingProxyType(evidence))


def false_here(why: str, /, **evidence: Any) -> Verdict:
    """The claim does not hold in this run, and that is why."""
    return Verdict(False, why, MappingProxyType(evidence))


def undecided(why: str, /, **evidence: Any) -> Verdict:
    """This run says neither: what the claim is about did not happen in it."""
    return Verdict(None, why, MappingProxyType(evidence))


@dataclass(frozen=True, slots=True)
class Undecidable:
    """In place of a verdict: no run decides this claim, and ``why``, for whoever reads the code.

    A claim may say what a page ``holds`` (its order, its entries, how it answers). What says anything of LoRA has a
    verdict. A lesson with this trains nothing and has no film.
    """

    why: str


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing that a lesson says at some settings: of which kind, under which id, in which words.

    The claim has its ``verdict``. A ``condition`` says when the text applies: the claim's is its verdict, that of a
    question is that it can be asked here.
    """

    kind: Kind
    id: str
    text: str
    condition: str = ""
    verdict: Verdict | None = None

    @property
    def holds(self) -> bool | None:
        """Whether it is true in the run shown; what is made of the record is, unless a predicate finds otherwise."""
        return True if self.verdict is None else self.verdict.holds
