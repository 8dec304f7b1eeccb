"""The web chat over WebSocket (contract §2): one socket, its hello, its frames in and its pump out."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any
from weakref import WeakSet

import orjson
import structlog
from aiohttp import WSCloseCode, WSMsgType, hdrs, web

from connectors import conversation_signals
from gateway.http.client_address import ClientAddresses
from gateway.http.rate_limits import Allowance
from gateway.webchat.frames import (
    ChoiceFrame,
    Close,
    FeedbackFrame,
    Incoming,
    MessageFrame,
    ReadFrame,
    TypingFrame,
    client_id_of,
    error_frame,
    hello,
    incoming,
)
from gateway.webchat.open_connections import OpenConnections
from gateway.webchat.origins import Origins
from gateway.webchat.outgoing import Pump, TokenGuard
from gateway.webchat.service import Exchange, Posted
from gateway.webchat.sessions import Sessions, Visit
from gateway.webchat.watch import Doors, Watch
from schemas import tracing
from schemas.errors import InvalidRequest, ParleyError, RateLimited, Unauthorized, Unavailable
from schemas.ports import Clock, Signals

log = structlog.get_logger("parley.gateway")

HELLO_WAIT = 5.0
MAX_FRAME = 64 * 1024
PING_EVERY = 30.0
FRAMES_PER_SECOND = 20.0
BURST = 40
CLOSE_WAIT = 2.0
TYPING_EVERY = 1.0


class Socket(web.WebSocketResponse):
    """With JSON frames, and closes that never raise."""

    def __init__(self) -> None:
        # Compression would let a small frame grow, and keeps a window of memory for every idle socket.
        super().__init__(compress=False, max_msg_size=MAX_FRAME + 1, heartbeat=PING_EVERY, timeout=CLOSE_WAIT)

    async def say(self, frame: dict[str, Any]) -> None:
        """Raises ConnectionError when the socket is gone."""
        await self.send_str(orjson.dumps(frame).decode())

    async def shut(self, code: int, reason: str) -> None:
        with suppress(ConnectionError, RuntimeError):
            await self.close(code=code, message=reason.encode())


class Flood:
    """Frames a second, with a burst."""

    def __init__(self) -> None:
        self._left = float(BURST)
        self._at = time.monotonic()

    def full(self) -> bool:
        now = time.monotonic()
        self._left = min(BURST, self._left + (now - self._at) * FRAMES_PER_SECOND)
        self._at = now
        self._left -= 1
        return self._left < 0


class Sockets:
    """The socket route, and every socket that is open."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        exchange: Exchange,
        origins: Origins,
        signals: Signals,
        clock: Clock,
        doors: Doors,
        allowance: Allowance,
        addresses: ClientAddresses,
        connections: OpenConnections,
    ) -> None:
        self._sessions = sessions
        self._exchange = exchange
        self._origins = origins
        self._signals = signals
        self._clock = clock
        self._doors = doors
        self._allowance = allowance
        self._addresses = addresses
        self._connections = connections
        self._open: WeakSet[Socket] = WeakSet()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/v1/chat/{tenant}/socket", self.serve, allow_head=False)

    async def close_all(self) -> None:
        """At once and together: whoever holds a socket must learn now that it will not be read any more."""
        await asyncio.gather(*(socket.shut(Close.RESTART, "restart") for socket in list(self._open)))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self._doors.stopping:
            raise Unavailable("this process is stopping")
        socket = Socket()
        if not socket.can_prepare(request):
            raise InvalidRequest("this address speaks WebSocket only")
        await socket.prepare(request)
        self._open.add(socket)
        try:
            visit, last_seq = await self._greet(request, socket)
            if visit is not None:
                await self._admitted(socket, replace(visit, address=self._addresses.of(request)), last_seq)
        except ConnectionError:
            pass  # gone without a word; what it missed it gets by last_seq
        finally:
            self._open.discard(socket)
        return socket

    async def _greet(self, request: web.Request, socket: Socket) -> tuple[Visit | None, int]:
        tenant, origin = request.match_info["tenant"], request.headers.get(hdrs.ORIGIN, "")
        if not self._origins.knows(tenant) or not self._origins.allows_any(origin, tenant):
            await socket.shut(Close.ORIGIN, "origin or tenant")
            return None, 0
        try:
            first = await socket.receive(timeout=HELLO_WAIT)
        except TimeoutError:
            await socket.shut(Close.NO_HELLO, "no hello")
            return None, 0
        if first.type is not WSMsgType.TEXT:
            if first.type is WSMsgType.BINARY:
                await socket.shut(Close.TOKEN, "the first frame must be hello")
            return None, 0
        try:
            greeting = hello(first.data)
            visit = await self._sessions.read(greeting.token)
        except (InvalidRequest, Unauthorized) as error:
            await socket.shut(Close.TOKEN, error.message[:100])
            return None, 0
        except Unavailable as error:
            await socket.say(error_frame(error, None))
            await socket.shut(Close.RESTART, "try again")
            return None, 0
        if visit.tenant != tenant or not self._origins.allows(origin, visit.settings):
            await socket.shut(Close.ORIGIN, "origin or tenant")
            return None, 0
        return visit, greeting.last_seq or 0

    async def _admitted(self, socket: Socket, visit: Visit, last_seq: int) -> None:
        try:
            await self._allowance.admit_socket(visit)
            counted = self._connections.hold(visit)
        except ParleyError as error:
            self._exchange.refused(error)
            await socket.say(error_frame(error, None))
            over = isinstance(error, RateLimited)
            await socket.shut(Close.FLOOD if over else Close.RESTART, "too many sockets" if over else "try again")
            return
        with counted:
            await self._converse(socket, visit, last_seq)

    async def _converse(self, socket: Socket, visit: Visit, last_seq: int) -> None:
        try:
            head = await self._exchange.head(visit)
        except ParleyError as error:
            await socket.say(error_frame(error, None))
            await socket.shut(Close.RESTART, "try again")
            return
        await socket.say({"type": "welcome", "conversation_id": visit.conversation, "seq": head})
        speaking = asyncio.Lock()
        guard = TokenGuard(self._sessions, visit, self._clock)
        pump = Pump(self._exchange, visit, socket.say, guard, after=min(last_seq, head), turn_to_speak=speaking)
        async with self._doors.watch(self._signals, visit.conversation) as watch:
            task = asyncio.create_task(self._pump(socket, visit, pump, watch))
            task.add_done_callback(_report)
            try:
                await Conversing(self, socket, visit, pump, speaking).run()
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError, ConnectionError):
                    await task

    async def _pump(self, socket: Socket, visit: Visit, pump: Pump, watch: Watch) -> None:
        """Send until the process stops, the socket breaks, or the visitor's token is no longer good."""
        reason = await pump.run(watch)
        if reason:
            await socket.shut(Close.TOKEN, reason)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) and not isinstance(error, ConnectionError):
        log.error("chat_pump_crashed", error=type(error).__name__)


