"""A visitor without a browser: speaks the app's own protocol over a WebSocket, for tests and benchmarks of many.

It opens a page, changes a control as a hand would, leaves. What it is sent is counted: bytes, the time until the
picture came and until the page was whole, errors that a page shows. Only what a change needs is decoded.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect

__all__ = ["Answered", "Visitor"]

_PICTURE = "-player"  # how the ids of players end
_WHOLE = ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY


class Answered(NamedTuple):
    """What came of one run of a page: seconds until its picture (None: none) and until its end, bytes, errors."""

    picture: float | None
    whole: float
    bytes: int
    errors: tuple[str, ...]


@dataclass
class Visitor:
    """One visitor at this address of a server, ``http://127.0.0.1:8501`` or below a path."""

    address: str
    seed: int = 0
    cookie: str = ""
    page: str = ""
    query: str = ""
    session: str = ""
    socket: ClientConnection | None = None
    controls: dict[str, Any] = field(default_factory=dict)  # by the key that ends a widget's id: its element
    states: dict[str, WidgetState] = field(default_factory=dict)  # by id: what this visitor has changed
    script: str = ""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    async def open(self, page: str, query: str = "", wait: float = 120.0) -> Answered:
        """Open this page in a session of its own, or in the one that was lost; raises OSError, TimeoutError."""
        began = time.perf_counter()
        self.page, self.query, self.script, self.controls = page, query, "", {}
        headers = {"Cookie": self.cookie} if self.cookie else {}
        told = ["streamlit", "NO_TOKEN", self.session] if self.session else ["streamlit"]
        split = urlsplit(self.address)
        self.socket = await connect(
            f"ws://{split.netloc}{split.path}/_stcore/stream", subprotocols=told, max_size=None, compression=None,
            additional_headers=headers, origin=f"{split.scheme}://{split.netloc}", open_timeout=wait, proxy=None,
            max_queue=None,  # a full queue is not read, nor the answer to a close: the tab would hang for ten seconds
        )  # fmt: skip
        given = self.socket.response.headers.get_all("Set-Cookie") if self.socket.response else []
        for each in given:
            self.cookie = each.partition(";")[0]
        return await self._ask(began, wait)

    async def change(self, control: str = "seed", value: Any = None, wait: float = 120.0) -> Answered:
        """Set this control to another value, drawn by chance where none is given, and wait until the page is whole."""
        element = self.controls[control]
        state = WidgetState(id=element.id)
        if hasattr(element, "has_min"):  # a number
            state.double_value = self.random.randint(0, 9999) if value is None else value
        else:
            options = [str(each) if isinstance(each, str) else each.content for each in element.options]
            chosen = self.random.choice(options) if value is None else value
            state.string_array_value.data.append(chosen)
        self.states[element.id] = state
        return await self._ask(time.perf_counter(), wait)

    def settings(self) -> dict[str, str]:
        """What the address bar holds."""
        return dict(parse_qsl(self.query))

    async def leave(self) -> None:
        """Close the tab."""
        if self.socket is not None:
            await self.socket.close()
            self.socket = None

    async def send(self) -> None:
        """Ask for the page as it is set, and wait for nothing."""
        message = BackMsg()
        own = message.rerun_script
        own.query_string, own.page_script_hash = self.query, self.script
        own.page_name = "" if self.script else self.page
        own.widget_states.widgets.extend(self.states.values())
        assert self.socket is not None
        await self.socket.send(message.SerializeToString())

    async def _ask(self, began: float, wait: float) -> Answered:
        async with asyncio.timeout(wait):
            await self.send()
            return await self._answer(began)

    async def _answer(self, began: float) -> Answered:
        picture, size, errors = None, 0, []
        assert self.socket is not None
        async for raw in self.socket:
            size += len(raw)
            if len(raw) > 100_000:  # a film: it is not looked into
                picture = time.perf_counter() - began
                continue
            message = ForwardMsg.FromString(raw)
            kind = message.WhichOneof("type")
            if kind == "delta":
                picture = self._seen(message.delta, errors, began) or picture
            elif kind == "new_session":
                self.session = message.new_session.initialize.session_id
                self.script = message.new_session.page_script_hash or self.script
            elif kind == "navigation":
                self.script = message.navigation.page_script_hash
            elif kind == "page_info_changed":
                self.query = message.page_info_changed.query_string
            elif kind == "script_finished" and message.script_finished == _WHOLE:
                return Answered(picture, time.perf_counter() - began, size, tuple(errors))
        raise ConnectionError("the server has closed the session")

    def _seen(self, delta: Any, errors: list[str], began: float) -> float | None:
        """Note what a change needs of this element; the time, if it is the picture."""
        if delta.WhichOneof("type") != "new_element":
            return None
        element = getattr(delta.new_element, delta.new_element.WhichOneof("type"))
        if delta.new_element.WhichOneof("type") == "exception":
            errors.append(element.type)
        name = getattr(element, "id", "")
        if not isinstance(name, str) or not name:
            return None
        self.controls[name.split("-", 2)[-1]] = element
        return time.perf_counter() - began if name.endswith(_PICTURE) else None
