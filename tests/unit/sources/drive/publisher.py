"""What a sync does with a source: publish its documents, keep its memory, remove what is gone. It can be killed at any
moment, and then goes on from what was saved last."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from agent_worker.sources.conversion import Conversion
from agent_worker.sources.drive.source import GoogleDrive
from agent_worker.sources.isolation import Isolation
from schemas.ports import Content, IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument
from tests.platforms.drive.workspace import DriveWorkspace


@dataclass
class Outcome:
    read: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Path → reason."""
    notes: list[str] = field(default_factory=list)


@dataclass
class Saved:
    """Memory and hashes as of the same moment, as JSON in a file would hold them."""

    memory: str = "{}"
    hashes: dict[str, int] = field(default_factory=dict)


class Publisher:
    def __init__(self, workspace: DriveWorkspace) -> None:
        self.workspace = workspace
        self.published: dict[str, Content] = {}
        self.saved = Saved()
        self._isolation = Isolation()
        self.location = f"drive://{workspace.root}"
        self.options = workspace.options()

    async def __aenter__(self) -> Self:
        await self._isolation.__aenter__()
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._isolation.__aexit__(None, None, None)

    async def sync(self, before_each: Callable[[], Awaitable[None]] | None = None) -> Outcome:
        """``before_each`` is awaited before a document is taken, and the state saved after it."""
        memory, hashes = json.loads(self.saved.memory), dict(self.saved.hashes)
        unchanged = {id for id, value in hashes.items() if id in self.published and hash(self.published[id]) == value}
        request = SyncRequest(self.location, self.options, Conversion(self._isolation), memory, unchanged)
        outcome, handled, is_complete = Outcome(), set(), True
        async for item in GoogleDrive().read(request):
            if before_each is not None:
                self.saved = Saved(json.dumps(memory), copy.copy(hashes))
                await before_each()
            match item:
                case ReadDocument():
                    handled.add(item.id)
                    outcome.read.append(item.id)
                    self.published[item.id] = item.content
                    hashes[item.id] = hash(item.content)
                case UnchangedDocument():
                    handled.add(item.id)
                    outcome.unchanged.append(item.id)
                case SkippedDocument():
                    handled |= {item.id} if item.id else set()
                    is_complete = is_complete and bool(item.id)
                    outcome.skipped[item.name] = item.why
                case IncompleteListing():
                    is_complete = False
                    outcome.notes.append(item.why)
        self.saved = Saved(json.dumps(memory), hashes)
        if is_complete:
            outcome.removed = sorted(self.published.keys() - handled)
            for id in outcome.removed:
                del self.published[id]
        return outcome

    async def sync_and_kill(self, after: int) -> None:
        """Kill the sync when so many documents were taken. The state is saved as of the moment before."""
        taken = 0

        async def count() -> None:
            nonlocal taken
            taken += 1
            if taken > after:
                running.cancel()
            await asyncio.sleep(0)

        running = asyncio.ensure_future(self.sync(count))
        await asyncio.wait([running])

    def bodies(self) -> str:
        return "\n".join(content.body for content in self.published.values())

    def memory(self) -> dict[str, Any]:
        return dict(json.loads(self.saved.memory))
