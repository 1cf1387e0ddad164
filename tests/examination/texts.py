"""What is wrong with a text whatever it is about: not-numbers, wrong plurals, a number compared with itself, lengths.

Numbers that a format rounds to nothing are found where they are put in (``Watched``): afterwards a 0 that was 0.3 looks
like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lora_viz.i18n import language

__all__ = ["LONGEST", "MOST_SENTENCES", "Watched", "faults", "plain", "sentence_count", "too_long", "word_count"]

# Words that each kind of statement may have, and sentences of a takeaway.
LONGEST = {"claim": 25, "takeaway": 45, "narration": 18}
MOST_SENTENCES = 3

_NUMBER = r"−?\d[\d.,\u202f]*(?:·10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?"
_PLURALS = (
    r"adapters|seeds|steps|ranks|columns|rows|draws|samples|numbers|directions|runs|layers|weights|bits|entries|"
    r"parameters|tasks|initialisations|starts|dimensions|matrices|tokens|epochs|batches|cells|values|singular values|"
    r"terms|labels|inputs|outputs|images|files|conditions|questions|challenges|scenes|papers|words|factors|triplets|"
    r"points|degrees|times as|percentage points|neurons|classes|Schritte|Adapter divergierten|Ränge|Spalten|Zeilen"
)
_WRONG: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (name, re.compile(pattern))
    for name, pattern in (
        ("not a number", r"\b(?:nan|NaN)\b(?! counts)|\binf\b|(?<!\w)None\b(?! of )"),
        ("minus zero", r"(?<![\w.,·])[−-]0(?:[.,]0+)?(?![\w.,·])"),
        ("one times", r"(?<![\w.,])1×(?![\d ]\d|\d)|(?<![\w.,·×])1 times\b"),
        ("plural of one", rf"(?<![\w.,·×⁻–/^−-])(?<! to )1 (?:{_PLURALS})\b|\bof 1 (?:{_PLURALS})\b"),
        ("plural verb of one", r"(?<![\w.,·×] )(?<!= )(?<![\w.,·×⁻/–])1 (?:are|were|have)\b"),
        ("plural verb of one", r"[a-z]s 1 (?:are|were|have)\b"),
        ("two numbers run together", r"\b(?:rank|Rang|step|Schritt) \d+ −?\d"),
        ("singular of many",
         r"(?<![\w.,·×⁻=])(?<!= )(?:[2-9]|[1-9]\d+) (?:adapter|seed|step|sample|direction|row|column)\b(?!-)"),
        ("a number compared with itself",
         rf"(?<![\w.,·×⁻])({_NUMBER})( %|°)?(?:,? (?:against|compared with|instead of|rather than|gegen|statt) |"
         rf" (?:to|bis) )\1(?![\w.,·×])"),
        ("never … never", r"\bnever\b[^.;:]*\bnever\b|\bnever at first\b"),
        ("a gap", r"\(\s*\)|\s[.,;](?=\s|$)|\.\.(?!\.)|,\s*\.|:\s*\."),
        ("an open place", r"(?<!\{)\{[a-z_]+(?::[^}]*)?\}(?!\})"),
    )
)  # fmt: skip
# What is read in German has a decimal comma; a number alone may be an axis', names and versions keep their point.
_POINT = re.compile(
    r"(?<![\w.§-])(?<!PEFT )(?<!arXiv[: ])\d+\.\d+(?![\w.]*\.\d)(?! mit Punkt)|\d,\d\S*(?: %)?, −?\d+,\d"
)
_WHOLE = r"\d{1,3}(?:\u202f\d{3})+|\d+"  # thin spaces between thousands
_COUNT = re.compile(rf"(?<![\w.,·×⁻=\u202f])({_WHOLE}) of (?:the )?({_WHOLE})(?![\w.,·×])")


def plain(text: str) -> str:
    """The text without formulas, code and the signs of Markdown."""
    text = re.sub(r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`", "x", text, flags=re.S)
    return re.sub(r"\]\([^)]*\)|[\[*_#]", "", text)


def faults(text: str) -> Iterator[str]:
    """What is wrong with this text, each with the words that show it."""
    bare = plain(text)
    for name, pattern in _WRONG:
        found = pattern.search(bare)
        if found:
            yield f"{name}: “{_around(bare, found)}”"
    if language.language() == "de" and re.search(r"[^\W\d_]", bare) and (found := _POINT.search(bare)):
        yield f"a decimal point, or commas between decimals: “{_around(bare, found)}”"
    for count in _COUNT.finditer(bare):
        if int(count[1].replace("\u202f", "")) > int(count[2].replace("\u202f", "")):
            yield f"a count outside its range: “{_around(bare, count)}”"


def _around(text: str, found: re.Match[str]) -> str:
    return text[max(0, found.start() - 25) : found.end() + 25].replace("\n", " ").strip()


def word_count(text: str) -> int:
    """Words as a reader counts them: what has a letter or a digit. A formula is one."""
    return sum(any(character.isalnum() for character in token) for token in plain(text).split())


def sentence_count(text: str) -> int:
    """Sentences: what ends in a full stop, a question mark or an exclamation mark before a capital or the end."""
    return len(re.findall(r"[.!?][)”\"*]*(?=\s+[\[(“*]*[A-ZÄÖÜΔ‖∇α-ω0-9$]|\s*$)", text.strip()))


def too_long(kind: str, text: str) -> str:
    """How much too long a statement of this kind is; empty where it is not."""
    words = word_count(text)
    if words > LONGEST.get(kind, words):
        return f"{words} words in a {kind}, at most {LONGEST[kind]}"
    if kind == "takeaway" and sentence_count(text) > MOST_SENTENCES:
        return f"{sentence_count(text)} sentences in a takeaway, at most {MOST_SENTENCES}"
    return ""


class Watched(language._Written):
    """While it is entered: remembers every number that its format has rounded to nothing, and the text around it.

    English is then spoken as a language of its own without a catalogue, because plain English takes a shorter way.
    """

    def __init__(self) -> None:
        self.vanished: list[str] = []
        self._text = ""

    def __enter__(self) -> Watched:
        self._before, language._WRITTEN = language._WRITTEN, self
        self._spoken = language.speak("watched" if language.language() == "en" else language.language())
        self._spoken.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._spoken.__exit__(None, None, None)
        language._WRITTEN = self._before

    def vformat(self, format_string: str, args: Any, kwargs: Any) -> str:
        self._text = format_string
        return super().vformat(format_string, args, kwargs)

    def format_field(self, value: Any, format_spec: str) -> Any:
        told = super().format_field(value, format_spec)
        positive = format_spec and isinstance(value, (int, float)) and value == value and value != 0
        if positive and not re.search(r"[1-9∞i]", str(told)):
            self.vanished.append(f"{value!r} is written {told}: “{self._text[:90]}”")
        return told
