"""The WebSocket of the web chat: connections, the hello frame, and the frames from clients."""

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
from gateway.http.client_address import ClientAddressResolver
from gateway.http.rate_limits import RateLimits
from gateway.webchat.chat_service import ChatService, VisitorMessage
from gateway.webchat.connection_limits import ConnectionLimiter
from gateway.webchat.frames import (
    ChoiceFrame,
    CloseCode,
    FeedbackFrame,
    InboundFrame,
    MessageFrame,
    ReadFrame,
    TypingFrame,
    build_error_frame,
    find_client_msg_id,
    parse_frame,
    parse_hello,
)
from gateway.webchat.origins import OriginPolicy
from gateway.webchat.sessions import Visit, VisitorSessions
from gateway.webchat.socket_sender import SocketSender, TokenGuard
from gateway.webchat.watch import Watch, WatchRegistry
from schemas.errors import InvalidRequest, ParleyError, RateLimited, Unauthorized, Unavailable
from schemas.ports import Clock, Signals
from schemas.runtime import tracing

log = structlog.get_logger("parley.gateway")

HELLO_TIMEOUT = 5.0
"""Seconds, as are all times below."""
MAX_FRAME = 64 * 1024
PING_EVERY = 30.0
FRAMES_PER_SECOND = 20.0
BURST = 40
CLOSE_TIMEOUT = 2.0
TYPING_EVERY = 1.0


class ChatSocket(web.WebSocketResponse):
    """A WebSocket with JSON frames and a way to close it that never raises."""

    def __init__(self) -> None:
        # With compression small frames could grow large, and every idle socket would hold a buffer.
        super().__init__(compress=False, max_msg_size=MAX_FRAME + 1, heartbeat=PING_EVERY, timeout=CLOSE_TIMEOUT)

    async def write_frame(self, frame: dict[str, Any]) -> None:
        """Send a frame. Raises ConnectionError when the socket is closed."""
        await self.send_str(orjson.dumps(frame).decode())

    async def close_quietly(self, code: int, reason: str) -> None:
        with suppress(ConnectionError, RuntimeError):
            await self.close(code=code, message=reason.encode())


class FrameRateLimit:
    """A token bucket for the frames of one socket."""

    def __init__(self) -> None:
        self._tokens = float(BURST)
        self._refilled_at = time.monotonic()

    def is_exceeded(self) -> bool:
        """Count a frame, and return whether it was one too many."""
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._refilled_at) * FRAMES_PER_SECOND)
        self._refilled_at = now
        self._tokens -= 1
        return self._tokens < 0


class ChatSockets:
    """The socket endpoint and all open sockets."""

    def __init__(
        self,
        *,
        sessions: VisitorSessions,
        service: ChatService,
        origins: OriginPolicy,
        signals: Signals,
        clock: Clock,
        watches: WatchRegistry,
        rate_limits: RateLimits,
        addresses: ClientAddressResolver,
        connections: ConnectionLimiter,
    ) -> None:
        self._sessions = sessions
        self._service = service
        self._origins = origins
        self._signals = signals
        self._clock = clock
        self._watches = watches
        self._rate_limits = rate_limits
        self._addresses = addresses
        self._connections = connections
        self._open: WeakSet[ChatSocket] = WeakSet()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/v1/chat/{tenant}/socket", self.serve, allow_head=False)

    async def close_all(self) -> None:
        """Close all sockets at once, so that every client learns immediately that its socket is not read any more."""
        await asyncio.gather(*(socket.close_quietly(CloseCode.RESTART, "restart") for socket in list(self._open)))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self._watches.is_stopping:
            raise Unavailable("this process is stopping")
        socket = ChatSocket()
        if not socket.can_prepare(request):
            raise InvalidRequest("this address speaks WebSocket only")
        await socket.prepare(request)
        self._open.add(socket)
        try:
            visit, last_seq = await self._receive_hello(request, socket)
            if visit is not None:
                await self._admit(socket, replace(visit, address=self._addresses.resolve(request)), last_seq)
        except ConnectionError:
            pass  # the client gets what it missed when it reconnects with last_seq
        finally:
            self._open.discard(socket)
        return socket

    async def _receive_hello(self, request: web.Request, socket: ChatSocket) -> tuple[Visit | None, int]:
        tenant, origin = request.match_info["tenant"], request.headers.get(hdrs.ORIGIN, "")
        if not self._origins.has_web_account(tenant) or not self._origins.allows_for_tenant(origin, tenant):
            await socket.close_quietly(CloseCode.ORIGIN, "origin or tenant")
            return None, 0
        try:
            first = await socket.receive(timeout=HELLO_TIMEOUT)
        except TimeoutError:
            await socket.close_quietly(CloseCode.NO_HELLO, "no hello")
            return None, 0
        if first.type is not WSMsgType.TEXT:
            if first.type is WSMsgType.BINARY:
                await socket.close_quietly(CloseCode.NO_HELLO, "the first frame must be hello")
            return None, 0
        try:
            hello = parse_hello(first.data)
            if hello is None:
                await socket.close_quietly(CloseCode.NO_HELLO, "the first frame must be hello")
                return None, 0
            visit = await self._sessions.authenticate(hello.token)
        except InvalidRequest as error:
            # Its token may be good: 4401 would make the client throw it away.
            await socket.write_frame(build_error_frame(error, None))
            await socket.close_quietly(CloseCode.NO_HELLO, error.message[:100])
            return None, 0
        except Unauthorized as error:
            await socket.close_quietly(CloseCode.TOKEN, error.message[:100])
            return None, 0
        except Unavailable as error:
            await socket.write_frame(build_error_frame(error, None))
            await socket.close_quietly(CloseCode.RESTART, "try again")
            return None, 0
        if visit.tenant != tenant or not self._origins.allows(origin, visit.settings):
            await socket.close_quietly(CloseCode.ORIGIN, "origin or tenant")
            return None, 0
        return visit, hello.last_seq or 0

    async def _admit(self, socket: ChatSocket, visit: Visit, last_seq: int) -> None:
        try:
            await self._rate_limits.admit_socket(visit)
            connection = self._connections.hold(visit)
        except ParleyError as error:
            self._service.count_refusal(error)
            await socket.write_frame(build_error_frame(error, None))
            if isinstance(error, RateLimited):
                await socket.close_quietly(CloseCode.FLOOD, "too many sockets")
            else:
                await socket.close_quietly(CloseCode.RESTART, "try again")
            return
        with connection:
            await self._serve_visit(socket, visit, last_seq)

    async def _serve_visit(self, socket: ChatSocket, visit: Visit, last_seq: int) -> None:
        try:
            head = await self._service.read_head(visit)
        except ParleyError as error:
            await socket.write_frame(build_error_frame(error, None))
            await socket.close_quietly(CloseCode.RESTART, "try again")
            return
        await socket.write_frame({"type": "welcome", "conversation_id": visit.conversation, "seq": head})
        send_lock = asyncio.Lock()
        guard = TokenGuard(self._sessions, visit, self._clock)
        sender = SocketSender(
            self._service, visit, socket.write_frame, guard, after=min(last_seq, head), send_lock=send_lock
        )
        async with self._watches.open(self._signals, visit.conversation) as watch:
            task = asyncio.create_task(self._run_sender(socket, visit, sender, watch))
            task.add_done_callback(_log_crash)
            try:
                await FrameReader(self, socket, visit, sender, send_lock).run()
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError, ConnectionError):
                    await task

    async def _run_sender(self, socket: ChatSocket, visit: Visit, sender: SocketSender, watch: Watch) -> None:
        """Send until the process stops, the socket closes, or the visitor's token becomes invalid."""
        reason = await sender.run(watch)
        if reason:
            await socket.close_quietly(CloseCode.TOKEN, reason)


