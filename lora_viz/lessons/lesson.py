"""The lesson: one concept as one value. Settings in; a record, its film, its words, its figure and its question out.

Every function of a lesson is pure: what it needs beside its record stands in the settings, and what must be trained is
asked of the lab. No screen is known here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from typing import Any, Generic, TypeVar

import numpy as np
import plotly.graph_objects as go

from lora_viz.content.questions import Answered, Question, Seen, Unanswerable, answer
from lora_viz.core.experiment import Experiment, nearest_possible
from lora_viz.export.offered import Exports
from lora_viz.film.film import Film, Packed
from lora_viz.film.inline import inline
from lora_viz.film.panels import Lines, Passages
from lora_viz.film.paper import columns, printed
from lora_viz.film.player import COLOURS, words
from lora_viz.film.size import FilmTooLarge
from lora_viz.film.standalone import Leaf
from lora_viz.i18n.language import say, to_say
from lora_viz.i18n.outside import plain
from lora_viz.lessons.controls import Control, SettingError, Whole, unknown
from lora_viz.lessons.lab import Lab
from lora_viz.lessons.parts import Part
from lora_viz.lessons.settings import Settings
from lora_viz.lessons.statements import Statement, Undecidable, Verdict

__all__ = ["SEED", "Dependent", "Lesson", "Played", "Section"]

R = TypeVar("R")
SEED = Whole(
    id="seed",
    label=to_say("Seed"),
    help=to_say("Draws base weight, target, data and factors. The same seed gives the same picture everywhere."),
    low=0,
    high=9999,
    default=0,
)

# Controls that hang on what was answered before them.
Dependent = Callable[[Mapping[str, Any]], "tuple[Control, ...]"]


@dataclass(frozen=True, slots=True)
class Section:
    """Some lessons under one heading of the menu, in the order of ``place``."""

    title: str
    place: int


@dataclass(frozen=True, kw_only=True)
class Lesson(Generic[R]):
    """One concept: what a menu shows, what it may be set to, how it is measured, and everything made of the record.

        ``measure(settings, lab)`` gives the record; ``film``, ``takeaway``, ``maths``, ``figure``, ``table``, ``body``
        and ``extras`` are functions of the record, or of the record and the settings where an option decides what is
        seen, or of those and the lab where a file is made when it is asked for. ``hero`` is the id of the film's panel
        that proves the claim: it is drawn large, presented and shared. ``first`` stands above the picture.
    ``figure`` takes ``theme`` by name beside; in its place ``on_paper`` may name a panel of the film. Where there is no
    ``table`` the film's curves are the columns. ``verdict`` says whether the claim holds in this run, and why, or that
    no run decides it; ``detail`` what the takeaway has no room for. ``body`` stands in place of a film, ``extras``
    below what was seen. ``exports(record, settings, lab)`` says what can be taken along. A lesson without ``seeded``
    draws nothing at random; one that trains nothing is asked for no device (``trains``); one that trains ``many`` takes
    the GPU unless it is told otherwise. ``place`` orders a section's lessons. A record that holds sentences is
    ``worded``. ``waits_for`` names what takes long.
    """

    id: str
    menu: str
    title: str
    claim: str
    place: int
    measure: Callable[[Settings, Lab], R]
    takeaway: Callable[..., str]
    verdict: Callable[..., Verdict] | Undecidable
    detail: Callable[..., str] | None = None
    default: Experiment = field(default_factory=Experiment)
    controls: tuple[Control | Dependent, ...] = ()
    more: tuple[Control | Dependent, ...] = ()
    more_label: str = ""
    film: Callable[..., Film] | None = None
    hero: str = ""
    maths: Callable[..., str] | None = None
    figure: Callable[..., go.Figure] | None = None
    table: Callable[..., dict[str, np.ndarray]] | None = None
    on_paper: str = ""
    body: Callable[..., tuple[Part, ...]] | None = None
    extras: Callable[..., tuple[Part, ...]] | None = None
    beside: Callable[..., tuple[Part, ...]] | None = None
    first: Callable[..., tuple[Part, ...]] | None = None
    question: Question | None = None
    exports: Callable[[R, Settings, Lab], Exports] | None = None
    on_pick: Callable[[R, int, int], Mapping[str, Any]] | None = None
    papers: tuple[str, ...] = ()
    trains: bool = True
    many: bool = False
    seeded: bool = True
    worded: bool = False
    waits_for: str = ""

    @property
    def judged(self) -> bool:
        """Whether its claim is one that a run decides."""
        return not isinstance(self.verdict, Undecidable)

    @property
    def prints(self) -> bool:
        """Whether it has a still figure."""
        return bool(self.figure or self.on_paper)

    def shown(self, answers: Mapping[str, Any]) -> tuple[tuple[Control, ...], tuple[Control, ...]]:
        """The controls that stand at these answers: those that come first, and the further ones, the seed last."""
        seed = (SEED,) if self.seeded else ()
        return tuple(_standing(self.controls, answers)), tuple(_standing((*self.more, *seed), answers))

    def walk(self, answers: Mapping[str, Any]) -> Iterator[Control]:
        """Every control, one after the other; one that hangs on earlier answers finds them in ``answers`` by then."""
        yield from _standing((*self.controls, *self.more, *((SEED,) if self.seeded else ())), answers)

    def resolve(self, answers: Mapping[str, Any], device: str = "cpu") -> tuple[Settings, tuple[str, ...]]:
        """The settings nearest to these answers, each allowed but maybe not together; and what gave way, in words.

        Answers that are not there are the usual ones. A control of ``d_in`` asks for a square layer: d_out follows.
        """
        every: dict[str, Any] = dict(answers)
        own = set()
        for control in self.walk(every):
            every.setdefault(control.id, control.usual(self.default))
            own |= {control.id} if control.own else set()
        fields = {n: value for n, value in every.items() if n in Experiment.__dataclass_fields__ and n not in own}
        if "d_in" in fields:
            fields["d_out"] = fields["d_in"]
        experiment, notices = nearest_possible(self.default, fields)
        options = tuple(sorted((name, value) for name, value in every.items() if name not in fields))
        return Settings(experiment, options, device), notices

    def settings(self, *, device: str = "cpu", **given: Any) -> Settings:
        """These settings, all others as the lesson opens. Raises SettingError: unknown, not allowed, not together."""
        answers: dict[str, Any] = {}
        for control in self.walk(answers):
            usual = control.usual(self.default)
            answers[control.id] = control.check(given[control.id]) if control.id in given else usual
        if wrong := set(given) - set(answers):
            raise unknown(wrong, answers)
        found, notices = self.resolve(answers, device)
        if notices:
            raise SettingError(" ".join(notices))
        return found

    def link(self, settings: Settings) -> dict[str, Any]:
        """Every setting as a link writes it."""
        answers: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for control in self.walk(answers):
            answers[control.id] = settings[control.id]
            if control.in_link:
                found[control.id] = control.link(settings[control.id])
        return found

    def play(self, *, device: str = "cpu", **given: Any) -> Played[R]:
        """The lesson at these settings, measured: record, film, words. Raises SettingError.

        ``lesson("rank").play(target_rank=2, noise=0.0).takeaway``
        """
        return self.played(self.settings(device=device, **given), Lab())

    def read(self, link: Mapping[str, Any], lab: Lab | None = None) -> Played[R]:
        """The lesson as a link asks for it, in a link's words but files as Uploads, measured. Raises SettingError."""
        answers: dict[str, Any] = {}
        for control in self.walk(answers):
            given = link.get(control.id)
            answers[control.id] = control.usual(self.default) if given is None else control.parse(given)
        if wrong := set(link) - set(answers):
            raise unknown(wrong, answers)
        settings, notices = self.resolve(answers)
        if notices:
            raise SettingError(" ".join(notices))
        return self.played(settings, lab or Lab())

    def seen_as(self, settings: Settings) -> Lesson[Any]:
        """The lesson that is measured at these settings: this one, or of one that joins several, the chosen one."""
        return self

    def played(self, settings: Settings, lab: Lab) -> Played[R]:
        """The same with a lab of one's own."""
        return Played(self, settings, lab, lab.measure(self.measure, settings, worded=self.worded))


