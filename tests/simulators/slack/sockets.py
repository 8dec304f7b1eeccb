"""Socket Mode: hello, envelopes that want an answer, and Slack's several ways of saying goodbye."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSMsgType, web

from tests.simulators.slack.encoding import encode
from tests.simulators.slack.event_delivery import Delivery, Outcome
from tests.simulators.slack.ids import Ids

Reason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]
MOST = 10
"""Sockets of one app."""
HOST = "applink-simulated"


@dataclass(eq=False)
class Link:
    """One socket; ``unacked`` are the envelopes on it that nobody answered yet."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport
    unacked: dict[str, asyncio.Future[Any]] = field(default_factory=dict)
    leaving: bool = False

    def drop(self) -> None:
        for waiting in self.unacked.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError())


class Sockets:
    """Any open socket may get any event. What was not answered is sent again, perhaps on another one."""

    def __init__(self, ids: Ids, app_id: str, ack_seconds: float) -> None:
        self._ids = ids
        self._app_id = app_id
        self.ack_seconds = ack_seconds
        self.address = ""
        self.links: list[Link] = []
        self.acks: list[tuple[str, Any]] = []
        """Every answer as it came: envelope and payload."""
        self.story: list[tuple[float, str]] = []
        """What happened, and when: who looks for a lost event reads it."""
        self._tickets: set[str] = set()
        self._news = asyncio.Event()

    def ticket(self) -> str:
        """A URL that can be used once."""
        ticket = self._ids.uuid()
        self._tickets.add(ticket)
        return f"{self.address}/link/?ticket={ticket}&app_id={self._app_id}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401, text="unknown ticket")
        self._tickets.discard(ticket)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if len(self.links) >= MOST:
            await self._say(socket, {"type": "disconnect", "reason": "too_many_websockets", **self._debug()})
            await socket.close()
            return socket
        assert request.transport is not None
        link = Link(socket, request.transport)
        self.links.append(link)
        self._note("opens", link)
        await self._say(socket, self._hello())
        self._changed()
        try:
            await self._listen(link)
        finally:
            if link in self.links:
                self.links.remove(link)
            self._note(f"ends ({socket.close_code}), unanswered {list(link.unacked)}", link)
            link.drop()
            self._changed()
        return socket

    def _hello(self) -> dict[str, Any]:
        debug = {"host": HOST, "build_number": 1, "approximate_connection_time": 18060}
        info = {"app_id": self._app_id}
        return {"type": "hello", "num_connections": len(self.links), "connection_info": info, "debug_info": debug}

    def _debug(self) -> dict[str, Any]:
        return {"debug_info": {"host": HOST}}

    async def _say(self, socket: web.WebSocketResponse, frame: dict[str, Any]) -> None:
        await socket.send_str(encode(frame).decode())

    async def _listen(self, link: Link) -> None:
        async for message in link.socket:
            if message.type != WSMsgType.TEXT:
                continue
            try:
                frame = json.loads(message.data)
            except ValueError:
                continue
            envelope = frame.get("envelope_id") if isinstance(frame, dict) else None
            if not isinstance(envelope, str):
                continue
            self.acks.append((envelope, frame.get("payload")))
            self._note(f"answers {envelope}", link)
            waiting = link.unacked.pop(envelope, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(frame.get("payload"))

    @property
    def is_ready(self) -> bool:
        return True

    async def carry(self, delivery: Delivery, attempt: int, reason: str) -> Outcome:
        try:
            async with asyncio.timeout(self.ack_seconds):
                link = await self._open_link()
                payload = await self._envelope(link, delivery, attempt, reason)
        except TimeoutError:
            return Outcome(False, "timeout")
        except (ConnectionError, RuntimeError):
            return Outcome(False, "connection_failed")
        return Outcome(True, payload=payload)

    async def _open_link(self) -> Link:
        while True:
            usable = [link for link in self.links if not link.leaving and not link.socket.closed]
            if usable:
                return self._ids.choice(usable)
            await self._news.wait()

    async def _envelope(self, link: Link, delivery: Delivery, attempt: int, reason: str) -> Any:
        envelope = self._ids.uuid()
        frame: dict[str, Any] = {
            "envelope_id": envelope,
            "payload": delivery.payload,
            "type": delivery.what,
            "accepts_response_payload": delivery.what != "events_api",
        }
        if delivery.what == "events_api":
            frame |= {"retry_attempt": attempt, "retry_reason": reason}
        self._note(f"is sent {envelope}, retry {attempt}: {str(delivery.payload)[:300]}", link)
        waiting = link.unacked[envelope] = asyncio.get_running_loop().create_future()
        try:
            await self._say(link.socket, frame)
            return await waiting
        finally:
            link.unacked.pop(envelope, None)
            if waiting.done() and not waiting.cancelled():
                waiting.exception()

    async def disconnect(self, reason: Reason = "refresh_requested", *, close: bool = True) -> None:
        """Tell every socket to go. ``warning`` only announces it; else nothing more comes on it, and it is closed."""
        for link in list(self.links):
            link.leaving = reason != "warning"
            await self._say(link.socket, {"type": "disconnect", "reason": reason, **self._debug()})
            if close and reason != "warning":
                await link.socket.close()

    def cut(self) -> None:
        """Every connection breaks without a word."""
        for link in list(self.links):
            link.transport.abort()

    async def opened(self, count: int = 1, *, deadline: float = 60) -> None:
        """Until so many sockets are open. Raises TimeoutError."""
        async with asyncio.timeout(deadline):
            while len(self.links) < count:
                await self._news.wait()

    def _note(self, what: str, link: Link) -> None:
        self.story.append((time.monotonic(), f"socket {id(link):x} {what}"))

    def _changed(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    async def close(self) -> None:
        for link in list(self.links):
            await link.socket.close()
