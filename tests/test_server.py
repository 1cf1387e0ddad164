"""The server: whom it answers, what every answer carries, and addresses of our own."""

import http.client
import json
import re
import socket
from contextlib import closing
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from streamlit import config
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from lora_viz.ui.server import FRAMES, Address, Guarded, answers_to, content_policy, frames, named_hosts, routes
from tests.awaited import awaited

OWN_NAME = socket.gethostname().lower()


@pytest.mark.parametrize(
    "host", ["localhost:8501", "LOCALHOST", "a.localhost:1", "127.0.0.1:8501", "192.168.7.31", "[::1]:8501", OWN_NAME]
)
def test_it_answers_to_this_machine_and_to_addresses_in_digits(host: str) -> None:
    assert answers_to(host)


@pytest.mark.parametrize(
    "host",
    [
        *(None, "", "evil.example", "evil.example:8501", "localhost.evil.example", "127.0.0.1.a.example"),
        *("localhost:x", "localhost:99999", "user@localhost", "localhost/x", "localhost?x", "localhost#x"),
        *("127.0.0.1 evil.example", "localhost, evil.example", "[::1", "//localhost"),
        *("[evil.example]", "*[::1]:80", "x[::1]", "0x7f.1", "\ud800"),
    ],
)  # fmt: skip
def test_it_does_not_answer_to_other_names(host: str | None) -> None:
    """A page whose name was pointed at this machine sends its own name as Host and as Origin."""
    assert not answers_to(host)


def test_whoever_runs_it_names_others() -> None:
    named = ["lora.example.org", "*.example.net"]
    assert answers_to("lora.example.org:443", named) and answers_to("a.b.example.net", named)
    assert not answers_to("example.net", named) and not answers_to("x.lora.example.org", named)
    assert answers_to("anything.at.all", ["*"]) and not answers_to("", ["*"])


def test_one_setting_names_a_host_and_shuts_nobody_else_out() -> None:
    """Streamlit's own check would refuse a socket of localhost as soon as another name is allowed."""
    named_hosts.cache_clear()
    config.set_option("server.allowedHosts", ["lora.example.org", "a.example,*.b.example"])
    try:
        for host in ("lora.example.org", "a.example:443", "x.b.example", "localhost:8501", "10.1.2.3:8501"):
            assert _asked("http", host)[1]["body"] == b"the app" and is_host_allowed(host)
        assert _asked("http", "evil.example")[0]["status"] == 421
        assert _asked("websocket", "evil.example")[0]["code"] == 1008
    finally:
        config.set_option("server.allowedHosts", [])
        named_hosts.cache_clear()


def _asked(kind: str, host: str, own: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """What the guarded server sends to this request; the app behind it answers with headers of its own."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("the app", headers=own)(scope, receive, send)

    async def receive() -> dict[str, Any]:
        return {"type": f"{kind}.request" if kind == "http" else "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "method": "GET", "path": "/", "headers": [(b"host", host.encode())]}
    awaited(Guarded(app)(scope, receive, send))
    return sent


def _headers(sent: list[dict[str, Any]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_a_foreign_host_reaches_neither_page_nor_socket() -> None:
    refused = _asked("http", "evil.example")
    assert refused[0]["status"] == 421 and b"evil.example" in refused[1]["body"]
    assert _headers(refused)["x-content-type-options"] == "nosniff"
    assert _asked("websocket", "evil.example") == [{"type": "websocket.close", "code": 1008}]
    assert _asked("http", "localhost")[1]["body"] == b"the app"


def test_every_answer_carries_the_headers_and_one_that_it_sets_itself_stays() -> None:
    headers = _headers(_asked("http", "localhost:8501"))
    assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "same-origin"
    assert "ws://localhost:8501" in headers["content-security-policy"]
    own = {"content-security-policy": "frame-ancestors 'none'"}
    assert _headers(_asked("http", "localhost", own))["content-security-policy"] == "frame-ancestors 'none'"


def _sources(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (part.split() for part in policy.split(";"))}


def test_the_policy_lets_in_nothing_from_elsewhere() -> None:
    sources = _sources(content_policy("lora.example.org"))
    assert sources["img-src"] == ["'self'", "data:", "blob:"]
    assert sources["object-src"] == ["'none'"]
    for name, allowed in sources.items():
        if name != "frame-ancestors":
            assert not {"*", "http:", "https:", "'unsafe-eval'"} & set(allowed), name
    assert not {"'unsafe-inline'", "data:"} & set(sources["script-src"])
    assert set(sources["script-src"]) - {"'self'", "blob:"} == set(re.findall(r"'sha256-[^']+'", content_policy()))


def test_a_host_cannot_write_into_the_policy() -> None:
    assert content_policy("x; script-src *") == content_policy() == content_policy("[::1]:8501")


def test_who_may_hold_the_app_in_a_frame_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FRAMES, raising=False)
    assert frames() == "*"
    monkeypatch.setenv(FRAMES, "'self' https://course.example.org")
    policy = _headers(_asked("http", "localhost"))["content-security-policy"]
    assert _sources(policy)["frame-ancestors"] == ["'self'", "https://course.example.org"]
    for wrong in ("*; script-src *", "a,b", "a\nb"):
        monkeypatch.setenv(FRAMES, wrong)
        with pytest.raises(ValueError, match=FRAMES):
            frames()


@pytest.mark.parametrize("base", ["", "tools/lora"])
def test_own_addresses_stand_below_the_base_path(base: str) -> None:
    async def answer(request: Request) -> Response:
        return PlainTextResponse(request.path_params["lesson"])

    before = config.get_option("server.baseUrlPath")
    config.set_option("server.baseUrlPath", base)
    try:
        (route,) = routes([Address("/light/{lesson}", answer)])
    finally:
        config.set_option("server.baseUrlPath", before)
    assert route.path == f"/{base}/light/{{lesson}}".replace("//", "/")
    assert route.methods == {"GET", "HEAD"}


def test_the_served_app_keeps_its_promises(address: str) -> None:
    """The real server: every kind of answer is headed, a page whose name points here gets nothing."""
    for path in ("/", "/rank?level=expert", "/_stcore/health", "/_stcore/host-config", "/nothing.js", "/media/nothing"):
        _, headers, body = _got(address, path)
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert "img-src 'self' data: blob:;" in headers["Content-Security-Policy"], path
        if path == "/_stcore/host-config":
            assert b'"allowedOrigins":[]' in body
    (script,) = re.findall(rb'href="\./(ours/player\.[0-9a-f]{12}\.js)"', _got(address, "/rank")[2])
    status, headers, body = _got(address, f"/{script.decode()}")
    assert status == 200 and "immutable" in headers["Cache-Control"] and b"export default" in body
    assert _got(address, "/ours/player.000000000000.js")[0] == 404
    status, _, body = _got(address, "/ready")
    assert status == 200 and json.loads(body)["loss_after"] < json.loads(body)["loss_before"]
    assert b'"now"' not in _got(address, "/ready", {"X-Forwarded-For": "10.1.2.3"})[2], "not to who comes by a proxy"
    assert _got(address, "/metrics", {"X-Forwarded-For": "10.1.2.3"})[0] == 404
    foreign = {"Host": "evil.example:8501", "Origin": "http://evil.example:8501"}
    assert _got(address, "/", foreign)[0] == 421
    socket_asked = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    asked = foreign | socket_asked | {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    assert _got(address, "/_stcore/stream", asked)[0] == 403


def _got(address: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, http.client.HTTPMessage, bytes]:
    with closing(http.client.HTTPConnection(address.removeprefix("http://"), timeout=10)) as connection:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
