"""One Socket Mode connection.

https://docs.slack.dev/apis/events-api/using-socket-mode
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import aiohttp
import structlog
from pydantic import Field, ValidationError

from connectors.slack.inbound.requests import Json, PayloadKind, parse_json
from connectors.slack.places import SlackModel
from schemas.errors import InvalidRequest, RetryLater

log = structlog.get_logger("parley.slack")

HEARTBEAT = 15.0
"""Seconds of silence before a ping; without a pong the connection counts as dead."""
HELLO_TIMEOUT = 10.0
CLOSE_TIMEOUT = 0.5
FULL_RETRY_MS = 10_000
KINDS = get_args(PayloadKind)
_TYPES = aiohttp.WSMsgType
END_TYPES = (_TYPES.CLOSE, _TYPES.CLOSING, _TYPES.CLOSED, _TYPES.ERROR)


class Frame(SlackModel):
    """An envelope, or a message about the connection itself."""

    type: str = ""
    envelope_id: str = Field(default="", max_length=128)
    payload: Json = {}
    accepts_response_payload: bool = False
    reason: str = ""
    num_connections: int = 0


@dataclass(frozen=True, slots=True)
class SocketEnvelope:
    """An envelope, to be acknowledged on its own connection once its events are appended."""

    kind: PayloadKind
    payload: Json
    takes_answer: bool
    id: str
    socket: Socket

    async def ack(self, answer: Json | None = None) -> None:
        """Acknowledge. On a closed connection nothing happens: Slack may send the envelope again, as a repeat."""
        more = {"payload": answer} if answer and self.takes_answer else {}
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self.socket.send({"envelope_id": self.id, **more})


class Socket:
    """Reads into ``inbox`` until it ends. ``missed`` is called for an envelope that does not fit."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, inbox: asyncio.Queue[SocketEnvelope], missed: Callable[[], None]
    ) -> None:
        self._socket = socket
        self._inbox = inbox
        self._on_missed = missed
        self._reader = asyncio.create_task(self._read())
        self._hello = asyncio.Event()
        self.leaving = asyncio.Event()
        """Set when Slack wants the connection replaced, or when it has ended."""
        self.reason = ""
        self.was_drained = False
        """Slack closed the connection, so everything sent over it was read."""
        self.connections = 0
        """Number of the app's connections when this one was opened, including it."""

    @classmethod
    async def connect(
        cls, http: aiohttp.ClientSession, url: str, inbox: asyncio.Queue[SocketEnvelope], missed: Callable[[], None]
    ) -> Socket:
        """Return once Slack has said hello. Raises RetryLater."""
        try:
            timeouts = aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT)
            socket = cls(await http.ws_connect(url, heartbeat=HEARTBEAT, timeout=timeouts), inbox, missed)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RetryLater("Slack's socket cannot be reached") from error
        try:
            await socket._wait_for_hello()
        except BaseException:
            await socket.close()
            raise
        return socket

    async def send(self, frame: Json) -> None:
        await self._socket.send_json(frame)

    @property
    def has_ended(self) -> bool:
        return self._reader.done()

    async def wait_until_ended(self) -> None:
        """Return when nothing more can come over it."""
        await asyncio.wait({self._reader})

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.wait({self._reader})
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await self._socket.close()

    async def _wait_for_hello(self) -> None:
        waiting = [asyncio.create_task(each.wait()) for each in (self._hello, self.leaving)]
        await asyncio.wait(waiting, timeout=HELLO_TIMEOUT, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        if not self._hello.is_set():
            is_full = self.reason == "too_many_websockets"
            raise RetryLater(f"no hello: {self.reason or 'nothing'}", retry_after_ms=FULL_RETRY_MS if is_full else None)

    async def _read(self) -> None:
        try:
            while (message := await self._socket.receive()).type not in END_TYPES:
                if message.type is _TYPES.TEXT:
                    self._handle_frame(message.data)
            self.was_drained = message.type is _TYPES.CLOSE
        finally:
            self.leaving.set()

    def _handle_frame(self, text: str) -> None:
        try:
            frame = Frame.model_validate(parse_json(text))
        except (InvalidRequest, ValidationError):
            log.warning("frame_malformed", channel="slack")
            return
        if frame.type == "hello":
            self.connections = frame.num_connections
            self._hello.set()
        elif frame.type == "disconnect":
            self.reason = frame.reason[:40]
            self.leaving.set()
        elif frame.type in KINDS and frame.envelope_id:
            self._enqueue(frame)
        else:
            log.info("kind_unknown", channel="slack", kind=frame.type[:64])

    def _enqueue(self, frame: Frame) -> None:
        kind: Any = frame.type
        try:
            self._inbox.put_nowait(
                SocketEnvelope(kind, frame.payload, frame.accepts_response_payload, frame.envelope_id, self)
            )
        except asyncio.QueueFull:
            log.warning("inbox_full", channel="slack")
            self._on_missed()
