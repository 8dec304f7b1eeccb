"""Reads a source as the sync service does, without an index: documents in a dictionary, memory as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent_worker.sources.registry import format_of
from schemas.conversation import Visibility
from schemas.ports import (
    Content,
    IncompleteListing,
    ReadDocument,
    SkippedDocument,
    Source,
    SyncRequest,
    UnchangedDocument,
)


class RequestLog(Protocol):
    """A simulated vendor, as far as a test kills a reading at one of its requests."""

    requests: list[str]
    on_request: Callable[[str], None]
    now: float


@dataclass
class Reading:
    """One reading. ``documents``: what was read, by id."""

    documents: dict[str, Content] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    skipped: dict[str, SkippedDocument] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def listed(self) -> set[str]:
        """Documents that are not removed if the reading was complete."""
        kept = {each.id for each in self.skipped.values() if not each.is_gone}
        return {*self.documents, *self.unchanged, *kept}


async def convert(name: str, data: bytes, type: str) -> Sequence[Content]:
    return format_of(name, type)[1].read(name, data)


class SourceReader:
    """``stored`` are the documents after all readings. The memory is kept as text, so that it is really JSON."""

    def __init__(
        self, source: Source, location: str, options: Mapping[str, Any], visibility: Visibility = "public"
    ) -> None:
        self.source = source
        self.location = location
        self.options = dict(options)
        self.visibility = visibility
        self.stored: dict[str, Content] = {}
        self.memory = "{}"

    async def read(self) -> Reading:
        """What was read before an exception is stored, as after a kill."""
        reading, memory = Reading(), json.loads(self.memory)
        request = SyncRequest(self.location, self.options, convert, memory, set(self.stored), self.visibility)
        async for item in self.source.read(request):
            match item:
                case ReadDocument():
                    reading.documents[item.id] = self.stored[item.id] = item.content
                case UnchangedDocument():
                    reading.unchanged.append(item.id)
                case SkippedDocument():
                    reading.skipped[item.name] = item
                case IncompleteListing():
                    reading.notes.append(item.why)
            self.memory = json.dumps(memory)
        self.memory = json.dumps(memory)
        if not reading.notes and all(each.id or each.is_gone for each in reading.skipped.values()):
            self.stored = {id: content for id, content in self.stored.items() if id in reading.listed}
        return reading

    async def read_until_done(self, log: RequestLog, kills: list[int]) -> tuple[Reading, int]:
        """The last reading, and how many readings were killed, each at a request whose number is in ``kills``."""
        killed = 0
        while True:
            task = asyncio.create_task(self.read())

            def count(_name: str, task: asyncio.Task[Reading] = task) -> None:
                if kills and len(log.requests) >= kills[0]:
                    kills.pop(0)
                    task.cancel()

            log.on_request = count
            try:
                return await task, killed
            except asyncio.CancelledError:
                killed += 1
                log.now += 60  # until it runs again
