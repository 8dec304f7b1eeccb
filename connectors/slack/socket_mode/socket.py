"""One socket of Slack's Socket Mode.

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

from connectors.slack.places import Vendor
from connectors.slack.requests import Json, What, decoded
from schemas.errors import InvalidRequest, SendDelayed

log = structlog.get_logger("parley.slack")

SILENCE = 15.0
"""Seconds without a word before a sign of life is asked for; without one the socket is taken for dead."""
GREETING = 10.0
CLOSING = 0.5
FULL_MS = 10_000
KINDS = get_args(What)
_TYPES = aiohttp.WSMsgType
OVER = (_TYPES.CLOSE, _TYPES.CLOSING, _TYPES.CLOSED, _TYPES.ERROR)


class Frame(Vendor):
    """An envelope, or what Slack says of the socket itself."""

    type: str = ""
    envelope_id: str = Field(default="", max_length=128)
    payload: Json = {}
    accepts_response_payload: bool = False
    reason: str = ""
    num_connections: int = 0


@dataclass(frozen=True, slots=True)
class Envelope:
    """To be acknowledged on the socket it came over, and not before what it holds was appended."""

    what: What
    payload: Json
    takes_answer: bool
    id: str
    socket: Socket

    async def ack(self, answer: Json | None = None) -> None:
        """On a socket that ended nothing happens: if Slack sends the envelope again, it is a repeat."""
        more = {"payload": answer} if answer and self.takes_answer else {}
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self.socket.say({"envelope_id": self.id, **more})


class Socket:
    """Reads into ``inbox`` until it ends. ``missed`` is called of an envelope that finds no room there."""

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, inbox: asyncio.Queue[Envelope], missed: Callable[[], None]
    ) -> None:
        self._socket = socket
        self._inbox = inbox
        self._missed = missed
        self._reader = asyncio.create_task(self._read())
        self._greeted = asyncio.Event()
        self.leaving = asyncio.Event()
        """Slack wants another one in its place, or it has ended already."""
        self.reason = ""
        self.in_order = False
        """Slack has closed it: everything that was sent over it has been read."""
        self.connections = 0
        """How many the app had when this one was greeted, with this one."""

    @classmethod
    async def opened(
        cls, http: aiohttp.ClientSession, url: str, inbox: asyncio.Queue[Envelope], missed: Callable[[], None]
    ) -> Socket:
        """Once Slack has said hello. Raises SendDelayed."""
        try:
            how = aiohttp.ClientWSTimeout(ws_close=CLOSING)
            socket = cls(await http.ws_connect(url, heartbeat=SILENCE, timeout=how), inbox, missed)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SendDelayed("Slack's socket cannot be reached") from error
        try:
            await socket._greeting()
        except BaseException:
            await socket.close()
            raise
        return socket

    async def say(self, frame: Json) -> None:
        await self._socket.send_json(frame)

    @property
    def has_ended(self) -> bool:
        return self._reader.done()

    async def ended(self) -> None:
        """Until nothing more can come over it."""
        await asyncio.wait({self._reader})

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.wait({self._reader})
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await self._socket.close()

    async def _greeting(self) -> None:
        waiting = [asyncio.create_task(each.wait()) for each in (self._greeted, self.leaving)]
        await asyncio.wait(waiting, timeout=GREETING, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        if not self._greeted.is_set():
            full = self.reason == "too_many_websockets"
            raise SendDelayed(f"no hello: {self.reason or 'nothing'}", retry_after_ms=FULL_MS if full else None)

    async def _read(self) -> None:
        try:
            while (message := await self._socket.receive()).type not in OVER:
                if message.type is _TYPES.TEXT:
                    self._hear(message.data)
            self.in_order = message.type is _TYPES.CLOSE
        finally:
            self.leaving.set()

    def _hear(self, text: str) -> None:
        try:
            frame = Frame.model_validate(decoded(text))
        except (InvalidRequest, ValidationError):
            log.warning("frame_malformed", channel="slack")
            return
        if frame.type == "hello":
            self.connections = frame.num_connections
            self._greeted.set()
        elif frame.type == "disconnect":
            self.reason = frame.reason[:40]
            self.leaving.set()
        elif frame.type in KINDS and frame.envelope_id:
            self._keep(frame)
        else:
            log.info("kind_unknown", channel="slack", kind=frame.type[:64])

    def _keep(self, frame: Frame) -> None:
        kind: Any = frame.type
        try:
            self._inbox.put_nowait(
                Envelope(kind, frame.payload, frame.accepts_response_payload, frame.envelope_id, self)
            )
        except asyncio.QueueFull:
            log.warning("inbox_full", channel="slack")
            self._missed()
