"""The gateway: who is connected, which sessions there are, and what they are told.

Source: the pages "Gateway" and "Opcodes and Status Codes" of Discord's documentation.
"""

from __future__ import annotations

import contextlib
from collections import deque
from typing import Any

from aiohttp import web

from tests.simulators.discord import intents
from tests.simulators.discord.connections import Close, Connection
from tests.simulators.discord.payloads import guild_json, members_json, ready_json
from tests.simulators.discord.server_state import Event, ServerState
from tests.simulators.discord.sessions import Session
from tests.simulators.discord.streams import stream_for
from tests.simulators.vendor import Fault, Faults, Ledger, Request

BEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, MEMBERS, INVALID, HELLO, ACK = 1, 2, 3, 4, 6, 7, 8, 9, 10, 11
BEAT_SECONDS = 41.25
GRACE_SECONDS = 20.0
"""A client whose heartbeat is so late is gone. Longer than any client of a test is kept waiting for a processor."""
RESUME_SECONDS = 180.0
IDENTIFIES, IDENTIFY_SECONDS = 1000, 86_400.0
CONCURRENCY_SECONDS = 5.0


class Gateway:
    """``granted`` are the privileged intents switched on in the Developer Portal. ``overlap`` is how many events before
    the asked ones a resumed session gets again. ``pace`` shortens the five seconds between identifications."""

    def __init__(self, world: ServerState, ledger: Ledger, pace: float) -> None:
        self._world = world
        self.faults = Faults()
        """Of its own, so that a heartbeat never meets what was meant for a request. Operations: Hello, Identify,
        Resume, Heartbeat."""
        self._ledger = ledger
        self.pace = pace
        self.beat_seconds = BEAT_SECONDS
        self.grace_seconds = GRACE_SECONDS
        self.resume_seconds = RESUME_SECONDS
        self.granted = intents.PRIVILEGED
        self.max_concurrency = 1
        self.shards = 1
        """What is advised; with fewer nobody is let in."""
        self.identify_budget = IDENTIFIES
        self.overlap = 0
        self.base = ""
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.closes: list[int] = []
        """Every code that a connection ended with, oldest first; 1006 where there was none."""
        self._identified: deque[float] = deque()
        self._last: dict[int, float] = {}
        """When somebody identified, by the number of the shard modulo ``max_concurrency``."""
        self._held: list[Event] | None = None
        world.emit = self.emit

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=64 * 1024, timeout=1.0)
        await socket.prepare(request)
        stream = stream_for(request.query.get("compress", ""))
        if request.query.get("v") not in ("9", "10") or request.query.get("encoding") != "json" or stream is None:
            self.closes.append(4012)
            await socket.close(code=4012, message=b"Invalid API version.")
            return socket
        connection = Connection(socket, request, stream, self._world.now)
        self.connections.add(connection)
        self._ledger.changed()
        try:
            async with connection.writing():
                await self._converse(connection)
        finally:
            self.connections.discard(connection)
            self._leave(connection)
        return socket

    def emit(self, event: Event) -> None:
        """To every session that asked for it, connected or not."""
        if self._held is not None:
            return self._held.append(event)
        self._forget()
        for session in self.sessions.values():
            if session.covers(event):
                session.tell(event, self._world.bot.id)
        return None

    def hold(self) -> None:
        """Keep events back, to let them go in another order."""
        self._held = []

    def release(self, *, backwards: bool = False) -> None:
        held, self._held = self._held or [], None
        for event in reversed(held) if backwards else held:
            self.emit(event)

    def lose(self) -> None:
        """What was held back is never told to anybody."""
        self._held = None

    def ask_reconnect(self) -> None:
        """Op 7: come back and resume."""
        self.say(RECONNECT)

    def invalidate(self, *, resumable: bool = False) -> None:
        """Op 9. What is not resumable is forgotten."""
        self.say(INVALID, resumable)
        if not resumable:
            self._forget_all()

    def hang_up(self, code: int | None = None) -> None:
        """End every connection, with a code or without a word. Sessions stay."""
        for connection in self.connections:
            connection.cut() if code is None else connection.close(code)

    def ask_heartbeat(self) -> None:
        """Op 1: a sign of life now, with the number of the newest event that was seen."""
        self.say(BEAT)

    def say(self, op: int, data: Any = None) -> None:
        """Any frame to everybody who is connected, also one that means nothing."""
        for connection in self.connections:
            connection.say(op, data)

    @property
    def identifies_left(self) -> int:
        while self._identified and self._identified[0] <= self._world.now() - IDENTIFY_SECONDS:
            self._identified.popleft()
        return max(0, self.identify_budget - len(self._identified))

    async def close(self) -> None:
        """End every connection. One whose client does not say goodbye is left to the server's own end."""
        self.hang_up(1001)
        with contextlib.suppress(TimeoutError):
            await self._ledger.until(lambda: not self.connections, deadline=2)

    async def _converse(self, connection: Connection) -> None:
        try:
            hello = self._meet("Hello", None)
            if hello is None:
                connection.say(HELLO, {"heartbeat_interval": int(self.beat_seconds * 1000), "_trace": []})
            while (payload := await connection.next(self.beat_seconds + self.grace_seconds)) is not None:
                self._take(connection, payload["op"], payload.get("d"))
        except Close as end:
            await connection.end(end)
        except TimeoutError:
            await connection.end(Close(4000, "No heartbeat."))

    def _take(self, connection: Connection, op: int, data: Any) -> None:
        if op == BEAT:
            return self._beat(connection, data)
        if op == IDENTIFY:
            return self._identify(connection, data)
        if op == RESUME:
            return self._resume(connection, data)
        if op not in (PRESENCE, VOICE, MEMBERS, 31, 43):
            raise Close(4001, "Unknown opcode.")
        if connection.session is None:
            raise Close(4003, "Not authenticated.")
        if op == MEMBERS:
            self._members(connection.session, data)
        return None

    def _beat(self, connection: Connection, data: Any) -> None:
        if self._met("Heartbeat", data, connection):
            return
        if connection.session is not None and isinstance(data, int):
            connection.session.acknowledge(data)
        connection.say(ACK)
        self._ledger.changed()

    def _identify(self, connection: Connection, data: Any) -> None:
        if connection.session is not None:
            raise Close(4005, "Already authenticated.")
        if not isinstance(data, dict) or "properties" not in data or "token" not in data:
            raise Close(4002, "Error while decoding payload.")
        if self._met("Identify", data, connection):
            return
        if data["token"] != self._world.token:
            raise Close(4004, "Authentication failed.")
        self._check_intents(data)
        shard = tuple(data.get("shard") or (0, 1))
        if self._too_many(shard[0] % self.max_concurrency):
            return connection.say(INVALID, False)
        session = Session(self._world.ids.token(), data["intents"], shard=shard)
        self.sessions[session.id] = session
        self._join(connection, session)
        ready = ready_json(self._world, session.id, f"{self.base}/resume", shard)
        session.tell(Event("READY", ready), self._world.bot.id)
        home = Event("GUILD_CREATE", guild_json(self._world), self._world.guild)
        if session.covers(home):
            session.tell(home, self._world.bot.id)
        return self._ledger.changed()

    def _resume(self, connection: Connection, data: Any) -> None:
        if connection.session is not None:
            raise Close(4005, "Already authenticated.")
        if not isinstance(data, dict) or not isinstance(data.get("seq"), int | None):
            raise Close(4002, "Error while decoding payload.")
        if self._met("Resume", data, connection):
            return
        if data.get("token") != self._world.token:
            raise Close(4004, "Authentication failed.")
        self._forget()
        session = self.sessions.get(str(data.get("session_id")))
        seq = data["seq"] or 0
        missed = session.since(seq) if session else None
        if session is None or missed is None:
            # Also of a client that lost its line before it had a session: it asks for none at all.
            return connection.say(INVALID, False)
        if seq > session.seq:
            raise Close(4007, "Invalid seq.")
        if session.connection is not None:
            session.connection.close(4000, "Resumed elsewhere.")
        self._join(connection, session)
        session.heard = max(session.heard, seq)
        for text in session.since(max(0, seq - self.overlap)) or missed:
            connection.write(text)
        session.tell(Event("RESUMED", {"_trace": []}), self._world.bot.id)
        return self._ledger.changed()

    def _join(self, connection: Connection, session: Session) -> None:
        connection.session = session
        session.connection = connection

    def _leave(self, connection: Connection) -> None:
        """1000 and 1001 say that the client is done; everything else leaves the session waiting for it."""
        self.closes.append(connection.close_code or 1006)
        session = connection.session
        if session is not None and session.connection is connection:
            session.connection = None
            session.left_at = self._world.now()
            if connection.said_goodbye:
                self.sessions.pop(session.id, None)
        self._ledger.changed()

    def _check_intents(self, data: dict[str, Any]) -> None:
        wanted = data.get("intents")
        if not isinstance(wanted, int) or wanted < 0 or wanted & ~intents.KNOWN:
            raise Close(4013, "Invalid intent(s).")
        if wanted & intents.PRIVILEGED & ~self.granted:
            raise Close(4014, "Disallowed intent(s).")
        shard = data.get("shard") or [0, 1]
        if len(shard) != 2 or not 0 <= shard[0] < shard[1]:
            raise Close(4010, "Invalid shard.")
        if shard[1] < self.shards:
            raise Close(4011, "Sharding required.")

    def _too_many(self, key: int) -> bool:
        """True: another one with this key within five seconds. When the day's budget is gone, the token is no longer
        good."""
        now = self._world.now()
        if self._last.get(key, 0.0) > now - CONCURRENCY_SECONDS * self.pace:
            return True
        if self.identifies_left == 0:
            self._world.token = self._world.ids.token(72)
            self._forget_all()
            raise Close(4004, "Authentication failed.")
        self._identified.append(now)
        self._last[key] = now
        return False

    def _forget(self) -> None:
        now = self._world.now()
        late = [
            each for each in self.sessions.values() if not each.connection and each.left_at < now - self.resume_seconds
        ]
        for session in late:
            del self.sessions[session.id]

    def _forget_all(self) -> None:
        for session in self.sessions.values():
            if session.connection is not None:
                session.connection.session = None
        self.sessions.clear()

    def _meet(self, operation: str, data: Any) -> Fault | None:
        request = Request(operation, self._world.application, data)
        if operation in ("Identify", "Resume"):
            self._ledger.note(request)
        return self.faults.meet(request)

    def _met(self, operation: str, data: Any, connection: Connection) -> bool:
        """A fault that took the place of what was asked: ``refuse`` closes with ``status``, ``limit`` answers op 9,
        ``drop`` cuts, everything else is silence."""
        fault = self._meet(operation, data)
        if fault is None:
            return False
        if fault.kind == "refuse":
            raise Close(fault.status if 4000 <= fault.status < 5000 else 4000, "scripted")
        if fault.kind == "limit":
            connection.say(INVALID, False)
        elif fault.kind in ("drop", "drop_after"):
            connection.cut()
        return True

    def _members(self, session: Session, data: Any) -> None:
        nonce = data.get("nonce") if isinstance(data, dict) else None
        session.tell(Event("GUILD_MEMBERS_CHUNK", members_json(self._world, nonce)), self._world.bot.id)
