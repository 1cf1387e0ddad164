"""A room of 300: how long an answer takes, how far the presenter's count is behind, and whether one is lost.

``python benchmarks/bench_room.py`` serves the app, opens a room in a browser and plays 300 phones, each of which holds
a question open, answers within ten seconds, and has its connection killed while it sends the answer once more.
``python benchmarks/bench_room.py --phones 1000 --replicas`` needs redis-server and nginx: two replicas behind nginx,
one of them killed between question and reveal. Server, phones, nginx and Redis share this machine's cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import FLAGS, chromium, served  # noqa: E402
from tests.rooms import redis_served  # noqa: E402

SECONDS = 10.0  # within which everybody answers


class Connection:
    """One connection that is kept, as a browser keeps it, and made anew when it was cut."""

    def __init__(self, address: str) -> None:
        found = urlsplit(address)
        self.host, self.port = found.hostname or "", found.port or 80
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, path: str, token: str = "", body: Any = None, cut: bool = False) -> tuple[int, Any]:
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{'GET' if body is None else 'POST'} /room/api/{path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        self.writer.write(head.encode() + content)
        await self.writer.drain()
        if cut:
            self.writer.transport.abort()
            self.writer = None
            return 0, None
        assert self.reader is not None
        status = int((await self.reader.readline()).split()[1])
        length, chunked = 0, False
        while (line := (await self.reader.readline()).lower().strip()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            chunked |= line == b"transfer-encoding: chunked"
        if chunked:
            found = b""
            while size := int((await self.reader.readline()).strip(), 16):
                found += await self.reader.readexactly(size)
                await self.reader.readline()
            await self.reader.readline()
        else:
            found = await self.reader.readexactly(length)
        return status, json.loads(found)

    async def insist(self, path: str, token: str = "", body: Any = None) -> tuple[int, Any]:
        """Ask until somebody answers, as a phone does."""
        for _ in range(100):
            try:
                status, told = await self.ask(path, token, body)
                if status not in (429, 502, 503, 504):
                    return status, told
            except (OSError, ValueError, IndexError, asyncio.IncompleteReadError):
                self.writer = None
            await asyncio.sleep(0.2 + 0.2 * random.random())
        raise RuntimeError("nobody answered")


class Crowd:
    """Phones of one room, what their answers took, and when each was confirmed."""

    def __init__(self, address: str, code: str, secret: str, phones: int) -> None:
        self.address, self.code, self.secret, self.phones = address, code, secret, phones
        self.took: list[float] = []
        self.confirmed: list[float] = []
        self.lag = 0.0
        self.tokens: list[str] = []

    async def enter(self) -> None:
        async def one() -> None:
            await asyncio.sleep(random.random() * 5)
            status, told = await Connection(self.address).insist("join", body={"code": self.code})
            assert status == 200, told
            self.tokens.append(told["phone"])

        await asyncio.gather(*(one() for _ in range(self.phones)))

    async def phone(self, i: int, place: int, version: int) -> None:
        held, line, token = Connection(self.address), Connection(self.address), self.tokens[i]
        waiting = asyncio.create_task(held.insist(f"{self.code}/state?after={version}", token))
        await asyncio.sleep(random.random() * SECONDS)
        body = {"round": place, "nth": 1, "answer": i % 2}
        begun = time.perf_counter()
        status, told = await line.insist(f"{self.code}/answer", token, body)
        self.took.append(time.perf_counter() - begun)
        assert status == 200, told
        self.confirmed.append(time.perf_counter())
        body["nth"] = 2
        with contextlib.suppress(OSError):
            await line.ask(f"{self.code}/answer", token, body, cut=True)  # nobody knows whether it arrived
        status, told = await line.insist(f"{self.code}/answer", token, body)
        assert status == 200, told
        waiting.cancel()

    async def count(self) -> None:
        """The presenter's screen: how old the oldest answer is that its count lacks."""
        line = Connection(self.address)
        while True:
            _, told = await line.insist(f"{self.code}/front", self.secret)
            now, known = time.perf_counter(), sorted(self.confirmed)
            if told["answered"] < len(known):
                self.lag = max(self.lag, now - known[told["answered"]])
            await asyncio.sleep(0.2)

    async def answer(self, place: int, version: int) -> None:
        counting = asyncio.create_task(self.count())
        await asyncio.gather(*(self.phone(i, place, version) for i in range(self.phones)))
        await asyncio.sleep(0.5)
        counting.cancel()

    async def reveal(self, place: int) -> dict[str, Any]:
        line = Connection(self.address)
        await line.insist(f"{self.code}/act", self.secret, {"do": "close"})
        _, told = await line.insist(f"{self.code}/thought?round={place}", self.secret)
        return dict(told)


