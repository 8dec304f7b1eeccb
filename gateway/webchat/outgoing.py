"""What goes down a chat socket without being asked for: new messages, deltas, typing, receipts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from gateway.webchat.service import PAGE, Exchange
from gateway.webchat.sessions import Sessions, Visit
from gateway.webchat.watch import Watch
from schemas.errors import ParleyError
from schemas.ports import Clock

log = structlog.get_logger("parley.gateway")

LOOK_AGAIN = 2.0
LOOK_AGAIN_IDLE = 10.0
IDLE_AFTER = 120.0
"""Seconds: a socket on which nothing happens looks less often, so that thousands of them cost little."""
ASK_AGAIN = 30.0
"""Seconds after which an open socket asks whether its visitor has signed out."""
REMEMBERED = 64

Send = Callable[[dict[str, Any]], Awaitable[None]]


class TokenGuard:
    """Tells a socket when the token that it was opened with is no longer good."""

    def __init__(self, sessions: Sessions, visit: Visit, clock: Clock) -> None:
        self._sessions = sessions
        self._visit = visit
        self._clock = clock
        self._asked_at = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until the token expires."""
        return (self._visit.expires_at - self._clock()).total_seconds()

    async def objection(self, signals: Sequence[bytes] = ()) -> str:
        """Why the socket must be closed now; empty while the token is good."""
        if self.left <= 0:
            return "the visitor token is expired"
        ended = any(self._is_ended(payload) for payload in signals if b'"ended"' in payload)
        # A signal may be lost: once in a while the store is asked.
        if not ended and time.monotonic() - self._asked_at >= ASK_AGAIN:
            self._asked_at = time.monotonic()
            try:
                ended = await self._sessions.is_over(self._visit)
            except ParleyError as error:
                log.info("session_check_failed", code=error.code, conversation_id=self._visit.conversation)
        return "the visitor has signed out" if ended else ""

    def _is_ended(self, payload: bytes) -> bool:
        try:
            signal = json.loads(payload)
            return bool(signal["type"] == "ended" and signal["session"] == self._visit.session)
        except (ValueError, TypeError, KeyError):
            return False


class Pump:
    """One socket's outgoing side. ``turn_to_speak`` is held while a message is being accepted, so that its ack comes
    before the message itself."""

    def __init__(
        self,
        exchange: Exchange,
        visit: Visit,
        send: Send,
        guard: TokenGuard,
        *,
        after: int,
        turn_to_speak: asyncio.Lock,
    ) -> None:
        self._exchange = exchange
        self._visit = visit
        self._send = send
        self._guard = guard
        self._after = after
        self._turn_to_speak = turn_to_speak
        self._busy_at = time.monotonic()
        self._streams = Streams()

    def touch(self) -> None:
        """Something happened on the socket."""
        self._busy_at = time.monotonic()

    async def run(self, watch: Watch) -> str:
        """Until the process stops or the socket breaks (ConnectionError); or until the token is no longer good: then
        the answer says why."""
        await self._catch_up()
        while not watch.ended:
            idle = time.monotonic() - self._busy_at > IDLE_AFTER
            signals = await watch.next(max(0.0, min(LOOK_AGAIN_IDLE if idle else LOOK_AGAIN, self._guard.left)))
            if reason := await self._guard.objection(signals):
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
            # The store is away; the next look finds what is due.
            log.info("chat_catch_up_failed", code=error.code, conversation_id=self._visit.conversation)

    async def _send_page(self) -> bool:
        """Tells whether there may be more. After less than a page there is not: what is added later has a signal of
        its own, which must not wait for a look that finds nothing."""
        lines, reached = await self._exchange.lines(self._visit, self._after)
        if reached == self._after:
            return False
        async with self._turn_to_speak:
            for line in lines:
                self._streams.finished(line.turn_id)
                (shown,) = await self._exchange.shown(self._visit, [line])
                await self._send({"type": "message", "message": shown})
        full = reached - self._after >= PAGE
        self._after = reached
        self.touch()
        return full

    async def _forward(self, payload: bytes) -> None:
        try:
            signal = json.loads(payload)
            kind = signal["type"]
        except (ValueError, TypeError, KeyError):
            log.warning("signal_unreadable", conversation_id=self._visit.conversation)
            return
        self.touch()
        if kind == "message":
            await self._catch_up()
        elif kind in ("delta", "abort"):
            if (frame := self._streams.admit(signal)) is not None:
                await self._send(frame)
        elif kind == "changed":
            await self._changed(str(signal.get("message_id", "")))
        elif kind == "typing":
            if (author := _author(signal.get("author")))["kind"] != "contact":
                await self._send({"type": "typing", "author": author})
        elif kind == "receipt" and signal.get("state") != "dropped":
            await self._send({"type": "receipt", "message_id": signal.get("message_id"), "state": signal.get("state")})

    async def _changed(self, message_id: str) -> None:
        """What is on the screen says something else now. Whoever misses it reads the new words with the next page."""
        try:
            line = await self._exchange.line(self._visit, message_id)
        except ParleyError as error:
            log.info("chat_change_lost", code=error.code, conversation_id=self._visit.conversation)
            return
        if line is not None and line.seq <= self._after:
            (shown,) = await self._exchange.shown(self._visit, [line])
            await self._send({"type": "changed", "message": shown})


class Streams:
    """Which deltas may still be shown: none of a turn that was aborted or has its message, none of an older epoch,
    none twice."""

    def __init__(self) -> None:
        self._over: dict[str, str] = {}
        self._next: dict[str, int] = {}
        self._epoch = 0

    def finished(self, turn: str, how: str = "answered") -> None:
        """What still comes of the turn's stream is late."""
        if turn:
            self._next.pop(turn, None)
            self._over[turn] = how
            while len(self._over) > REMEMBERED:
                del self._over[next(iter(self._over))]

    def admit(self, signal: dict[str, Any]) -> dict[str, Any] | None:
        """The frame for a delta or an abort, or None when it must not be shown."""
        turn = str(signal.get("turn_id", ""))
        if signal["type"] == "abort":
            shown = turn in self._next
            self.finished(turn, "aborted")
            return {"type": "abort", "turn_id": turn} if shown else None
        index, epoch = signal.get("index"), signal.get("epoch", self._epoch)
        if not isinstance(index, int) or not isinstance(epoch, int) or epoch < self._epoch:
            return None
        if index == 0 and self._over.get(turn) == "aborted":
            del self._over[turn]  # the turn started again
        if turn in self._over or index < self._next.get(turn, 0):
            return None
        self._epoch = epoch
        self._next[turn] = index + 1
        while len(self._next) > REMEMBERED:
            del self._next[next(iter(self._next))]
        return {"type": "delta", "turn_id": turn, "index": index, "text": str(signal.get("text", ""))}


def _author(value: object) -> dict[str, str]:
    if isinstance(value, dict):
        return {"kind": str(value.get("kind", "agent")), "name": str(value.get("name", ""))}
    return {"kind": str(value or "agent"), "name": ""}
