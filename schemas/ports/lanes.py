"""The interface between a lane and its handler: the batch, the handler, and what happens when it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from schemas.ports.bus import Record


class Batch(Protocol):
    """All waiting records of one conversation, as a lane passes them to its handler."""

    conversation: str
    attempt: int
    records: list[Record]
    """Grows with ``take_more``. The handler is responsible for all of them when it returns."""

    arrived: asyncio.Event
    """Set while records wait that ``take_more`` would return."""

    backlog: asyncio.Event
    """Set once records wait, or may wait, that ``take_more`` will not return: they are handled after this batch, so a
    handler that waits for further records must stop waiting."""

    revoking: asyncio.Event
    """Set when the partition is being taken away: finish now, do not wait for more."""

    def on_arrival(self, call: Callable[[], None] | None) -> None:
        """Call this whenever another record arrives from now on; None ends it. Records that already wait do not
        count."""

    def take_more(self) -> list[Record]:
        """Return the records that have arrived since; they belong to this batch from now on."""


LaneHandler = Callable[[Batch], Awaitable[None]]

GiveUp = Callable[[str, Sequence[Record], Exception, int], Awaitable[None]]
"""``(conversation, records, error, attempts)``: dead-letter the records, visibly. Must not raise."""
