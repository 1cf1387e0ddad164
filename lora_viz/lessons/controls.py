"""Controls: what a lesson may be set to. Each has an id, a label, its allowed answers, and how a link writes them.

A control knows no screen. `parse` reads a link, `check` takes a value from Python; both raise SettingError with one
sentence. Where an answer has no name of its own, what stands on the screen is what the link says.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lora_viz.adapters.source import Source, as_source
from lora_viz.core.experiment import Experiment, parse_field
from lora_viz.core.refusals import Refusal
from lora_viz.i18n.language import say
from lora_viz.lessons.names import NAMES

__all__ = [
    "Choice",
    "Control",
    "File",
    "Number",
    "SettingError",
    "Several",
    "Switch",
    "Text",
    "Upload",
    "Whole",
    "file_name",
    "unknown",
    "written",
]

LONGEST_SHOWN = 40  # characters of what was given that a sentence repeats
SHORT_LIST = 12  # answers that a sentence lists
LONGEST_TEXT = 4000  # characters of an answer in words, where a control says no other
MOST_DIGITS = 12  # of a number in a link
NAME_MOST = 80  # letters of a file's name


class SettingError(Refusal):
    """One sentence: what was given, and what is allowed."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A visitor's file: its name and what is in it. ``key`` is new whenever it is another file, and all that counts.

    Two uploads are equal, and are one key of a cache, where name and key are: nobody reads gigabytes to compare them.
    """

    name: str
    data: bytes | memoryview | Source = field(compare=False, repr=False)
    key: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", file_name(self.name))

    def read(self, most: int | None = None) -> bytes:
        """What is in it, at most so many bytes. Raises AdapterError where it cannot be read any more."""
        return bytes(as_source(self.data)[:most])

    def without_data(self) -> Upload:
        """The same for a key, which would else keep the file in memory for as long as the key is kept."""
        return replace(self, data=b"")


def file_name(given: str) -> str:
    """A visitor's name of a file, fit to be shown and to be saved under: no folders, nothing that cannot be seen."""
    last = re.split(r"[/\\]", given)[-1]
    shown = "".join(sign if sign.isprintable() and sign not in '<>:"|?*' else "_" for sign in last).strip(". ")
    stem, dot, ending = shown.rpartition(".")
    return (shown if len(shown) <= NAME_MOST else f"{stem[: NAME_MOST - 20]}…{dot}{ending[:18]}") or "file"