@dataclass(frozen=True)
class Played(Generic[R]):
    """A lesson at some settings, measured. Everything else is made of the record when it is asked for."""

    lesson: Lesson[R]
    settings: Settings
    lab: Lab
    record: R

    @cached_property
    def film(self) -> Film | None:
        """What moves; None where nothing does."""
        if self.lesson.film is None:
            return None
        drawn = (self.lesson.film, self.lesson.hero, self.settings)
        return self.lab.drawn(drawn, self.record, self._filmed)[0]

    def _filmed(self) -> tuple[Film | None, Packed | None]:
        """The film of this record, and as it is sent: together they are what is kept for all who see this run."""
        film: Film | None = self._made(self.lesson.film)
        if film is None:
            return None, None
        if self.lesson.hero and not film.hero:
            film = replace(film, hero=self.lesson.hero)
        try:
            return film, film.packed()
        except FilmTooLarge:  # said where it is shown
            return film, None

    def _repr_html_(self) -> str:
        """The lesson where a notebook shows it: picture and takeaway, or the words where nothing moves."""
        title = plain(say(self.lesson.title))
        if self.film is None:
            return f"<h3>{escape(title)}</h3><p>{escape(plain(self.takeaway))}</p>"
        shown = self.film.to_bytes(colours=COLOURS, words=words(), shares=False)
        return inline(Leaf(title, plain(say(self.lesson.claim)), shown, plain(self.takeaway)), 900)

    @cached_property
    def takeaway(self) -> str:
        """What was seen, in the run's own numbers."""
        return str(self._made(self.lesson.takeaway))

    @cached_property
    def verdict(self) -> Verdict | None:
        """Whether the claim holds in this run, and why; None where no run decides it."""
        judge = self.lesson.verdict
        found: Verdict | None = None if isinstance(judge, Undecidable) else self._made(judge)
        return found

    @cached_property
    def detail(self) -> str:
        """Further numbers of this run, as Markdown, for whoever wants more than the takeaway; empty where none are."""
        return self._made(self.lesson.detail) or ""

    @cached_property
    def maths(self) -> str:
        """The maths with the run's numbers, as Markdown; empty where there is none."""
        return self._made(self.lesson.maths) or ""

    def figure(self, theme: str = "light") -> go.Figure | None:
        """The still figure: the lesson's own, or the panel of its film that stands for it; None where there is none."""
        if self.lesson.on_paper and self.film is not None:
            return printed(self.film, self.lesson.on_paper, theme=theme)
        return self._made(self.lesson.figure, theme=theme)

    @cached_property
    def table(self) -> dict[str, np.ndarray]:
        """The numbers behind the picture, as columns."""
        if self.lesson.table is None and self.film is not None:
            return columns(self.film, *(panel.id for panel in self.film.panels if isinstance(panel, Lines | Passages)))
        return self._made(self.lesson.table) or {}

    def parts(self, which: str) -> tuple[Part, ...]:
        """What stands above the picture ("first"), in place of a film ("body"), below it ("extras"), or at the controls
        ("beside").
        """
        return self._made(getattr(self.lesson, which)) or ()

    @cached_property
    def link(self) -> dict[str, Any]:
        """Every setting as a link writes it."""
        return self.lesson.link(self.settings)

    def ask(self) -> Answered | None:
        """The question that ends the lesson, measured now; None where there is none. Raises Unanswerable."""
        if self.lesson.question is None or self.film is None:
            return None
        written = tuple(sorted((name, str(value)) for name, value in self.link.items()))
        seen = Seen(self.film, self.settings.experiment, written)
        return answer(self.lesson.question, seen, self.lab.compute)

    def statements(self, *, asked: bool = True) -> Iterator[Statement]:
        """Everything that the lesson says of this run, the claim with its verdict first.

        The question, whose answer is measured anew, only where it is ``asked`` for.
        """
        verdict = self.verdict
        yield Statement("claim", "claim", say(self.lesson.claim), verdict.text if verdict else "", verdict)
        yield Statement("takeaway", "takeaway", self.takeaway)
        for kind, text in (("detail", self.detail), ("maths", self.maths)):
            if text:
                yield Statement(kind, kind, text)  # type: ignore[arg-type]
        for t, text in enumerate(self.film.narration if self.film is not None else ()):
            yield Statement("narration", f"narration_{t}", text)
        answers: dict[str, Any] = {}
        for control in self.lesson.walk(answers):
            answers[control.id] = self.settings[control.id]
            if control.help:
                yield Statement("help", f"help_{control.id}", say(control.help))
        if asked:
            yield from self._questioned()

    def _questioned(self) -> Iterator[Statement]:
        try:
            found = self.ask()
        except Unanswerable as why:
            yield Statement("question", "question", str(why))
            return
        if found is not None:
            yield Statement("question", "question", found.text, condition="; ".join(found.choices))
            yield Statement("answer", "answer", f"{found.told} {found.why}")

    def exports(self) -> Exports | None:
        """What can be taken along: trained adapters or scripts; None where there is nothing."""
        offered = self.lesson.exports
        return None if offered is None else offered(self.record, self.settings, self.lab)

    def _made(self, function: Callable[..., Any] | None, **beside: Any) -> Any:
        if function is None:
            return None
        return function(*(self.record, self.settings, self.lab)[: _wanted(function)], **beside)


def _wanted(function: Callable[..., Any]) -> int:
    """Of how much it is a function: of the record, of the settings too, of the lab too."""
    parameters = inspect.signature(function).parameters.values()
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)


def _standing(controls: Iterable[Control | Dependent], answers: Mapping[str, Any]) -> Iterator[Control]:
    for control in controls:
        yield from (control,) if isinstance(control, Control) else control(answers)
