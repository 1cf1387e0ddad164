"""The address of this playground as it is given to others, and its QR code."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

import segno
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lora_viz.i18n.language import say
from lora_viz.i18n.outside import on_screen
from lora_viz.ui.addresses import for_others

__all__ = ["here", "offer", "qr_code"]


def here(page: str | None = None) -> str:
    """The address of this page without what it is set to, or of another page of this playground."""
    own = (st.context.url or "").partition("?")[0]
    return own if page is None else f"{own.rstrip('/').rpartition('/')[0] if _named(own) else own.rstrip('/')}/{page}"


def _named(address: str) -> bool:
    """Whether the address ends in the name of a page: only the page that opens has none."""
    return urlsplit(address).path.strip("/") != ""


def qr_code(address: str, alt: str) -> None:
    """The address to be read by a telephone, black on white in every theme, with as few and large dots as it allows."""
    picture = segno.make(address, error="l").svg_data_uri(scale=10, border=4, dark="#000000", light="#ffffff")
    st.html(f'<img src="{picture}" alt="{escape(alt)}" style="width: min(100%, 60vh)">')


def offer(address: str, code: DeltaGenerator, beside: DeltaGenerator) -> str:
    """Write the address as others open it, and in ``code`` its QR code: none where it would lead a phone to itself.

    Answers with the address that is written.
    """
    offered = for_others(address)
    with beside:
        st.code(offered.address or address, language=None, wrap_lines=True)
        if offered.told:
            st.caption(on_screen(offered.told))
    if offered.address:
        with code:
            qr_code(offered.address, say("QR code of the link"))
    return offered.address or address
