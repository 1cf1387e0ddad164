"""What a doctor of adapters finds: one kind of finding, with its evidence, likely cause, remedy, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from lora_viz.i18n.language import say, to_say

__all__ = ["CERTAINTY", "GRAVITY", "Diagnosis", "Finding"]

GRAVITY = ("broken", "doubtful", "note", "healthy")
CERTAINTY = {
    "measured": to_say("Measured; the cause is the usual one."),
    "likely": to_say("Likely: other causes leave the same trace."),
    "possible": to_say("Possible: only a run on your data can tell."),
}


class Finding(NamedTuple):
    """One finding. ``evidence`` is what was measured, ``cause`` and ``remedy`` are advice: a hypothesis, as sure as
    ``certainty`` says. ``modules`` are the paths that it concerns (none: the whole file), ``values`` what decided.
    """

    id: str
    gravity: Literal["broken", "doubtful", "note", "healthy"]
    title: str
    evidence: str
    cause: str
    remedy: str
    certainty: Literal["measured", "likely", "possible"]
    modules: tuple[str, ...] = ()
    values: Mapping[str, float] = {}

    @property
    def sure(self) -> str:
        """How sure it is, in words."""
        return say(CERTAINTY[self.certainty])

    def plain(self) -> dict[str, Any]:
        """As a table for JSON."""
        return {**self._asdict(), "modules": list(self.modules), "values": dict(self.values)}


class Diagnosis(NamedTuple):
    """All findings, the gravest first; one of a healthy file where nothing is wrong."""

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        return all(f.gravity in ("note", "healthy") for f in self.findings)
