"""Limits: what the environment sets, what a small host begins with, who is told that there is no room."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from streamlit import config
from streamlit.web.server.starlette.starlette_app_utils import validate_xsrf_token

from lora_viz.core import host
from lora_viz.core.host import limit
from lora_viz.ui.limits import SESSIONS, Seats, fit_to_host
from lora_viz.ui.own_uploads import OwnUploads
from tests.awaited import awaited

ROOT = Path(__file__).parent.parent


def test_a_limit_is_the_environments_else_it_fits_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIMIT", raising=False)
    for there, expected in ((None, 7), (host.SMALL, 7), (1_000_000_000, 3)):
        monkeypatch.setattr(host, "memory", lambda there=there: there)
        assert limit("LIMIT", 7, 3) == expected
    monkeypatch.setenv("LIMIT", "11")
    assert limit("LIMIT", 7, 3) == 11
    for wrong in ("-1", "x", "1e3", "٣", "9" * 10):
        monkeypatch.setenv("LIMIT", wrong)
        with pytest.raises(ValueError, match="LIMIT"):
            limit("LIMIT", 7, 3)


def test_a_containers_memory_counts_where_it_is_less(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = tmp_path / "memory.max"
    monkeypatch.setattr(host, "_OF_CONTAINERS", (str(told), str(tmp_path / "none")))
    told.write_text("1000000000\n")
    assert host.memory() == 1_000_000_000 and host.is_small()
    told.write_text("max\n")
    whole = host.memory()
    assert whole is not None and whole > 1_000_000_000


def test_a_container_has_the_cores_that_it_was_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = tmp_path / "cpu.max"
    monkeypatch.setattr(host, "_CPU_OF_CONTAINERS", str(told))
    monkeypatch.setattr(host.os, "sched_getaffinity", lambda of: set(range(7)), raising=False)
    assert host.cores() == 7
    for written, expected in (
        ("max 100000\n", 7), ("250000 100000", 3), ("50000 100000", 1), ("900000 100000", 7), ("0 0", 7)
    ):  # fmt: skip
        told.write_text(written, encoding="ascii")
        assert host.cores() == expected


@pytest.fixture
def options() -> Iterator[None]:
    names = ("server.maxUploadSize", "server.disconnectedSessionTTL", "server.baseUrlPath")
    before = {name: (config.get_option(name), config.get_where_defined(name)) for name in names}
    yield
    for name, (value, where) in before.items():
        config.set_option(name, value, where)


@pytest.mark.usefixtures("options")
def test_a_small_host_starts_with_safe_limits_unless_others_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "memory", lambda: 1_000_000_000)
    config.set_option("server.maxUploadSize", 400, "/a/config.toml")
    config.set_option("server.disconnectedSessionTTL", 90, "environment variable")
    fit_to_host()
    assert config.get_option("server.maxUploadSize") == 50
    assert config.get_option("server.disconnectedSessionTTL") == 90
    config.set_option("server.maxUploadSize", 400, "/a/config.toml")
    monkeypatch.setattr(host, "memory", lambda: 8_000_000_000)
    fit_to_host()
    assert config.get_option("server.maxUploadSize") == 400


async def _asked(app: Any, kind: str, path: str, headers: dict[str, str] | None = None, method: str = "GET") -> Any:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    await app({"type": kind, "method": method, "path": path, "headers": pairs, "query_string": b""}, receive, send)
    return sent


@pytest.mark.usefixtures("options")
def test_where_all_seats_are_taken_a_page_says_so_and_the_plain_ones_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SESSIONS, "2")
    config.set_option("server.baseUrlPath", "tools/lora")
    leave = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await leave.wait()
        await send({"type": "passed"})

    async def visits() -> None:
        seats = Seats(app)
        room = [asyncio.create_task(_asked(seats, "websocket", "/tools/lora/_stcore/stream")) for _ in range(2)]
        await asyncio.sleep(0)
        assert (await _asked(seats, "websocket", "/tools/lora/_stcore/stream"))[0]["code"] == 1013
        for page in ("/tools/lora/", "/tools/lora", "/tools/lora/rank", "/tools/lora/alpha"):
            start, body = await _asked(seats, "http", page, {"Accept-Language": "de"})
            assert start["status"] == 503 and "Alle 2 Plätze".encode() in body["body"]
            assert b'lang="de"' in body["body"] and b'href="/tools/lora/light/"' in body["body"]
        for other in ("light/rank", "_stcore/health", "static/js/x.js", "media/x", "room/7"):
            assert await _asked(seats, "http", f"/tools/lora/{other}") == [{"type": "passed"}], other
        leave.set()
        await asyncio.gather(*room)
        assert await _asked(seats, "http", "/tools/lora/rank") == [{"type": "passed"}]

    awaited(visits())


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"Origin": "https://lora.example.org", "Host": "lora.example.org"}, True),
        ({"Origin": "http://localhost:8501", "Host": "localhost:8501", "Cookie": "other=1"}, True),
        ({"Origin": "https://evil.example", "Host": "lora.example.org"}, False),
        ({"Origin": "http://localhost:8502", "Host": "localhost:8501"}, False),
        ({"Origin": "null", "Host": "localhost:8501"}, False),
        ({"Host": "localhost:8501"}, False),
        ({"Origin": "http://[", "Host": "localhost:8501"}, False),
    ],
)
def test_an_upload_needs_the_cookie_or_a_page_of_our_own(headers: dict[str, str], own: bool) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    path = "/tools/lora/_stcore/upload_file/a/b"
    awaited(_asked(OwnUploads(app), "http", path, headers, "PUT"))
    given = {name.decode(): value.decode() for name, value in seen[0]["headers"]}
    cookie = re.search(r"_streamlit_xsrf=(\S+)", given.get("cookie", ""))
    assert validate_xsrf_token(given.get("x-xsrftoken"), cookie and cookie[1]) == own
    with_cookie = {**headers, "Cookie": "_streamlit_xsrf=2|aa", "X-Xsrftoken": "2|bb"}
    awaited(_asked(OwnUploads(app), "http", path, with_cookie, "PUT"))
    assert (b"x-xsrftoken", b"2|bb") in seen[1]["headers"], "who has a cookie is asked for its token"


def test_every_variable_that_the_app_reads_stands_in_the_table() -> None:
    read = set()
    for path in (*ROOT.glob("lora_viz/**/*.py"), ROOT / "app.py"):
        read |= set(re.findall(r'"(LORA_PLAYGROUND_\w+)"', path.read_text(encoding="utf-8")))
    table = set(re.findall(r"^\| `(LORA_PLAYGROUND_\w+)`", (ROOT / "deploy" / "README.md").read_text("utf-8"), re.M))
    assert read == table and len(read) >= 5
