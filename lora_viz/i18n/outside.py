"""Outside words are words: what a link, a file, a deck or a matrix says is shown as it stands and obeyed nowhere.

The border has two gates. On the way in, ``say`` puts every value that Markdown could obey, and that this house has not
said itself, between Unicode's isolate marks (``isolated``), which no screen shows and which outside words cannot forge.
On the way out, ``on_screen`` makes inline code of what stands between the marks, where nothing is obeyed, and lets
through of the rest what this house writes: emphasis, maths, code, tables, links to its own pages and to the papers it
names. It lets no picture, no directive and no other link through, whoever wrote it. All that shows Markdown calls it; a
test reads the code for places that do not.

``Ours`` is Markdown of this house as a value of a sentence; ``emphasised`` is for decks: emphasis and maths only.
"""

from __future__ import annotations

import re

__all__ = ["Ours", "emphasised", "isolated", "on_screen", "plain"]

_OPEN, _CLOSE = "\u2068", "\u2069"  # first strong isolate, pop directional isolate
_MARKS = re.compile("[\u2068\u2069]")
_PAIR = re.compile("\u2068[^\u2068\u2069]*\u2069")
_STOP = "\u2060"  # word joiner: it is not seen, and no word of a language of marks goes on behind it
_UNSEEN = re.compile("[\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_UNSENT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
# Where a text could be obeyed, or undo the marks: markup, directives and emoji, addresses, how a list or a heading
# begins, arrows, characters that are not seen or cannot be sent.
_OBEYED = re.compile(
    r"""
      [*`~$\[\]\\|\n\r\t] | (?<!\w)_ | _(?!\w) | <[a-zA-Z/!?] | &\#?\w+;
    | :[\w:/\[{+-] | \bwww\. | \S@\S+\.\w
    | \A\s*(?:\#|>|[-+]\s|\d+[.)]\s) | \A\s{2} | (?:\A|\s)(?:<?->|<-|--|[<>~]=)(?=\s|\Z)
    | [\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]
    """,
    re.X,
)
# What a link of this house may name: a page, settings, a place in the glossary, or a paper.
_TARGET = r"(?:\./)?[\w\-]*(?:\?[\w\-=&%.,+]*)?(?:\#[\w\-.]*)?|https://arxiv\.org/abs/[\d.v]+"
_ESCAPED = r"\\[!-/:-@\[-`{-~]"
_CODE = r"(?<!`)(?P<fence>`+)(?!`)[^\n]*?(?<!`)(?P=fence)(?!`)"
_MATHS = r"\$\$(?:(?!\$|\n\s*\n)(?:.|\n))+\$\$|\$[^$\n]+\$"
_SIGN = ":material/(?:cancel|check_circle|help):"  # of a verdict
_LEFT = re.compile(rf"{_ESCAPED}|{_CODE}|(?P<maths>{_MATHS})|\]\((?:{_TARGET})\)|{_SIGN}")
_ADDRESS = re.compile(r"\]\s*\(\s*<?(?:[\w+.\-]*:|[/\\])")
_STOPPED = re.compile(
    r"""
      (?P<escape> !(?=\[) | \](?=[\[:(]) | <(?=[a-zA-Z/!?]) )
    | (?P<cut> :(?=[\w+\-]+[\[{:]) | :(?=[:/]) | :(?=material) | \b(?:www)(?=\.) | (?<=\S)@?(?=@\S+\.\w) )
    """,
    re.X | re.I,
)


class Ours(str):
    """Text of this house, whose marks are meant; or one that was made harmless before it was called that."""

    __slots__ = ()


def isolated(text: str) -> str:
    """The text between marks where anything in it could be obeyed; else as it is. What is marked already stays."""
    left = text
    while _PAIR.search(left):
        left = _PAIR.sub("", left)
    return f"{_OPEN}{_clean(text)}{_CLOSE}" if _OBEYED.search(left) else text


def plain(text: str) -> str:
    """The text without marks: for a file, a cell, a name."""
    return _MARKS.sub("", text)


def on_screen(text: str) -> str:
    """The text as Markdown for the screen: what is marked as inline code, the rest as this house writes it."""
    text = _UNSENT.sub("\ufffd", text)
    found, depth, start = [], 0, 0
    for mark in _MARKS.finditer(text):
        opens = mark[0] == _OPEN
        if depth == 0 or (depth == 1 and not opens):
            found.append(_code(text[start : mark.start()]) if depth else _through(text[start : mark.start()]))
            start = mark.end()
        depth = max(0, depth + (1 if opens else -1))
    found.append(_code(text[start:]) if depth else _through(text[start:]))
    return "".join(found)


def emphasised(text: str) -> Ours:
    """A text from outside that may emphasise and hold maths: all else in it is words. Lines stay."""

    def word(piece: str) -> str:
        piece = re.sub(r"[!-)+-/:-@\[-^`{-~]", r"\\\g<0>", _UNSENT.sub("\ufffd", _UNSEEN.sub("", piece)))
        return re.sub(r"(\\:|www)(?=\\?\S)|(?=\\@)", rf"\1{_STOP}", piece, flags=re.I)

    found, start = [], 0
    for maths in re.finditer(_MATHS, text):
        if not _ADDRESS.search(maths[0]):
            found += [word(text[start : maths.start()]), _UNSENT.sub("\ufffd", _UNSEEN.sub("", maths[0]))]
            start = maths.end()
    return Ours("".join([*found, word(text[start:])]))


def _clean(text: str) -> str:
    """On one line, without what is not seen; what cannot be sent stands as the sign for that."""
    return " ".join(_UNSENT.sub("\ufffd", _UNSEEN.sub("", text)).split())


def _code(text: str) -> str:
    """Inline code of these words: the fence is longer than any run of its mark in them."""
    text = _clean(text).replace(":material/", f":material{_STOP}/")  # the screen changes it in code too
    if not text:
        return ""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    space = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{space}{text}{space}{fence}"


def _through(text: str) -> str:
    """What this house writes; a picture, a directive, an address that is not its own is stopped, and read as text."""
    found, start = [], 0
    for left in _LEFT.finditer(text):
        if not (left["maths"] and _ADDRESS.search(left[0])):
            found += [_stopped(text[start : left.start()]), left[0]]
            start = left.end()
    return "".join([*found, _stopped(text[start:])])


def _stopped(text: str) -> str:
    return _STOPPED.sub(lambda match: f"\\{match[0]}" if match["escape"] else f"{match[0]}{_STOP}", text)