class Conversing:
    """One greeted socket: reads its frames in order, each done before the next."""

    def __init__(self, sockets: Sockets, socket: Socket, visit: Visit, pump: Pump, speaking: asyncio.Lock) -> None:
        self._exchange = sockets._exchange
        self._signals = sockets._signals
        self._clock = sockets._clock
        self._socket = socket
        self._visit = visit
        self._pump = pump
        self._speaking = speaking
        self._flood = Flood()
        self._typed_at = 0.0
        self._read = 0

    async def run(self) -> None:
        async for received in self._socket:
            if self._flood.full():
                return await self._socket.shut(Close.FLOOD, "too many frames")
            if self._clock() >= self._visit.expires_at:
                return await self._socket.shut(Close.TOKEN, "the visitor token is expired")
            if received.type is WSMsgType.TEXT:
                self._pump.touch()
                await self._take(received.data)
            elif received.type is WSMsgType.BINARY:
                await self._refuse(InvalidRequest("frames must be text"), None)

    async def _take(self, data: str) -> None:
        try:
            await self._act(incoming(data))
        except ParleyError as error:
            await self._refuse(error, client_id_of(data))
        except ConnectionError:
            raise
        except Exception as error:
            log.error("frame_crashed", error=type(error).__name__, conversation_id=self._visit.conversation)
            await self._socket.shut(WSCloseCode.INTERNAL_ERROR, "internal error")

    async def _act(self, frame: Incoming) -> None:
        if isinstance(frame, TypingFrame):
            return await self._typing()
        with tracing.span(f"frame {frame.type}", kind="server"):
            await self._do(frame)

    async def _do(self, frame: Incoming) -> None:
        match frame:
            case MessageFrame():
                await self._post(frame)
            case ChoiceFrame():
                await self._post(frame.posted())
            case ReadFrame():
                await self._seen(frame.seq)
            case FeedbackFrame():
                await self._exchange.feedback(self._visit, frame.message_id, frame.value, frame.comment or "")

    async def _post(self, posted: Posted) -> None:
        async with self._speaking:
            accepted = await self._exchange.post(self._visit, posted)
            ack = {"type": "ack", "client_msg_id": posted.client_msg_id}
            await self._socket.say({**ack, "message_id": accepted.event_id, "seq": accepted.seq})

    async def _typing(self) -> None:
        if time.monotonic() - self._typed_at >= TYPING_EVERY:
            self._typed_at = time.monotonic()
            await conversation_signals.publish_typing(self._signals, self._visit.conversation, "contact")

    async def _seen(self, seq: int) -> None:
        if seq > self._read:
            await self._exchange.read_up_to(self._visit, seq)
            self._read = seq

    async def _refuse(self, error: ParleyError, client_msg_id: str | None) -> None:
        self._exchange.refused(error)
        await self._socket.say(error_frame(error, client_msg_id))
