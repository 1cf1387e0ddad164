"""The address of this playground as it is given to others, and its QR code."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

import segno
import streamlit as st
from streamlit import config
from streamlit.delta_generator import DeltaGenerator

from lora_viz.i18n.language import say
from lora_viz.i18n.outside import on_screen
from lora_viz.lessons.walk import home, lessons, now_at
from lora_viz.ui.addresses import for_others

__all__ = ["here", "offer", "parted", "qr_code"]


def here(page: str | None = None) -> str:
    """The address of this page without what it is set to, or of another page of this playground."""
    own = (st.context.url or "").partition("?")[0]
    return own if page is None else f"{parted(own)[0]}/{page}"


def parted(own: str) -> tuple[str, str]:
    """Where the playground stands, and which of its pages this address without settings is."""
    root, base = own.rstrip("/"), str(config.get_option("server.baseUrlPath") or "").strip("/")
    above, _, last = root.rpartition("/")
    if urlsplit(root).path.strip("/") == base or (now_at(last) == last and last not in {each.id for each in lessons()}):
        return root, home().id  # only the page that opens has no name of its own
    return above, last


def qr_code(address: str, alt: str) -> None:
    """The address to be read by a telephone, black on white in every theme, with as few and large dots as it allows."""
    picture = segno.make(address, error="l").svg_data_uri(scale=10, border=4, dark="#000000", light="#ffffff")
    st.html(f'<img src="{picture}" alt="{escape(alt)}" style="width: min(100%, 60vh)">')


def offer(address: str, code: DeltaGenerator, words: DeltaGenerator) -> str:
    """Write the address as others open it, and in ``code`` its QR code: none where it would lead a phone to itself.

    Answers with the address that is written.
    """
    offered = for_others(address)
    with words:
        st.code(offered.address or address, language=None, wrap_lines=True)
        if offered.told:
            st.caption(on_screen(offered.told))
    if offered.address:
        with code:
            qr_code(offered.address, say("QR code of the link"))
    return offered.address or address
