"""The lab: where a lesson has things trained and computed. It keeps what was computed, and says how far it is."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from lora_viz.core.experiment import Sweep
from lora_viz.core.host import limit
from lora_viz.core.progress import Progress, giving_way
from lora_viz.core.results import Results, Ticket
from lora_viz.core.run import Run
from lora_viz.engine.training import train
from lora_viz.i18n.language import language, say, speak, spoken_words
from lora_viz.lessons.controls import Upload
from lora_viz.lessons.settings import Settings

__all__ = ["RESULTS", "Lab"]

R = TypeVar("R")
G = TypeVar("G", bound=Hashable)
# Of this process: one for all visitors.
RESULTS = Results(most_bytes=limit("LORA_PLAYGROUND_RESULTS_MB", 256, 64) << 20)


class Lab:
    """Trains and computes for one visitor; what is known already is not computed again, whoever asked first.

    ``visitor`` is whom turns are counted by, ``progress`` hears how far it is while this visitor waits.
    """

    def __init__(
        self,
        results: Results = RESULTS,
        *,
        visitor: Hashable = None,
        progress: Callable[[Progress], None] | None = None,
        ticket: Ticket | None = None,
    ) -> None:
        self.results, self.visitor, self.progress, self.ticket = results, visitor, progress, ticket

    def measure(self, function: Callable[[G, Lab], R], given: G, *, worded: bool = True) -> R:
        """The record of a lesson at its settings, or a part of one that several settings share.

        What is ``worded`` is kept for each language; a record of numbers serves them all.
        """
        key = ("record", function.__module__, function.__qualname__, language() if worded else "", given)
        return self._kept(key, lambda lab: function(given, lab))

    def drawn(self, what: Hashable, record: Any, draw: Callable[[], R]) -> R:
        """What is drawn of this record, in this language: the same for all who see it.

        A record cannot be a key, its address can: the record is kept with what was drawn of it, so the address is its
        own for as long. (A coarse record of a run has the same settings as the last one.)
        """
        return self._kept(("film", what, spoken_words(), id(record)), lambda _: (draw(), record))[0]

    def train(self, sweep: Sweep, device: str = "cpu", *, records: int = 161, **options: Any) -> Run:
        """``engine.training.train`` of this sweep."""
        key = ("run", sweep, device, records, tuple(sorted(options.items())))
        return self._kept(key, lambda _: train(sweep, device, records=records, **options))

    def train_each(self, sweeps: tuple[Sweep, ...], device: str = "cpu", *, records: int = 161) -> Iterator[Run]:
        """The runs of these sweeps one after another, none of them kept; between two it says how far it is."""
        for i, sweep in enumerate(sweeps):
            self.report(i / len(sweeps), say("{done} of {all} trainings are done", done=i, all=len(sweeps)))
            yield train(sweep, device, records=records)

    def compute(self, function: Callable[..., R], *given: Any, **options: Any) -> R:
        """``function(*given, **options)``, whose arguments can be a key. What it says is kept for each language."""
        key = (function.__module__, function.__qualname__, language(), given, tuple(sorted(options.items())))
        return self._kept(key, lambda _: function(*given, **options))

    def follow(self, function: Callable[..., Iterator[Progress | R]], *given: Any) -> R:
        """What the chunks of ``function(*given)`` end in, its progress passed on between them."""

        def work(lab: Lab) -> R:
            chunks = function(*given)
            try:
                for item in chunks:
                    if not isinstance(item, Progress):
                        return item
                    lab.report(item.share, item.said, item.preview)
            finally:
                chunks.close()  # type: ignore[attr-defined]
            raise RuntimeError(f"{function.__qualname__} ended without a result")

        return self._kept((function.__module__, function.__qualname__, language(), given), work)

    def report(self, share: float, said: str = "", preview: Any = None) -> None:
        """Say how far it is, with a record to show meanwhile; stops the work where nobody waits for it any more."""
        if self.ticket is not None:
            self.ticket.report(share, said, preview)

    def _kept(self, key: Hashable, work: Callable[[Lab], R]) -> R:
        code = language()

        def computed(ticket: Ticket) -> R:
            with speak(code), giving_way(ticket.check):  # in a thread of its own, which nobody reads
                return work(Lab(self.results, visitor=self.visitor, ticket=ticket))

        return self.results.get_or_compute(_without_files(key), computed, visitor=self.visitor, progress=self.progress)


def _without_files(key: Any) -> Any:
    """The key without what is in the files that it names: it is kept longer than they are."""
    match key:
        case Upload():
            return key.without_data()
        case Settings():
            return replace(key, options=_without_files(key.options))
        case tuple():
            return tuple(map(_without_files, key))
    return key
