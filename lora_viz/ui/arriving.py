"""What is on its way to the server has a bound: uploads are counted while they come, messages have a most.

Streamlit holds an upload's bytes before it hands them over. ``Arriving`` counts them in ``HELD`` from the first on, so
that the files of all visitors stay under one limit, those under way among them; what comes too slowly is ended.
``hold`` has the files that are here kept in ``HELD``, from where the oldest are let go.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from time import monotonic
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import runtime

from lora_viz.adapters.held import HELD, HeldFiles
from lora_viz.core.shortage import NO_ROOM
from lora_viz.lessons.controls import file_name

__all__ = ["MESSAGE_MOST", "SILENT_S", "WHOLE_S", "Arriving", "hold"]

UPLOADS = "/_stcore/upload_file/"
SILENT_S, WHOLE_S = 60.0, 1800.0  # an upload from which nothing comes, and the longest of all
FILES_MOST = 500  # of one session, at once
NAME_MOST = 1000  # letters of a file's name that Streamlit keeps
MESSAGE_MOST = 8_000_000  # bytes of one message from a browser; the largest that a page sends has a hundredth


class _Upload:
    """One upload that is under way, and how many of its bytes are counted."""

    def __init__(self, held: HeldFiles) -> None:
        self.held, self.counted = held, 0

    def more(self, count: int) -> bool:
        if not self.held.expect(count):
            return False
        self.counted += count
        return True

    def over(self) -> None:
        self.held.expect(-self.counted)
        self.counted = 0


_upload: ContextVar[_Upload | None] = ContextVar("upload", default=None)


def hold(files: Any) -> None:
    """From now on every file that Streamlit's keeper is given goes into ``HELD``, whether or not a page ever asks for
    it; Streamlit keeps its name.
    """
    if files is None or hasattr(files, "held"):
        return
    add, remove, remove_all = files.add_file, files.remove_file, files.remove_session_files

    def add_file(session_id: str, file: Any) -> None:
        if (upload := _upload.get()) is not None:
            upload.over()  # from now on it counts as a file that is held
        if len(files.file_storage.get(session_id, ())) >= FILES_MOST:
            raise HTTPException(503, "Too many files are given at once: take some away first.")
        HELD.keep(file.file_id, session_id, file_name(file.name), file.data)
        add(session_id, file._replace(data=b"", name=file.name[-NAME_MOST:], type=file.type[:NAME_MOST]))

    def remove_file(session_id: str, file_id: str) -> None:
        HELD.drop(file_id)
        remove(session_id, file_id)

    def remove_session_files(session_id: str) -> None:
        HELD.drop_all(session_id)
        remove_all(session_id)

    files.held = HELD
    files.add_file, files.remove_file, files.remove_session_files = add_file, remove_file, remove_session_files


class Arriving:
    """Middleware that counts and bounds what is sent to the app, and ends what comes too slowly."""

    def __init__(self, app: ASGIApp, held: HeldFiles = HELD, silent: float = SILENT_S, whole: float = WHOLE_S) -> None:
        self.app, self.held, self.silent, self.whole = app, held, silent, whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.app(scope, _bounded(receive, send), send)
        elif scope["type"] == "http" and UPLOADS in scope["path"] and scope["method"] == "PUT":
            await self._uploaded(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _uploaded(self, scope: Scope, receive: Receive, send: Send) -> None:
        if runtime.exists():
            hold(runtime.get_instance().uploaded_file_mgr)
        upload = _Upload(self.held)
        mark = _upload.set(upload)
        end = monotonic() + self.whole

        async def counted() -> Message:
            try:
                async with asyncio.timeout(min(self.silent, end - monotonic())):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "The upload came too slowly: it was ended.") from None
            if not upload.more(len(message.get("body", b""))):
                raise HTTPException(503, "Too much is being uploaded at once: try again in a minute.")
            return message

        try:
            await self.app(scope, counted, send)
        except OSError as error:  # above 1 MB it goes through a temporary file
            if error.errno not in NO_ROOM:
                raise
            told = PlainTextResponse(
                "The server's disk has no room for this upload: try a smaller file, or later.", 507
            )
            await told(scope, receive, send)
        except MemoryError:
            told = PlainTextResponse("The server has no memory for this upload: try a smaller file, or later.", 507)
            await told(scope, receive, send)
        finally:
            upload.over()
            _upload.reset(mark)


def _bounded(receive: Receive, send: Send) -> Receive:
    """Messages of a socket; one that is too long closes it."""

    async def bounded() -> Message:
        message = await receive()
        if len(message.get("bytes") or message.get("text") or b"") <= MESSAGE_MOST:
            return message
        await send({"type": "websocket.close", "code": 1009})
        return {"type": "websocket.disconnect", "code": 1009}

    return bounded
