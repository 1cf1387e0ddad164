"""The address on the wall: what others open, and that it never leads a phone to itself."""

import socket
from pathlib import Path
from typing import Any

import pytest
from streamlit import config

from lora_viz.i18n.outside import plain
from lora_viz.ui import addresses
from lora_viz.ui.addresses import ADDRESS, announced, for_others, lan_address, only_here

HERE = "http://localhost:8501/tools/rank?noise=0.5&at=3#top"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine in a network, none of a container's: its number, and where the server listens."""

    def set_up(
        number: str | None = "192.168.7.31", listens: str | None = None, named: str = "", only_on: bytes | None = None
    ) -> None:
        class Probe:
            bound: bytes | None = None

            def __enter__(self) -> "Probe":
                return self

            def __exit__(self, *_: object) -> None: ...

            def setsockopt(self, _: int, option: int, value: bytes) -> None:
                assert option == 25  # Linux's SO_BINDTODEVICE
                self.bound = value

            def connect(self, _: object) -> None:
                if number is None or (only_on is not None and self.bound != only_on):
                    raise OSError

            def getsockname(self) -> tuple[str | None, int]:
                return number, 1

        monkeypatch.setattr(addresses, "_CONTAINERS", ())
        monkeypatch.setattr(socket, "socket", lambda *_: Probe())
        monkeypatch.setattr(addresses, "_BIND", 25)
        monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0"), (3, "wlan0")], raising=False)
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", ("127.0.1.1", 0))])
        monkeypatch.setattr(
            config, "get_option", {"server.address": listens, "server.port": 8501, "server.baseUrlPath": "tools"}.get
        )
        monkeypatch.setenv(ADDRESS, named)

    return set_up


@pytest.mark.parametrize("local", ["localhost", "127.0.0.1", "127.4.5.6", "[::1]", "0.0.0.0", "a.localhost"])
def test_a_phone_is_never_led_to_itself(machine: Any, local: str) -> None:
    machine()
    assert only_here(f"http://{local}:8501/rank")
    assert for_others(f"http://{local}:8501/rank").address == "http://192.168.7.31:8501/rank"


def test_path_settings_and_port_stay(machine: Any) -> None:
    machine()
    assert for_others(HERE) == (HERE.replace("localhost", "192.168.7.31"), for_others(HERE).told)
    assert "same network" in for_others(HERE).told


def test_an_address_that_others_have_is_left_alone(machine: Any) -> None:
    machine(listens="127.0.0.1")  # behind a proxy
    for address in ("https://lora.example.org/rank?a=1", "http://192.168.7.9:8501/", "http://[fd00::2]:8501/"):
        assert for_others(address) == (address, "")


@pytest.mark.parametrize("listens", ["localhost", "127.0.0.1", "::1"])
def test_where_it_listens_to_itself_alone_nothing_is_offered(machine: Any, listens: str) -> None:
    machine(listens=listens)
    assert for_others(HERE).address == "" and "--host 0.0.0.0" in for_others(HERE).told
    assert announced() == plain(for_others(HERE).told)


def test_the_start_names_the_address_for_others(machine: Any) -> None:
    machine(listens="0.0.0.0")
    assert announced() == "For others in this network: http://192.168.7.31:8501/tools"


def test_who_runs_it_may_name_the_address(machine: Any) -> None:
    machine(number="172.17.0.2", listens="localhost", named="lora.local")
    assert for_others(HERE).address.startswith("http://lora.local:8501/tools")
    machine(named="10.0.0.5:9000")
    assert for_others(HERE).address.startswith("http://10.0.0.5:9000/tools")
    machine(named="a/b?c")
    with pytest.raises(ValueError, match=ADDRESS):
        for_others(HERE)


def test_a_network_without_a_way_out_has_a_number_too(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(only_on=b"wlan0")  # a hotspot of one's own: no route leads anywhere
    assert lan_address() == "192.168.7.31"
    machine(only_on=b"lo")
    assert lan_address() == ""
    machine(only_on=b"wlan0")
    monkeypatch.setattr(addresses, "_BIND", 0)  # Windows and macOS: their names for themselves lead there
    assert lan_address() == ""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [(0, 0, 0, "", ("192.168.137.1", 0))])
    assert lan_address() == "192.168.137.1"


def test_without_a_network_or_in_a_container_none_is_made_up(
    machine: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machine(number=None)
    assert lan_address() == "" and ADDRESS in for_others(HERE).told
    machine(number="172.17.0.2")
    monkeypatch.setattr(addresses, "_CONTAINERS", (tmp_path,))
    assert for_others(HERE).address == ""
