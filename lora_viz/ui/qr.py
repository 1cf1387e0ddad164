"""The address of this playground as it is given to others, and its QR code."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

import segno
import streamlit as st

__all__ = ["here", "only_here", "qr_code"]

_LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


def here(page: str | None = None) -> str:
    """The address of this page without what it is set to, or of another page of this playground."""
    own = (st.context.url or "").partition("?")[0]
    return own if page is None else f"{own.rstrip('/').rpartition('/')[0] if _named(own) else own.rstrip('/')}/{page}"


def _named(address: str) -> bool:
    """Whether the address ends in the name of a page: only the page that opens has none."""
    return urlsplit(address).path.strip("/") != ""


def only_here(address: str) -> bool:
    """Whether nobody but this machine can open it."""
    return (urlsplit(address).hostname or "") in _LOCAL


def qr_code(address: str, alt: str) -> None:
    """The address to be read by a telephone, black on white in every theme, with as few and large dots as it allows."""
    picture = segno.make(address, error="l").svg_data_uri(scale=10, border=4, dark="#000000", light="#ffffff")
    st.html(f'<img src="{picture}" alt="{escape(alt)}" style="width: min(100%, 60vh)">')
