"""What lessons write in Markdown, as HTML that needs no script: formulas as MathML."""

from __future__ import annotations

import re
from functools import lru_cache

from latex2mathml.converter import convert
from markdown_it import MarkdownIt

from lora_viz.i18n.outside import on_screen

__all__ = ["as_html", "formula"]

_MATHS = re.compile(r"(`+)(?:(?!\1).)*\1|\$\$(?P<block>.+?)\$\$|\$(?P<inline>[^$\n]+)\$", re.S)
_HELD = re.compile("\ue000(\\d+)\ue001")
_READER = MarkdownIt("commonmark", {"html": False}).enable("table")


@lru_cache(maxsize=4096)
def formula(latex: str, block: bool = False) -> str:
    """The formula as MathML, which browsers draw and read aloud; one that stands alone scrolls where it is too wide."""
    found = convert(latex.strip(), display="block" if block else "inline")
    return f'<span class="wide" tabindex="0">{found}</span>' if block else found


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
