"""One shard of a bot: its events are appended in order, and only then count as received."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from connectors.discord.gateway.session_store import Session
from connectors.discord.gateway.websocket import DISPATCH, INVALID, RECONNECT, Frame, GatewaySocket
from schemas.errors import RetryLater

MAX_INBOX = 2000
"""Events waiting to be appended; above this the connection is closed, and resumed later."""
BATCH_SIZE = 100
INVALID_PAUSE = (1.0, 5.0)
"""Discord asks for a random pause before the next attempt."""
DRAIN_SECONDS = 3.0


class ShardOwner(Protocol):
    """The state that the shards of a bot share."""

    async def report_ready(self, shard: int, *, fresh: bool) -> None:
        """The shard receives events; ``fresh``: in a new session. Returns once all shards do."""

    async def append(self, frames: Sequence[Frame]) -> None:
        """Append the frames' events. Raises Fenced."""

    def save_session(self, shard: int, session: Session) -> None:
        """Store the session for the next connection."""


class Shard:
    def __init__(self, number: int, session: Session, bot: ShardOwner) -> None:
        self.number = number
        self.session = session
        self._bot = bot
        self._inbox: asyncio.Queue[Frame | None] = asyncio.Queue()

    async def run(self, gateway: GatewaySocket) -> None:
        """Run until the connection ends. Raises what the end means."""
        tasks = [
            asyncio.create_task(each)
            for each in (self._read(gateway), self._process_inbox(), gateway.send_heartbeats())
        ]
        reader, worker, _ = tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and not worker.done():
                # A resumed session repeats these events, but an invalid one does not.
                self._inbox.put_nowait(None)
                await asyncio.wait({worker}, timeout=DRAIN_SECONDS)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await gateway.close()
        for task in tasks:
            if not task.cancelled():
                task.result()
        if gateway.is_session_lost:
            self._forget()
        if (error := gateway.explain_close()) is not None:
            raise error

    async def _read(self, gateway: GatewaySocket) -> None:
        while (frame := await gateway.receive()) is not None:
            if frame.op == DISPATCH:
                if self._inbox.qsize() >= MAX_INBOX:
                    raise RetryLater("more happens than can be appended")
                self._inbox.put_nowait(frame)
            elif frame.op == RECONNECT:
                return
            elif frame.op == INVALID:
                if frame.d is not True:
                    self._forget()
                raise RetryLater("the session is invalid", retry_after_ms=int(random.uniform(*INVALID_PAUSE) * 1000))

    async def _process_inbox(self) -> None:
        while (first := await self._inbox.get()) is not None:
            frames = [first]
            while len(frames) < BATCH_SIZE and not self._inbox.empty():
                if (following := self._inbox.get_nowait()) is None:
                    self._inbox.put_nowait(None)
                    break
                frames.append(following)
            await self._handle_session_start(frames)
            await self._bot.append(frames)
            if (numbers := [each.s for each in frames if each.s is not None]) and self.session.id:
                self._save(self.session.model_copy(update={"seq": numbers[-1]}))

    async def _handle_session_start(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            if frame.t == "READY" and isinstance(frame.d, Mapping):
                id_, url = (str(frame.d.get(name) or "") for name in ("session_id", "resume_gateway_url"))
                self._save(Session(id=id_, seq=frame.s or 0, url=url))
                await self._bot.report_ready(self.number, fresh=True)
            elif frame.t == "RESUMED":
                await self._bot.report_ready(self.number, fresh=False)

    def _save(self, session: Session) -> None:
        self.session = session
        self._bot.save_session(self.number, session)

    def _forget(self) -> None:
        self._save(Session())
