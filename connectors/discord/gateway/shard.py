"""One shard of a bot: what its connection tells is appended in order, and only then counted as heard."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from connectors.discord.gateway.session_store import Session
from connectors.discord.gateway.websocket import DISPATCH, INVALID, RECONNECT, Frame, Gateway
from schemas.errors import SendDelayed

INBOX = 2000
"""Events that wait to be appended; with more the connection is given up, and resumed once they can be."""
AT_ONCE = 100
INVALID_PAUSE = (1.0, 5.0)
"""Discord asks for a random pause before another try."""
DRAIN = 3.0


class Bot(Protocol):
    """What the shards of a bot share."""

    async def up(self, shard: int, *, fresh: bool) -> None:
        """The shard hears; ``fresh``: in a new session. Returns once all shards hear."""

    async def take(self, frames: Sequence[Frame]) -> None:
        """Append what was told. Raises Fenced."""

    def keep(self, shard: int, session: Session) -> None:
        """For whoever connects next."""


class Shard:
    def __init__(self, number: int, session: Session, bot: Bot) -> None:
        self.number = number
        self.session = session
        self._bot = bot
        self._inbox: asyncio.Queue[Frame | None] = asyncio.Queue()

    async def run(self, gateway: Gateway) -> None:
        """Until its connection, which identifies or resumes, ends. Raises what the end means."""
        tasks = [asyncio.create_task(each) for each in (self._read(gateway), self._work(), gateway.beat())]
        reader, worker, _ = tasks
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if reader.done() and not worker.done():
                # What was told is told again after a resumption, but not after an invalid session.
                self._inbox.put_nowait(None)
                await asyncio.wait({worker}, timeout=DRAIN)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await gateway.close()
        for task in tasks:
            if not task.cancelled():
                task.result()
        if gateway.is_forgotten:
            self._forget()
        if (error := gateway.explain()) is not None:
            raise error

    async def _read(self, gateway: Gateway) -> None:
        while (frame := await gateway.next()) is not None:
            if frame.op == DISPATCH:
                if self._inbox.qsize() >= INBOX:
                    raise SendDelayed("more happens than can be appended")
                self._inbox.put_nowait(frame)
            elif frame.op == RECONNECT:
                return
            elif frame.op == INVALID:
                if frame.d is not True:
                    self._forget()
                raise SendDelayed("the session is invalid", retry_after_ms=int(random.uniform(*INVALID_PAUSE) * 1000))

    async def _work(self) -> None:
        while (first := await self._inbox.get()) is not None:
            frames = [first]
            while len(frames) < AT_ONCE and not self._inbox.empty():
                if (following := self._inbox.get_nowait()) is None:
                    self._inbox.put_nowait(None)
                    break
                frames.append(following)
            await self._begin(frames)
            await self._bot.take(frames)
            if (numbers := [each.s for each in frames if each.s is not None]) and self.session.id:
                self._keep(self.session.model_copy(update={"seq": numbers[-1]}))

    async def _begin(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            if frame.t == "READY" and isinstance(frame.d, Mapping):
                id_, url = (str(frame.d.get(name) or "") for name in ("session_id", "resume_gateway_url"))
                self._keep(Session(id=id_, seq=frame.s or 0, url=url))
                await self._bot.up(self.number, fresh=True)
            elif frame.t == "RESUMED":
                await self._bot.up(self.number, fresh=False)

    def _keep(self, session: Session) -> None:
        self.session = session
        self._bot.keep(self.number, session)

    def _forget(self) -> None:
        self._keep(Session())
