"""Sharing a picture: a link with every setting and the playhead in it, its QR code, or a file."""

from __future__ import annotations

import math
from html import escape
from urllib.parse import parse_qsl, urlencode

import numpy as np
import streamlit as st

from lora_viz.export.taken_along import file_name
from lora_viz.film.film import Film
from lora_viz.film.player import COLOURS, words
from lora_viz.film.standalone import Leaf, standalone_html
from lora_viz.i18n.language import say
from lora_viz.i18n.outside import on_screen
from lora_viz.ui.asking import Asked
from lora_viz.ui.qr import here, offer, parted
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


def offer_link(at: float, asked: Asked, page: str, film: Film, takeaway: str) -> None:
    """Show a link to the picture at this place of the axis, and let the visitor choose which controls stay on it.

    Or the picture itself, in a file that plays without a server.
    """
    st.dialog(say("Share this picture"), width="large")(_offer_link)(at, asked, page, film, takeaway)


def _offer_link(at: float, asked: Asked, page: str, film: Film, takeaway: str) -> None:
    left, right = st.columns([1, 1])
    with left:
        st.markdown(say("Opens the same picture with the same numbers on any machine that runs the playground."))
        where = st.container()
        stay = tuple(asked.link)
        with st.expander(say("Which controls stay")):
            chosen = st.pills(
                say("Controls that stay"),
                stay,
                default=stay,
                format_func=lambda name: on_screen(say(asked.labels.get(name, name.replace("_", " ").capitalize()))),
                selection_mode="multi",
                key="stay",
                wrap=True,
            )
            embed = st.toggle(say("Without menu, for an iframe"), key="embedded")
        address = offer(_address(at, asked, film, tuple(chosen), embed), right, where)
        name = "".join(c if c.isalnum() else "_" for c in page.lower())[:40]

        def file() -> str:  # made when it is asked for: the dialog opens at once
            frame = int(np.argmin(np.abs(film.values - at)))
            leaf = Leaf(page, "", film.to_bytes(colours=COLOURS, words=words(), at=frame), takeaway, source=address)
            return standalone_html(page, [leaf])

        st.download_button(
            say("The picture as a file: plays with no server"),
            file,
            file_name(f"{name}.html"),
            "text/html",
            on_click="ignore",
            key="picture_file",
        )
        if embed:
            st.code(f'<iframe src="{address}" width="1280" height="720"></iframe>', language="html", wrap_lines=True)
            st.caption(say("Or the picture alone, which needs no session and works on every page:"))
            st.code(_element(address), language="html", wrap_lines=True)


def _element(address: str) -> str:
    """Two lines for a page of somebody's: the picture at this address, in the light edition."""
    own, _, query = address.partition("?")
    asked = [(name, value) for name, value in parse_qsl(query) if name not in ("embed", "controls")]
    root, name = parted(own)
    film = f"{root}/light/{name}" + (f"?{urlencode(asked)}" if asked else "")
    return f'<script src="{root}/light/lora-film.js" defer></script>\n<lora-film src="{escape(film)}"></lora-film>'


def _address(at: float, asked: Asked, film: Film, stay: tuple[str, ...], embed: bool) -> str:
    """The link: what differs from how the lesson opens, and nothing else."""
    every = dict(asked.differing)
    if at != film.values[film.start]:
        every["at"] = f"{at:.9g}"
    if set(stay) != set(asked.link):
        every["controls"] = ",".join(stay) or "none"
    if language := language_of_links():
        every["lang"] = language
    if embed:
        every["embed"] = "true"
    return here() + (f"?{urlencode(every, doseq=True)}" if every else "")
