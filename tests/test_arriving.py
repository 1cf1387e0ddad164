"""What is on its way to the server: counted from the first byte on, let in up to a limit, ended where it hangs."""

import asyncio
import resource
import tempfile
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Receive, Scope, Send
from streamlit import config
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec
from streamlit.web.server.starlette.starlette_routes import create_upload_routes

from lora_viz.adapters.held import LEAST, HeldFiles
from lora_viz.ui.arriving import FILES_MOST, MESSAGE_MOST, Arriving, hold
from tests.awaited import awaited

BODY = b'--b\r\nContent-Disposition: form-data; name="f"; filename="%s"\r\n\r\n'
ROOM = 100 * LEAST


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldFiles:
    found = HeldFiles(ROOM)
    monkeypatch.setattr("lora_viz.ui.arriving.HELD", found)
    return found


class Server:
    """Streamlit's own routes for uploads behind ours; each upload is sent a piece at a time."""

    def __init__(self, held: HeldFiles, silent: float = 5.0, whole: float = 60.0) -> None:
        self.files = MemoryUploadedFileManager("/_stcore/upload_file")
        hold(self.files)
        sessions: Any = SimpleNamespace(is_active_session=lambda session: session.startswith("ours"))
        arriving = Middleware(Arriving, held, silent, whole)  # where the app has it: inside what answers 500
        self.app = Starlette(routes=create_upload_routes(sessions, self.files, ""), middleware=[arriving])

    async def put(self, name: str, pieces: AsyncIterator[bytes], session: str = "ours") -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            try:
                return {"type": "http.request", "body": await anext(pieces), "more_body": True}
            except StopAsyncIteration:
                return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "PUT", "path": f"/_stcore/upload_file/{session}/{name}", "query_string": b"",
            "headers": [(b"content-type", b"multipart/form-data; boundary=b")], "root_path": "", "http_version": "1.1",
        }  # fmt: skip
        await self.app(scope, receive, send)
        return int(sent[0]["status"])


async def pieces(name: str, size: int, until: asyncio.Event | None = None) -> AsyncIterator[bytes]:
    yield BODY % name.encode()
    yield bytes(size)
    if until is not None:
        await until.wait()
    yield b"\r\n--b--\r\n"


@pytest.fixture(autouse=True)
def without_tokens() -> Any:
    before = config.get_option("server.enableXsrfProtection")
    config.set_option("server.enableXsrfProtection", False)
    yield
    config.set_option("server.enableXsrfProtection", before)


def test_what_is_under_way_counts_before_it_is_here(held: HeldFiles) -> None:
    """Three uploads of 45 % of the limit at once: two come, the third is refused; afterwards what came counts once."""
    server, size = Server(held), 45 * LEAST

    async def all_at_once() -> None:
        go = asyncio.Event()
        first, second = (asyncio.create_task(server.put(n, pieces(n, size, go))) for n in "ab")
        while held.bytes < 2 * size:
            await asyncio.sleep(0.001)
        assert await server.put("c", pieces("c", size)) == 503
        go.set()
        assert (await first, await second) == (204, 204)

    awaited(all_at_once())
    assert 2 * size <= held.bytes <= ROOM and held.find("c") is None
    assert [file.data for file in server.files.get_files("ours", ["a", "b"])] == [b"", b""]
    assert all(bytes(held.find(n)[:]) == bytes(size) for n in "ab")  # type: ignore[index]


def test_the_oldest_are_let_go_while_a_new_one_comes(held: HeldFiles) -> None:
    server = Server(held)
    old = held.keep("old", "somebody", "old.bin", bytes(60 * LEAST))

    async def come() -> None:
        go = asyncio.Event()
        task = asyncio.create_task(server.put("a", pieces("a", 70 * LEAST, go)))
        while not old.gone:
            await asyncio.sleep(0.001)
        assert held.bytes <= ROOM
        go.set()
        assert await task == 204

    awaited(come())


def test_what_hangs_is_ended_and_no_longer_counts(held: HeldFiles) -> None:
    async def hang() -> None:
        assert await Server(held, silent=0.05).put("a", pieces("a", 9 * LEAST, asyncio.Event())) == 408
        assert await Server(held, whole=0.05).put("b", pieces("b", 9 * LEAST, asyncio.Event())) == 408
        assert await Server(held).put("c", pieces("c", 9 * LEAST), "a foreign session") == 400

    awaited(hang())
    assert held.bytes == 0


def test_a_full_disk_is_said_and_the_next_one_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file may grow here for a moment: what goes through a temporary file is refused, a small one is not."""
    held = HeldFiles(20_000_000)
    monkeypatch.setattr("lora_viz.ui.arriving.HELD", held)
    server, (soft, hard) = Server(held), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        large = awaited(server.put("a", pieces("a", 3_000_000)))
        small = awaited(server.put("b", pieces("b", 300_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (large, small) == (507, 204)
    assert held.find("a") is None and held.bytes >= 300_000
    assert awaited(server.put("c", pieces("c", 3_000_000))) == 204


def test_a_session_gives_so_many_files_and_their_names_are_short(held: HeldFiles) -> None:
    files = MemoryUploadedFileManager("/")
    hold(files)
    for i in range(FILES_MOST):
        files.add_file("ours", UploadedFileRec(f"{i}", "x" * 5000 + ".bin", "t", b""))
    with pytest.raises(Exception, match="Too many files"):
        files.add_file("ours", UploadedFileRec("more", "a", "t", b""))
    assert sum(len(file.name) for file in files.file_storage["ours"].values()) <= 1000 * FILES_MOST
    files.remove_session_files("ours")
    assert held.bytes == 0


def test_a_message_that_is_too_long_closes_its_socket() -> None:
    heard, sent = list[Any](), list[Any]()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.extend([await receive(), await receive()])

    waiting = [{"type": "websocket.receive", "bytes": bytes(n)} for n in (MESSAGE_MOST, MESSAGE_MOST + 1)]

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    awaited(Arriving(app)({"type": "websocket", "path": "/_stcore/stream"}, receive, send))
    assert [message["type"] for message in heard] == ["websocket.receive", "websocket.disconnect"]
    assert sent == [{"type": "websocket.close", "code": 1009}]


def test_an_upload_without_memory_is_said_and_counts_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    held = HeldFiles(20_000_000)
    monkeypatch.setattr("lora_viz.ui.arriving.HELD", held)

    def starved(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(tempfile.SpooledTemporaryFile, "read", starved)  # where it was seen under `prlimit --as`
        large = awaited(Server(held).put("a", pieces("a", 3_000_000)))
    assert (large, held.bytes) == (507, 0)
    assert awaited(Server(held).put("b", pieces("b", 300_000))) == 204