def _log_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) and not isinstance(error, ConnectionError):
        log.error("chat_pump_crashed", error=type(error).__name__)


class FrameReader:
    """Reads the frames of an authenticated socket and handles them one after the other."""

    def __init__(
        self, sockets: ChatSockets, socket: ChatSocket, visit: Visit, sender: SocketSender, send_lock: asyncio.Lock
    ) -> None:
        self._service = sockets._service
        self._signals = sockets._signals
        self._clock = sockets._clock
        self._socket = socket
        self._visit = visit
        self._sender = sender
        self._send_lock = send_lock
        self._rate_limit = FrameRateLimit()
        self._typed_at = 0.0
        self._read_seq = 0

    async def run(self) -> None:
        async for received in self._socket:
            if self._rate_limit.is_exceeded():
                return await self._socket.close_quietly(CloseCode.FLOOD, "too many frames")
            if self._clock() >= self._visit.expires_at:
                return await self._socket.close_quietly(CloseCode.TOKEN, "the visitor token is expired")
            if received.type is WSMsgType.TEXT:
                self._sender.mark_active()
                await self._handle_text(received.data)
            elif received.type is WSMsgType.BINARY:
                await self._send_error(InvalidRequest("frames must be text"), None)

    async def _handle_text(self, data: str) -> None:
        try:
            await self._handle_frame(parse_frame(data))
        except ParleyError as error:
            await self._send_error(error, find_client_msg_id(data))
        except ConnectionError:
            raise
        except Exception as error:
            log.error("frame_crashed", error=type(error).__name__, conversation_id=self._visit.conversation)
            await self._socket.close_quietly(WSCloseCode.INTERNAL_ERROR, "internal error")

    async def _handle_frame(self, frame: InboundFrame) -> None:
        if isinstance(frame, TypingFrame):
            return await self._signal_typing()
        with tracing.span(f"frame {frame.type}", kind="server"):
            await self._dispatch(frame)

    async def _dispatch(self, frame: InboundFrame) -> None:
        match frame:
            case MessageFrame():
                await self._post_message(frame)
            case ChoiceFrame():
                await self._post_message(frame.to_message())
            case ReadFrame():
                await self._record_read(frame.seq)
            case FeedbackFrame():
                await self._service.record_feedback(self._visit, frame.message_id, frame.value, frame.comment or "")

    async def _post_message(self, message: VisitorMessage) -> None:
        async with self._send_lock:
            accepted = await self._service.post(self._visit, message)
            ack = {"type": "ack", "client_msg_id": message.client_msg_id}
            await self._socket.write_frame({**ack, "message_id": accepted.event_id, "seq": accepted.seq})

    async def _signal_typing(self) -> None:
        if time.monotonic() - self._typed_at >= TYPING_EVERY:
            self._typed_at = time.monotonic()
            await conversation_signals.publish_typing(self._signals, self._visit.conversation, "contact")

    async def _record_read(self, seq: int) -> None:
        if seq > self._read_seq:
            await self._service.record_read(self._visit, seq)
            self._read_seq = seq

    async def _send_error(self, error: ParleyError, client_msg_id: str | None) -> None:
        self._service.count_refusal(error)
        await self._socket.write_frame(build_error_frame(error, client_msg_id))
