"""A picture inside a notebook: a frame with nothing but the picture in it, which reaches neither page nor network."""

from __future__ import annotations

from html import escape

from lora_viz.film.standalone import Leaf, standalone_html

__all__ = ["inline"]


def inline(leaf: Leaf, height: int = 760) -> str:
    """The frame as HTML. Its scripts run, with no origin: they can read nothing of the notebook."""
    page = escape(standalone_html(leaf.title, [leaf]), quote=True)
    return (
        f'<iframe sandbox="allow-scripts allow-downloads" srcdoc="{page}" title="{escape(leaf.title)}" '
        f'style="width: 100%; height: {height}px; border: 0"></iframe>'
    )
