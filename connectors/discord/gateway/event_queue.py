"""Events of a bot between their arrival and their append."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

import structlog
from pydantic import ValidationError

from connectors.discord.gateway.sessions import Session
from connectors.discord.models import Dispatch
from schemas.ports import Clock

log = structlog.get_logger("parley.discord")

DISPATCH = 0
"""The opcode of events."""


class GatewayEvent(Dispatch):
    """``s`` is the event's number in its session."""

    s: int = 0


class QueuedEvent(NamedTuple):
    at: datetime
    session: Session
    event: GatewayEvent


class EventQueue:
    """Events in the order of their arrival. ``on_change`` is told since when some may be waiting; None if none do."""

    def __init__(self, clock: Clock, on_change: Callable[[datetime | None], None]) -> None:
        self._clock = clock
        self._tell = on_change
        self._waiting: asyncio.Queue[QueuedEvent] = asyncio.Queue()
        self._taken: list[QueuedEvent] = []

    @property
    def size(self) -> int:
        return self._waiting.qsize()

    def put(self, session: Session, event: GatewayEvent) -> None:
        arrived = self._clock()
        if not self._taken and self._waiting.empty():
            self._tell(arrived)
        self._waiting.put_nowait(QueuedEvent(arrived, session, event))

    async def take(self, most: int) -> list[GatewayEvent]:
        """Return the next events, at most so many; they count as waiting until ``finish``."""
        self._taken.append(await self._waiting.get())
        while len(self._taken) < most and not self._waiting.empty():
            self._taken.append(self._waiting.get_nowait())
        return [each.event for each in self._taken]

    def finish(self) -> None:
        """The events that were taken are appended. What follows has arrived after the last of them."""
        self._tell(None if self._waiting.empty() else self._taken[-1].at)
        for each in self._taken:
            each.session.seq = max(each.session.seq, each.event.s)
            self._waiting.task_done()
        self._taken = []

    async def wait_until_empty(self) -> None:
        """Wait until everything is appended."""
        await self._waiting.join()


def parse_frame(raw: str) -> GatewayEvent | None:
    """Return the event; None for a frame that is none."""
    frame: Any = None
    try:
        frame = json.loads(raw)
        return GatewayEvent.model_validate({**frame, "d": frame["d"] or {}}) if frame["op"] == DISPATCH else None
    except (ValueError, RecursionError, ValidationError, TypeError, LookupError):
        kind = str(frame.get("t"))[:64] if isinstance(frame, dict) else ""
        log.info("frame_unreadable", channel="discord", kind=kind)
        return None
