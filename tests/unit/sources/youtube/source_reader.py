"""Reads a YouTube source as the sync service does, without an index: documents in a dictionary, memory as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent_worker.sources.registry import format_of
from agent_worker.sources.youtube.source import YouTube
from schemas.ports import (
    Content,
    IncompleteListing,
    ReadDocument,
    SkippedDocument,
    SyncRequest,
    UnchangedDocument,
)
from tests.platforms.youtube.library import HANDLE
from tests.platforms.youtube.server import SimulatedYouTube

CHANNEL_LOCATION = f"youtube://channel/{HANDLE}"


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

    def __init__(self, youtube: SimulatedYouTube, location: str = CHANNEL_LOCATION, **options: Any) -> None:
        self.youtube = youtube
        self.location = location
        self.options = youtube.options(**options)
        self.stored: dict[str, Content] = {}
        self.memory = "{}"

    async def read(self) -> Reading:
        """What was read before an exception is stored, as after a kill."""
        reading, memory = Reading(), json.loads(self.memory)
        request = SyncRequest(self.location, self.options, convert, memory, set(self.stored))
        async for item in YouTube(self.youtube.sleep).read(request):
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
        if not reading.notes:
            self.stored = {id: content for id, content in self.stored.items() if id in reading.listed}
        return reading
