"""The style sheets that go into a page beside Streamlit's own, a file each."""

from functools import cache
from pathlib import Path

from lora_viz.film.style import letters_css

__all__ = ["style"]


@cache
def style(name: str) -> str:
    """The style sheet of this name, to be written into a page."""
    letters = letters_css() if name == "page" else ""
    return f"<style>\n{(Path(__file__).parent / f'{name}.css').read_text(encoding='utf-8')}{letters}</style>"
