"""The address that others open: a phone that reads ``localhost`` off the wall would ask itself.

Raises ValueError at the start: what the environment names as this machine's address cannot stand in one.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from lora_viz.i18n.language import say
from lora_viz.i18n.outside import plain

__all__ = ["ADDRESS", "Offered", "announced", "for_others", "lan_address", "only_here"]

ADDRESS = "LORA_PLAYGROUND_ADDRESS"  # the name or number under which others reach this machine, maybe with a port
_NAMED = re.compile(r"(?:\[[\da-fA-F:.]+\]|[\w.\-]+)(?::\d{1,5})?")
_BIND = getattr(socket, "SO_BINDTODEVICE", 0)  # Linux alone has it
_CONTAINERS = (Path("/.dockerenv"), Path("/run/.containerenv"))


class Offered(NamedTuple):
    """An address for others, empty where nobody else can open it; and in words who can, or what to do."""

    address: str
    told: str


def only_here(address: str) -> bool:
    """Whether nobody but this machine can open it."""
    name = urlsplit(address).hostname or ""
    try:
        number = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
    return number.is_loopback or number.is_unspecified


def lan_address() -> str:
    """This machine's address in its network, empty where there is none: as ``ADDRESS`` says, else as routes have it.

    Sends nothing. A container's own number is no help to anybody: there only ``ADDRESS`` is.
    """
    if named := _named():
        return named
    if any(sign.exists() for sign in _CONTAINERS):
        return ""
    found = [_number_towards(None) or next(filter(None, map(_number_towards, _interfaces())), "")]
    if not found[0]:
        try:
            found = [str(own[4][0]) for own in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
        except OSError:
            found = []
    return next((number for number in found if number and not only_here(f"//{number}")), "")


def _interfaces() -> list[str]:
    """Linux's names of its networks: one without a way out, such as a hotspot of one's own, is no route's."""
    if not _BIND:
        return []
    return [name for _, name in socket.if_nameindex() if name != "lo"]


def _number_towards(interface: str | None) -> str:
    """The number with which this machine would send through this network, or as its routes say; empty: it cannot."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            if interface is not None:
                probe.setsockopt(socket.SOL_SOCKET, _BIND, interface.encode())
            probe.connect(("192.0.2.1", 9))  # an address of documentation: nobody has it, and nothing is sent
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def for_others(address: str) -> Offered:
    """The same page for others: unchanged where this address is not this machine's own name for itself."""
    if not only_here(address):
        return Offered(address, "")
    named, listens = _named(), _listens()
    if not named and listens and only_here(f"//{listens}"):
        return Offered("", say("Only this machine can open the playground. To let phones in, start it as "
                               "lora-playground --host 0.0.0.0."))  # fmt: skip
    name = named or listens or lan_address()
    if not name:
        return Offered("", say("Only this machine can open this address, and its address in the network is not known: "
                               "{variable} names it.", variable=ADDRESS))  # fmt: skip
    parts = urlsplit(address)
    has_port = re.search(r":\d+$", name)
    place = name if has_port or parts.port is None else f"{name}:{parts.port}"
    return Offered(parts._replace(netloc=place).geturl(), say("Phones must be in the same network as this machine."))


def announced() -> str:
    """What the start says beside Streamlit's own address: the one for others, or how there would be one."""
    from streamlit import config

    scheme = "https" if config.get_option("server.sslCertFile") else "http"
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    offered = for_others(f"{scheme}://localhost:{config.get_option('server.port')}/{base}")
    if not offered.address:
        return plain(offered.told)
    return plain(say("For others in this network: {address}", address=offered.address.rstrip("/")))


def _listens() -> str:
    """The one name or number that the server listens at; empty: at all of this machine's."""
    from streamlit import config

    given = str(config.get_option("server.address") or "")
    return "" if given in ("0.0.0.0", "::") else f"[{given}]" if ":" in given else given


def _named() -> str:
    named = os.environ.get(ADDRESS, "").strip()
    if named and not _NAMED.fullmatch(named):
        raise ValueError(f"{ADDRESS}={named!r} is not an address. Valid: a name or a number, such as 192.168.1.7:8501.")
    return named
