"""The sending side of a chat socket: new messages, deltas, typing and receipts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from gateway.webchat.chat_service import PAGE_SIZE, ChatService
from gateway.webchat.sessions import Visit, VisitorSessions
from gateway.webchat.watch import Watch
from schemas.errors import ParleyError
from schemas.ports import Clock

log = structlog.get_logger("parley.gateway")

POLL_EVERY = 2.0
IDLE_POLL_EVERY = 10.0
IDLE_AFTER = 120.0
"""Seconds. Idle sockets poll less often, so that thousands of them cost little."""
SESSION_CHECK_EVERY = 30.0
"""Seconds after which an open socket checks whether its visitor has signed out."""
MAX_REMEMBERED = 64

SendFrame = Callable[[dict[str, Any]], Awaitable[None]]


class TokenGuard:
    """Tells when the token of a socket becomes invalid."""

    def __init__(self, sessions: VisitorSessions, visit: Visit, clock: Clock) -> None:
        self._sessions = sessions
        self._visit = visit
        self._clock = clock
        self._checked_at = time.monotonic()

    @property
    def seconds_left(self) -> float:
        """Seconds until the token expires."""
        return (self._visit.expires_at - self._clock()).total_seconds()

    async def find_close_reason(self, signals: Sequence[bytes] = ()) -> str:
        """Return the reason to close the socket; empty while the token is valid."""
        if self.seconds_left <= 0:
            return "the visitor token is expired"
        ended = any(self._ends_session(payload) for payload in signals if b'"ended"' in payload)
        # Signals may be lost, so the store is asked from time to time.
        if not ended and time.monotonic() - self._checked_at >= SESSION_CHECK_EVERY:
            self._checked_at = time.monotonic()
            try:
                ended = await self._sessions.is_ended(self._visit)
            except ParleyError as error:
                log.info("session_check_failed", code=error.code, conversation_id=self._visit.conversation)
        return "the visitor has signed out" if ended else ""

    def _ends_session(self, payload: bytes) -> bool:
        try:
            signal = json.loads(payload)
            return bool(signal["type"] == "ended" and signal["session"] == self._visit.session)
        except (ValueError, TypeError, KeyError):
            return False


class SocketSender:
    """Sends to one socket. ``send_lock`` is held while a message is being accepted, so that its ack precedes the
    message itself."""

    def __init__(
        self,
        service: ChatService,
        visit: Visit,
        send: SendFrame,
        guard: TokenGuard,
        *,
        after: int,
        send_lock: asyncio.Lock,
    ) -> None:
        self._service = service
        self._visit = visit
        self._send = send
        self._guard = guard
        self._after = after
        self._send_lock = send_lock
        self._active_at = time.monotonic()
        self._deltas = DeltaFilter()

    def mark_active(self) -> None:
        """Record activity on the socket."""
        self._active_at = time.monotonic()

    async def run(self, watch: Watch) -> str:
        """Send until the process stops, the socket closes (ConnectionError) or the token becomes invalid. Returns the
        reason to close the socket, or an empty text."""
        await self._catch_up()
        while not watch.ended:
            idle = time.monotonic() - self._active_at > IDLE_AFTER
            signals = await watch.wait(max(0.0, min(IDLE_POLL_EVERY if idle else POLL_EVERY, self._guard.seconds_left)))
            if reason := await self._guard.find_close_reason(signals):
                return reason
            if not signals:
                await self._catch_up()
            for payload in signals:
                await self._forward(payload)
        return ""

    async def _catch_up(self) -> None:
        try:
            while await self._send_page():
                pass
        except ParleyError as error:
            # The store is down; the next poll finds what is due.
            log.info("chat_catch_up_failed", code=error.code, conversation_id=self._visit.conversation)

    async def _send_page(self) -> bool:
        """Send up to a page of messages, and return whether there may be more. After an incomplete page there are none:
        a later message has its own signal, which must not wait for a read that finds nothing."""
        lines, reached = await self._service.read_lines(self._visit, self._after)
        if reached == self._after:
            return False
        async with self._send_lock:
            for line in lines:
                self._deltas.end_stream(line.turn_id)
                (message,) = await self._service.serialize(self._visit, [line])
                await self._send({"type": "message", "message": message})
        is_full_page = reached - self._after >= PAGE_SIZE
        self._after = reached
        self.mark_active()
        return is_full_page

    async def _forward(self, payload: bytes) -> None:
        try:
            signal = json.loads(payload)
            kind = signal["type"]
        except (ValueError, TypeError, KeyError):
            log.warning("signal_unreadable", conversation_id=self._visit.conversation)
            return
        self.mark_active()
        if kind == "message":
            await self._catch_up()
        elif kind in ("delta", "abort"):
            if (frame := self._deltas.build_frame(signal)) is not None:
                await self._send(frame)
        elif kind == "changed":
            await self._send_change(str(signal.get("message_id", "")))
        elif kind == "typing":
            if (author := _parse_author(signal.get("author")))["kind"] != "contact":
                await self._send({"type": "typing", "author": author})
        elif kind == "receipt" and signal.get("state") != "dropped":
            await self._send({"type": "receipt", "message_id": signal.get("message_id"), "state": signal.get("state")})

    async def _send_change(self, message_id: str) -> None:
        """Send the new text of a message that was shown. A client that misses it reads it with the next page."""
        try:
            line = await self._service.find_line(self._visit, message_id)
        except ParleyError as error:
            log.info("chat_change_lost", code=error.code, conversation_id=self._visit.conversation)
            return
        if line is not None and line.seq <= self._after:
            (message,) = await self._service.serialize(self._visit, [line])
            await self._send({"type": "changed", "message": message})


class DeltaFilter:
    """Drops deltas that must not be shown: those of a turn that was aborted or has its message, those of an older
    epoch, and repeated ones."""

    def __init__(self) -> None:
        self._ended: dict[str, str] = {}
        self._next_index: dict[str, int] = {}
        self._epoch = 0

    def end_stream(self, turn: str, outcome: str = "answered") -> None:
        """Drop all further deltas of a turn."""
        if turn:
            self._next_index.pop(turn, None)
            self._ended[turn] = outcome
            while len(self._ended) > MAX_REMEMBERED:
                del self._ended[next(iter(self._ended))]

    def build_frame(self, signal: dict[str, Any]) -> dict[str, Any] | None:
        """Build the frame for a delta or an abort; None if it must not be shown."""
        turn = str(signal.get("turn_id", ""))
        if signal["type"] == "abort":
            was_shown = turn in self._next_index
            self.end_stream(turn, "aborted")
            return {"type": "abort", "turn_id": turn} if was_shown else None
        index, epoch = signal.get("index"), signal.get("epoch", self._epoch)
        if not isinstance(index, int) or not isinstance(epoch, int) or epoch < self._epoch:
            return None
        if index == 0 and self._ended.get(turn) == "aborted":
            del self._ended[turn]  # the turn started again
        if turn in self._ended or index < self._next_index.get(turn, 0):
            return None
        self._epoch = epoch
        self._next_index[turn] = index + 1
        while len(self._next_index) > MAX_REMEMBERED:
            del self._next_index[next(iter(self._next_index))]
        return {"type": "delta", "turn_id": turn, "index": index, "text": str(signal.get("text", ""))}


def _parse_author(value: object) -> dict[str, str]:
    if isinstance(value, dict):
        return {"kind": str(value.get("kind", "agent")), "name": str(value.get("name", ""))}
    return {"kind": str(value or "agent"), "name": ""}
