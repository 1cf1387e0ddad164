"""Sharing a picture: a link with every setting and the playhead in it, its QR code, or a file."""

from __future__ import annotations

import math
from html import escape
from typing import Any
from urllib.parse import urlencode

import numpy as np
import segno
import streamlit as st

from lora_viz.export.taken_along import file_name
from lora_viz.film.film import Film
from lora_viz.film.player import COLOURS, words
from lora_viz.film.standalone import Leaf, standalone_html
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import on_screen
from lora_viz.ui.visitor_language import language_of_links

__all__ = ["frame_of", "offer_link"]


def frame_of(film: Film) -> int | None:
    """The frame nearest to the place on the film's axis that the link asks for by ``at``; None: it does not."""
    if "at" not in st.query_params:
        return None
    try:
        at = float(st.query_params["at"][:20])
    except ValueError:
        at = math.nan
    if not math.isfinite(at):
        low, high = film.values[0], film.values[-1]
        st.warning(
            on_screen(
                say(
                    "at={given} is no place on the axis: allowed is {low:g} to {high:g}.",
                    given=st.query_params["at"][:40],
                    low=low,
                    high=high,
                )
            )
        )
        return None
    return int(np.argmin(np.abs(film.values - at)))


def offer_link(at: float, link: dict[str, Any], labels: dict[str, str], page: str, film: Film, takeaway: str) -> None:
    """Show a link to the picture at this place of the axis, and let the visitor choose which controls stay on it.

    Or the picture itself, in a file that plays without a server.
    """
    st.dialog(say("Share this picture"), width="large")(_offer_link)(at, link, labels, page, film, takeaway)


def _offer_link(at: float, link: dict[str, Any], labels: dict[str, str], page: str, film: Film, takeaway: str) -> None:
    left, right = st.columns([1, 1])
    with left:
        st.markdown(say("Opens the same picture with the same numbers on any machine that runs the playground."))
        stay = st.pills(
            say("Controls that stay"),
            tuple(link),
            default=tuple(link),
            format_func=lambda name: on_screen(say(labels.get(name, name.replace("_", " ").capitalize()))),
            selection_mode="multi",
            key="stay",
            wrap=True,
        )
        embed = st.toggle(say("Without menu, for an iframe"), key="embedded")
        address = _address(at, link, tuple(stay), embed)
        st.code(address, language=None, wrap_lines=True)
        frame = int(np.argmin(np.abs(film.values - at)))
        leaf = Leaf(page, "", film.to_bytes(colours=COLOURS, words=words(), at=frame), takeaway, source=address)
        name = "".join(c if c.isalnum() else "_" for c in page.lower())[:40]
        st.download_button(
            say("The picture as a file: plays with no server"),
            standalone_html(page, [leaf]),
            file_name(f"{name}.html"),
            "text/html",
            on_click="ignore",
            key="picture_file",
        )
        if embed:
            st.code(f'<iframe src="{address}" width="1280" height="720"></iframe>', language="html", wrap_lines=True)
    with right:
        picture = segno.make(address, error="m").svg_data_uri(scale=10, border=4, dark="#000000", light="#ffffff")
        alt = escape(say("QR code of the link"))
        st.html(f'<img src="{picture}" alt="{alt}" style="width: min(100%, 60vh)">')


def _address(at: float, link: dict[str, Any], stay: tuple[str, ...], embed: bool) -> str:
    beside: dict[str, str] = {} if set(stay) == set(link) else {"controls": ",".join(stay) or "none"}
    language = language_of_links()
    beside |= {"lang": language} if language else {}
    where = (st.context.url or "").partition("?")[0]
    every = {**link, "at": f"{at:.9g}", **beside, **({"embed": "true"} if embed else {})}
    return f"{where}?{urlencode(every, doseq=True)}"