def written(value: Any) -> str:
    """The value as a link writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One question to the visitor: the field of the experiment, or the lesson's own option, that it sets.

    ``default`` None means the lesson's experiment has it. ``label`` and ``help`` are said when they are shown.
    """

    id: str
    label: str
    help: str = ""
    default: Any = None
    like: str = ""  # the experiment's field whose answers it has, where that is not its id
    own: bool = False  # True: the lesson's own option, although an experiment has a field of this name

    @property
    def is_field(self) -> bool:
        """Whether its answer is a field of the lesson's own experiment."""
        return not self.own and self.id in Experiment.__dataclass_fields__

    @property
    def names_of(self) -> str:
        """The field whose names its answers go by."""
        return self.like or self.id

    @property
    def in_link(self) -> bool:
        """Whether a link carries the answer."""
        return True

    def usual(self, default: Experiment) -> Any:
        """The answer that the lesson opens with."""
        return self.default if self.default is not None or not self.is_field else getattr(default, self.id)

    def parse(self, text: str) -> Any:
        """The value that a link asks for. Raises SettingError."""
        return self.check(text)

    def check(self, value: Any) -> Any:
        """The value, where it is allowed. Raises SettingError."""
        return value

    def allowed(self) -> str:
        """What may be answered, in words."""
        return ""

    def link(self, value: Any) -> str | list[str]:
        """How a link writes this answer."""
        return written(value)

    def named(self, answer: Any, otherwise: str) -> str:
        """What stands on the screen for this answer, in the visitor's language; ``otherwise`` if it has no name."""
        return otherwise

    def refused(self, given: Any) -> SettingError:
        """The error that names what was given and what is allowed."""
        text = f"{self.id}={written(given)[:LONGEST_SHOWN]}"
        return SettingError(say("{given} is not possible in this lesson. Valid values: {allowed}.",
                                given=text, allowed=self.allowed()))  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice(Control):
    """One of some answers: words to pick from, or marks on a slider between which a link may ask for any number.

    ``names`` says what stands on the screen for an answer.
    """

    options: tuple[Any, ...]
    names: Mapping[Any, str] = field(default_factory=dict, hash=False)
    picked: bool = False  # True: numbers too are picked, none lies between them

    def only(self, *options: Any) -> Choice:
        """The same question with fewer answers."""
        return replace(self, options=options)

    @property
    def picks(self) -> bool:
        """Whether the answers are picked one by one: words, and up to three numbers."""
        return self.picked or isinstance(self.options[0], (str, bool)) or len(self.options) <= 3

    def parse(self, text: str) -> Any:
        try:
            if self.picks:
                value = {written(option): option for option in self.options}[text]
            else:
                value = (
                    parse_field(self.names_of, text)
                    if self.names_of in Experiment.__dataclass_fields__
                    else type(self.options[0])(text)
                )
        except (ValueError, KeyError):  # an ExperimentError is a ValueError
            raise self.refused(text) from None
        if len(text) > MOST_DIGITS and not self.picks:
            raise self.refused(text)
        return self.check(value)

    def check(self, value: Any) -> Any:
        for option in self.options:
            if option == value and isinstance(option, bool) == isinstance(value, bool):
                return option
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if self.picks or not number or not self.options[0] <= value <= self.options[-1]:
            raise self.refused(value)
        return type(self.options[0])(value)

    def allowed(self) -> str:
        if not self.picks:
            return say("{low} to {high}", low=written(self.options[0]), high=written(self.options[-1]))
        if len(self.options) > SHORT_LIST:
            return say("one of the menu's")
        return ", ".join(map(written, self.options))

    def named(self, answer: Any, otherwise: str) -> str:
        name = self.names.get(answer) or NAMES.get(self.names_of, {}).get(answer)
        return otherwise if name is None else say(name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Several(Control):
    """Some of these answers, maybe none. A link repeats its name, once an answer."""

    options: tuple[str, ...]
    default: tuple[str, ...] = ()
    names: Mapping[str, str] = field(
        default_factory=dict, hash=False
    )  # what stands on the screen, where that is not the answer

    def parse(self, text: str | list[str]) -> tuple[str, ...]:
        return self.check([one for one in ([text] if isinstance(text, str) else text) if one])

    def check(self, value: Any) -> tuple[str, ...]:
        if not isinstance(value, (str, list, tuple, set, frozenset)):
            raise self.refused(value)
        for one in [value] if isinstance(value, str) else value:
            if one not in self.options:
                raise self.refused(one)
        return self.possible(value)

    def possible(self, value: Any) -> tuple[str, ...]:
        """What of this may be answered, in the order in which it stands."""
        given = [value] if isinstance(value, str) else value
        return tuple(option for option in self.options if option in given)

    def allowed(self) -> str:
        return ", ".join(self.options)

    def link(self, value: Any) -> str | list[str]:
        return list(value) or ""

    def named(self, answer: Any, otherwise: str) -> str:
        return say(self.names[answer]) if answer in self.names else otherwise


@dataclass(frozen=True, kw_only=True, slots=True)
class Switch(Control):
    """Yes or no."""

    default: bool = False

    def parse(self, text: str) -> bool:
        if text not in ("true", "false"):
            raise self.refused(text)
        return text == "true"

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self.refused(value)
        return value

    def allowed(self) -> str:
        return "true, false"


@dataclass(frozen=True, kw_only=True, slots=True)
class Text(Control):
    """A text of one's own, which the lesson reads; in one line, or in ``tall`` pixels of them."""

    default: str = ""
    longest: int = LONGEST_TEXT
    tall: int | None = None
    placeholder: str = ""
    shared: bool = True  # False: a link does not carry it

    @property
    def in_link(self) -> bool:
        return self.shared

    def check(self, value: Any) -> str:
        if not isinstance(value, str) or len(value) > self.longest:
            raise self.refused(value)
        return value

    def allowed(self) -> str:
        return say("a text of up to {most} characters", most=self.longest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Number(Control):
    """A number between two others; None where it may be left open (``optional``)."""

    low: float
    high: float
    form: str | None = None
    optional: bool = False
    placeholder: str = ""

    @property
    def in_link(self) -> bool:
        return not self.optional

    def parse(self, text: str) -> float | None:
        try:
            return self.check(float(text[:LONGEST_SHOWN]))
        except ValueError:
            raise self.refused(text) from None

    def check(self, value: Any) -> float | None:
        if value is None and self.optional:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self.refused(value)
        if not self.low <= value <= self.high:
            raise self.refused(value)
        return float(value)

    def allowed(self) -> str:
        return say("{low} to {high}", low=written(self.low), high=written(self.high))


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole(Control):
    """A whole number between two others, both included."""

    low: int
    high: int
    default: int = 0

    def parse(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
            raise self.refused(text)
        return self.check(int(text))

    def check(self, value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not self.low <= value <= self.high:
            raise self.refused(value)
        return value

    def allowed(self) -> str:
        return say("{low} to {high}", low=self.low, high=self.high)


@dataclass(frozen=True, kw_only=True, slots=True)
class File(Control):
    """The visitor's own files: Uploads, none at first. They stay in memory and are in no link.

    ``endings`` limits what a browser offers (none: any); ``folder``: the server's own folder may be named from too.
    """

    endings: tuple[str, ...] = ()
    most: int | None = None  # megabytes
    folder: bool = False
    several: bool = True
    default: tuple[Upload, ...] = ()

    @property
    def in_link(self) -> bool:
        return False

    def parse(self, text: Any) -> tuple[Upload, ...]:
        return self.check(text)

    def check(self, value: Any) -> tuple[Upload, ...]:
        given = (value,) if isinstance(value, Upload) else tuple(value)
        if not all(isinstance(one, Upload) for one in given):
            raise self.refused(value)
        return given

    def allowed(self) -> str:
        return say("files as Upload(name, data)")


def unknown(given: Collection[str], allowed: Collection[str]) -> SettingError:
    """The error for settings that a lesson does not have."""
    first = sorted(given)[0][:LONGEST_SHOWN]
    listed = ", ".join(sorted(allowed)) or say("none")
    return SettingError(
        say("{name} is not a setting of this lesson. Valid values: {allowed}.", name=first, allowed=listed)
    )
