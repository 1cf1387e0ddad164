"""What lessons write in Markdown, as HTML that needs no script: formulas as MathML."""

from __future__ import annotations

import re
from functools import lru_cache
from html import unescape

from latex2mathml.converter import convert
from markdown_it import MarkdownIt

from lora_viz.i18n.outside import on_screen

__all__ = ["as_html", "formula"]

_MATHS = re.compile(r"(`+)(?:(?!\1).)*\1|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+)\$", re.S)
_TAG = re.compile(r"<[^>]+>|\s")
_LONG = 18  # signs: a formula in a line does not break, and more may be wider than a phone
_HELD = re.compile("\ue000(\\d+)\ue001")
_READER = MarkdownIt("commonmark", {"html": False}).enable("table")


@lru_cache(maxsize=4096)
def formula(latex: str, block: bool = False) -> str:
    """The formula as MathML, which browsers draw and read aloud; where it is too wide for the screen, it scrolls."""
    found = convert(latex.strip(), display="block" if block else "inline")
    if block:
        return f'<span class="wide" tabindex="0">{found}</span>'
    signs = len(unescape(_TAG.sub("", found)))
    return f'<span class="long">{found}</span>' if signs > _LONG else found


def as_html(text: str) -> str:
    """The text as HTML. Words from outside are words: nothing of them is obeyed."""
    formulas: list[str] = []

    def hold(match: re.Match[str]) -> str:
        block, inline = match["block"], match["inline"]
        if block is None and inline is None:
            return match[0]
        formulas.append(formula(block or inline, block is not None))
        return f"\ue000{len(formulas) - 1}\ue001"

    held = _MATHS.sub(hold, on_screen(text).replace("\ue000", "").replace("\ue001", ""))
    return _HELD.sub(lambda match: formulas[int(match[1])], _READER.render(held))