def told(crowd: Crowd, found: dict[str, Any]) -> None:
    took = sorted(crowd.took)
    p95 = took[int(0.95 * len(took))]
    expected = [(crowd.phones + 1) // 2, crowd.phones // 2]
    rows = (
        ("phones", f"{crowd.phones}"),
        ("an answer, median", f"{1000 * statistics.median(took):.0f} ms"),
        ("an answer, 95 of 100", f"{1000 * p95:.0f} ms"),
        ("an answer, longest", f"{1000 * took[-1]:.0f} ms"),
        ("the server's count behind", f"{1000 * crowd.lag:.0f} ms (the wall asks every 700 ms)"),
        ("answers kept", f"{found['answered']} of {crowd.phones}, {found['counts']} of {expected}"),
    )
    for name, value in rows:
        print(f"{name:28}{value}")
    print(json.dumps({"phones": crowd.phones, "median_s": statistics.median(took), "p95_s": p95, "lag_s": crowd.lag,
                      "kept": found["answered"], "right": found["counts"][:2] == expected}))  # fmt: skip


def one_server(phones: int) -> None:
    """The room as a presenter opens it, in a browser, in the memory of one server."""
    from playwright.sync_api import expect, sync_playwright

    with served() as address:
        with sync_playwright() as p:
            browser = p.chromium.launch(executable_path=chromium(), args=FLAGS)
            page = browser.new_page()
            page.goto(f"{address}/?deck=five_minutes&scene=2")
            expect(page.locator(".player")).to_be_visible(timeout=90_000)
            page.mouse.move(200, 200)
            page.mouse.move(220, 220)
            page.get_by_role("button", name="Open a room").click(timeout=60_000)
            expect(page.locator(".question .room")).to_be_visible(timeout=60_000)
            key = next(each["value"] for each in page.context.cookies() if each["name"] == "lora_room")
            browser.close()  # its tab would take a core of its own
        code, _, secret = key.partition(".")
        crowd = Crowd(address, code, secret, phones)

        async def played() -> dict[str, Any]:
            await crowd.enter()
            await crowd.answer(0, 1)
            return await crowd.reveal(0)

        told(crowd, asyncio.run(played()))


@contextlib.contextmanager
def replicas(address: str) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Two servers that share a store, behind nginx."""
    ports = []
    for _ in range(3):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            ports.append(s.getsockname()[1])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "LORA_PLAYGROUND_REDIS": address}
    with tempfile.TemporaryDirectory() as folder:
        servers = [
            subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), "--server.headless",
                 "true", "--server.address", "127.0.0.1"],
                cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            for port in ports[:2]
        ]  # fmt: skip
        config = Path(folder) / "nginx.conf"
        config.write_text(
            f"""daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
            events {{ worker_connections 8192; }}
            http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
              fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
              upstream lora {{ server 127.0.0.1:{ports[0]} max_fails=1 fail_timeout=5s;
                server 127.0.0.1:{ports[1]} max_fails=1 fail_timeout=5s; keepalive 64; }}
              server {{ listen 127.0.0.1:{ports[2]} backlog=4096; location / {{ proxy_pass http://lora;
                proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
                proxy_set_header X-Forwarded-For $remote_addr; proxy_read_timeout 60s; proxy_connect_timeout 2s;
                proxy_next_upstream error timeout http_502 http_503; }} }} }}"""
        )
        front = subprocess.Popen(["nginx", "-c", str(config)])
        try:
            for port in ports:
                for _ in range(400):
                    with contextlib.suppress(OSError):
                        urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1).close()
                        break
                    time.sleep(0.1)
            yield f"http://127.0.0.1:{ports[2]}", servers
        finally:
            for each in (front, *servers):
                each.terminate()
                each.wait(20)


def many_servers(phones: int) -> None:
    """Two replicas share a room; one is killed between the question and its reveal."""
    from lora_viz.rooms.opening import open_room
    from lora_viz.rooms.question import Question, Wording
    from lora_viz.rooms.room import Asked
    from lora_viz.rooms.shared_store import Shared

    with redis_served() as redis, replicas(redis) as (address, servers):
        store = Shared(redis)
        _, key = open_room(kept=store)
        crowd = Crowd(address, key.code, key.secret, phones)

        async def played() -> dict[str, Any]:
            await crowd.enter()
            question = Question(kind="choice", truth=1, words=(("en", Wording("Which?", ("a", "b"))),))
            store.change(key.code, Asked("bench/1", question, 60.0))
            await crowd.answer(0, 1)
            servers[0].send_signal(signal.SIGKILL)
            return await crowd.reveal(0)

        told(crowd, asyncio.run(played()))


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("--phones", type=int, default=300)
    asked.add_argument("--replicas", action="store_true")
    given = asked.parse_args()
    (many_servers if given.replicas else one_server)(given.phones)
