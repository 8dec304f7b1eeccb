"""Events of a bot between their arrival and their append."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError

from connectors.discord.models import Dispatch
from schemas.ports import Clock

log = structlog.get_logger("parley.discord")

DISPATCH = 0
"""The opcode of events."""


class EventQueue:
    """Frames in the order of their arrival. ``on_change`` is told since when some may be waiting; None if none do."""

    def __init__(self, clock: Clock, on_change: Callable[[datetime | None], None]) -> None:
        self._clock = clock
        self._tell = on_change
        self._frames: asyncio.Queue[tuple[datetime, str]] = asyncio.Queue()
        self._taken: list[tuple[datetime, str]] = []

    @property
    def size(self) -> int:
        return self._frames.qsize()

    def put(self, raw: str) -> None:
        """Add a frame; an empty one only wakes the reader."""
        arrived = self._clock()
        if not self._taken and self._frames.empty():
            self._tell(arrived)
        self._frames.put_nowait((arrived, raw))

    async def take(self, most: int) -> list[Dispatch]:
        """Return the next events, at most so many; they count as waiting until ``finish``."""
        self._taken.append(await self._frames.get())
        while len(self._taken) < most and not self._frames.empty():
            self._taken.append(self._frames.get_nowait())
        return [event for _, raw in self._taken if raw and (event := _parse(raw)) is not None]

    def finish(self) -> None:
        """The events that were taken are appended. What follows has arrived after the last of them."""
        self._tell(None if self._frames.empty() else self._taken[-1][0])
        for _ in self._taken:
            self._frames.task_done()
        self._taken = []

    async def wait_until_empty(self) -> None:
        """Wait until everything is appended."""
        await self._frames.join()


def _parse(raw: str) -> Dispatch | None:
    """Return the event; None for a frame that is none."""
    frame: Any = None
    try:
        frame = json.loads(raw)
        return Dispatch.model_validate(frame) if frame["op"] == DISPATCH else None
    except (ValueError, RecursionError, ValidationError, TypeError, LookupError):
        kind = str(frame.get("t"))[:64] if isinstance(frame, dict) else ""
        log.info("frame_unreadable", channel="discord", kind=kind)
        return None
